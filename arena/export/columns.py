"""What the Parquet formats have in common: rows are gathered into groups, and written a group at a time."""

from abc import abstractmethod
from typing import IO, Any, ClassVar

from arena.export.writer import Writer
from arena.store.votes import VoteRecord


class Columns(Writer):
    """Apache Parquet, compressed with zstd, in row groups of `GROUP` votes."""

    is_text = False
    GROUP: ClassVar[int] = 1000

    def __init__(self, out: IO[bytes]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        super().__init__(out)
        self._schema = self._schema_of(pa)
        self._file = parquet.ParquetWriter(out, self._schema, compression="zstd")
        self._group: list[dict[str, Any]] = []
        self._to_table = pa.Table.from_pylist

    @abstractmethod
    def _schema_of(self, pa: Any) -> Any:
        """The columns, in the types of pyarrow."""

    @abstractmethod
    def _row(self, vote: VoteRecord) -> dict[str, Any]:
        """The vote in these columns."""

    def _add(self, vote: VoteRecord) -> None:
        self._group.append(self._row(vote))
        if len(self._group) == self.GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._group:
            self._file.write_table(self._to_table(self._group, schema=self._schema))
            self._group.clear()
