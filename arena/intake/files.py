"""What kind of file it is, and its rows: JSON lines, a JSON array, CSV or Parquet, told by its first bytes."""

import codecs
import csv
import errno
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from arena.intake.decoding import decode
from arena.intake.formats import Row
from arena.intake.known import FIELDS, recognise
from arena.intake.pieces import LIMIT, Piece, items, lines
from arena.intake.problems import BROKEN_OFF, TOO_LONG, LeftOut

HEAD = 2**16
ROWS = 100  # of a Parquet file, at once
BUFFER = 2**20  # bytes of each column of a Parquet file

FOREIGN = {
    codecs.BOM_UTF16_LE: "is in UTF-16: save it as UTF-8",
    codecs.BOM_UTF16_BE: "is in UTF-16: save it as UTF-8",
    b"\x1f\x8b": "is compressed: unpack it first",
    b"PK\x03\x04": "is compressed: unpack it first",
    b"\x28\xb5\x2f\xfd": "is compressed: unpack it first",
}

Read = Callable[[int], None]
"""Is told how many bytes have been read by now."""


@dataclass(frozen=True, slots=True)
class Found:
    """A row of a file, or why it is none."""

    place: int
    row: Row | LeftOut


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file: what its rows are counted in, and how they are read."""

    unit: str
    rows: Callable[[IO[bytes], Read], Iterator[Found]]


def rows(path: Path, read: Read = lambda _: None) -> tuple[str, Iterator[Found]]:
    """What rows are counted in, and the rows, one after the other. Raises `OSError`."""
    with path.open("rb") as file:
        if not file.seekable():
            raise OSError(errno.ESPIPE, "it is a pipe, which can be read only once")
        kind = _kind(file.read(HEAD))
    return kind.unit, _rows(path, kind, read)


def _rows(path: Path, kind: Kind, read: Read) -> Iterator[Found]:
    with path.open("rb") as file:
        yield from kind.rows(file, read)


def _kind(head: bytes) -> Kind:
    for beginning, reason in FOREIGN.items():
        if head.startswith(beginning):
            return _nothing(reason)
    if head.startswith(b"PAR1"):
        return Kind("row", _of_parquet)
    plain = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if plain.startswith(b"["):
        return Kind("line", _of_array)
    first = plain.split(b"\n", 1)[0].strip(b"\r").decode("utf-8", "replace")
    if recognise(first.replace('"', "").split(",")):
        return Kind("line", _of_csv)
    if not plain or any(line.startswith(b"{") for line in plain.splitlines()):
        return Kind("line", _of_lines)
    return _nothing("is no file of votes in a known format")


def _nothing(reason: str) -> Kind:
    return Kind("line", lambda file, read: iter([Found(1, LeftOut(reason))]))


# JSON


def _of_lines(file: IO[bytes], read: Read) -> Iterator[Found]:
    yield from _decoded(file, (piece for piece in lines(file) if piece.problem or piece.content.strip()), read)


def _of_array(file: IO[bytes], read: Read) -> Iterator[Found]:
    yield from _decoded(file, items(file), read)


def _decoded(file: IO[bytes], pieces: Iterable[Piece], read: Read) -> Iterator[Found]:
    for piece in pieces:
        read(file.tell())
        try:
            yield Found(piece.place, piece.problem or _object(decode(piece.content.strip())))
        except LeftOut as why:
            yield Found(piece.place, why)


def _object(value: Any) -> Row:
    if not isinstance(value, dict):
        raise LeftOut("is no JSON object", type(value).__name__)
    return value


# Tables


def _of_csv(file: IO[bytes], read: Read) -> Iterator[Found]:
    csv.field_size_limit(LIMIT)
    feed = _Lines(file)
    records = csv.reader(feed, strict=True)
    header: list[str] | None = None
    while True:
        place = feed.begin()
        read(file.tell())
        try:
            record = next(records)
            is_header, header = header is None, header or record
            if feed.problem:
                raise feed.problem
            if record and not is_header:
                yield Found(place, _named(header, record))
        except StopIteration:
            return
        except csv.Error as exc:
            reason = BROKEN_OFF if "unexpected end" in str(exc) else "is not CSV"
            yield Found(place, feed.problem or LeftOut(reason, exc))
        except LeftOut as why:
            yield Found(place, why)


def _named(header: list[str], record: list[str]) -> Row:
    if len(record) != len(header):
        raise LeftOut("has another number of columns than the header", len(record))
    return {name: value for name, value in zip(header, record, strict=True) if value != ""}


class _Lines:
    """The lines of a CSV file as text. `problem`: what is wrong with those of the record that is read.

    Such a record is read to its end all the same, lest the rest of a text be taken for the records that follow.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._pieces = lines(file)
        self._place = self._size = 0
        self.problem: LeftOut | None = None

    def begin(self) -> int:
        """Go on to the next record. Returns the line it begins on."""
        self._size, self.problem = 0, None
        return self._place + 1

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        piece = next(self._pieces)
        self._place = piece.place
        self._size += len(piece.content)
        if piece.problem or self._size > LIMIT:
            self.problem = self.problem or piece.problem or LeftOut(TOO_LONG)
            quotes = piece.quotes + piece.content.count(b'"')
            return '"' * (quotes % 2)  # enough to know whether a text goes on in the next line
        content = piece.content.removeprefix(codecs.BOM_UTF8 if self._place == 1 else b"")
        try:
            return content.decode()
        except UnicodeDecodeError as exc:
            self.problem = self.problem or LeftOut("is not UTF-8", exc.reason)
            return content.decode(errors="replace")


def _of_parquet(file: IO[bytes], read: Read) -> Iterator[Found]:
    import pyarrow as pa
    from pyarrow import parquet

    place = 0
    try:
        table = parquet.ParquetFile(file, pre_buffer=False, buffer_size=BUFFER)
        if not recognise(table.schema_arrow.names):
            yield Found(1, LeftOut("is no file of votes in a known format"))
            return
        columns = [name for name in table.schema_arrow.names if name in FIELDS]
        for number in range(table.num_row_groups):
            group = table.metadata.row_group(number)
            if group.total_byte_size > LIMIT * group.num_rows:
                yield Found(place + 1, LeftOut(TOO_LONG, f"a row group of {group.num_rows:,}"))
                place += group.num_rows
                continue
            for batch in table.iter_batches(ROWS, row_groups=[number], columns=columns):
                yield from _of_batch(pa, batch, place)
                place += batch.num_rows
                read(file.tell())
    except (pa.ArrowException, OSError, ValueError, OverflowError) as exc:
        yield Found(place + 1, LeftOut("the Parquet file cannot be read on", exc))


def _of_batch(pa: Any, batch: Any, place: int) -> Iterator[Found]:
    for number, row in enumerate(_in_microseconds(pa, batch).to_pylist()):
        is_over = batch.nbytes > LIMIT and batch.slice(number, 1).nbytes > LIMIT
        known = {name: value for name, value in row.items() if value is not None}
        yield Found(place + number + 1, LeftOut(TOO_LONG) if is_over else known)


def _in_microseconds(pa: Any, batch: Any) -> Any:
    """The same rows with moments that Python has."""
    table = pa.Table.from_batches([batch])
    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            moments = table.column(place).cast(pa.timestamp("us", field.type.tz), safe=False)
            table = table.set_column(place, field.name, moments)
    return table
