"""Ballots by column: packed some thousand at a time, as a board reads them, and read back as arrays.

A million rows take SQLite a tenth of a second to step through, and several to hand over. So ballots are kept once
more as chunks: each holds one column of the ballots whose ids are over `number * CHUNK` and at most
`(number + 1) * CHUNK`, as little-endian numbers. There are chunks of the oldest ballots up to some number, without
a gap; the newest ballots are read from their rows, as all of them are where nothing was packed. A ballot never
changes; who deletes one drops its chunk and all later ones in the same transaction.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from arena.conversation import SIDES
from arena.errors import StoreError
from arena.store.casting import LOOKS, insertion
from arena.store.database import Row, carry_out
from arena.tables.board import CHUNK

Column = NDArray[Any]

AT_ONCE = 16  # chunks in one question
KINDS = {
    "a": "<i2",
    "b": "<i2",
    "outcome": "<i1",
    "is_leak": "|b1",
    "category_set": "<i4",
    "voter": "<i8",
    "day": "<i4",
    "probability": "<f8",
    "looks": "<i4",
}
"""The columns and how their numbers are stored, as numpy writes types."""

_WIDTHS = {"looks": len(SIDES) * len(LOOKS)}  # numbers of a ballot, where there are more than one


async def read(db: AsyncConnection, names: Sequence[str], after: int, upto: int) -> list[Column]:
    """These columns of the ballots with ids over `after` and at most `upto`, in their order: shape (N,).

    Looks have the shape (N, 10). Raises `StoreError` where a ballot is damaged.
    """
    into = _Sheet(names, max(0, upto - after))
    begin = -(-after // CHUNK)
    end = min(upto // CHUNK, await packed(db))
    if begin >= end:
        await _read_rows(db, into, after, upto)
        return into.columns()
    await _read_rows(db, into, after, begin * CHUNK)
    for first in range(begin, end, AT_ONCE):
        await _read_chunks(db, into, first, min(first + AT_ONCE, end))
    await _read_rows(db, into, end * CHUNK, upto)
    return into.columns()


async def read_rows(db: AsyncConnection, names: Sequence[str], after: int, upto: int) -> list[Column]:
    """The same from their rows alone."""
    into = _Sheet(names, max(0, upto - after))
    await _read_rows(db, into, after, upto)
    return into.columns()


async def packed(db: AsyncConnection) -> int:
    """How many chunks there are of each column."""
    return (await db.scalar(_PACKED)) or 0


async def pack(db: AsyncConnection) -> None:
    """Pack the next chunk, whose ballots are all there, and commit."""
    number = await packed(db)
    if ((await db.scalar(_NEWEST)) or 0) >= (number + 1) * CHUNK:  # nobody else has been quicker
        await carry_out(db, [(_NEW_CHUNK, await _packed_anew(db, number))], is_last=True)


async def drop(db: AsyncConnection, first: int) -> None:
    """Drop the chunk of that number, and all later ones."""
    await db.execute(_DROP, {"number": first})


async def first_wrong(db: AsyncConnection) -> int | None:
    """The number of the first chunk that is not what its ballots say."""
    for number in range(await packed(db)):
        kept = {row.name: row.data for row in await db.execute(_CHUNK, {"number": number})}
        if kept and kept != await _should_be(db, number):
            return number
    return None


async def _packed_anew(db: AsyncConnection, number: int) -> list[Row]:
    """The rows of a chunk, from those of its ballots. Raises `StoreError` where one is damaged."""
    columns = await read_rows(db, list(KINDS), number * CHUNK, (number + 1) * CHUNK)
    return [
        {"number": number, "name": name, "data": column.tobytes()}
        for name, column in zip(KINDS, columns, strict=True)
    ]


async def _should_be(db: AsyncConnection, number: int) -> dict[str, bytes] | None:
    """The columns of a chunk by name; none where its ballots are damaged."""
    try:
        return {row["name"]: row["data"] for row in await _packed_anew(db, number)}
    except StoreError:
        return None


class _Sheet:
    """Columns with room for so many ballots, filled from the top."""

    def __init__(self, names: Sequence[str], room: int) -> None:
        self.names = names
        self._columns = [np.empty(room * _WIDTHS.get(name, 1), np.dtype(KINDS[name])) for name in names]
        self._filled = 0

    def add(self, parts: Sequence[Column]) -> None:
        """The next ballots: a part for each column. Raises `StoreError` where one of them lacks a number."""
        widths = [_WIDTHS.get(name, 1) for name in self.names]
        ballots = len(parts[0]) // widths[0]
        for column, width, part in zip(self._columns, widths, parts, strict=True):
            if len(part) != ballots * width:
                raise StoreError("There is a damaged ballot. Let `arena db verify --repair` mend it.")
            column[self._filled * width : (self._filled + ballots) * width] = part
        self._filled += ballots

    def columns(self) -> list[Column]:
        """What has been filled."""
        of_each = zip(self.names, self._columns, strict=True)
        filled = [(column[: self._filled * _WIDTHS.get(name, 1)], _WIDTHS.get(name)) for name, column in of_each]
        return [column.reshape(-1, width) if width else column for column, width in filled]


async def _read_chunks(db: AsyncConnection, into: _Sheet, first: int, end: int) -> None:
    rows = await db.execute(_CHUNKS, {"names": list(into.names), "first": first, "end": end})
    by_name: dict[str, list[bytes]] = {name: [] for name in into.names}
    for row in rows:
        by_name[row.name].append(row.data)
    if any(len(parts) < end - first for parts in by_name.values()):  # dropped since they were counted
        await _read_rows(db, into, first * CHUNK, end * CHUNK)
        return
    for parts in zip(*by_name.values(), strict=True):
        numbers = zip(into.names, parts, strict=True)
        into.add([np.frombuffer(data, np.dtype(KINDS[name])) for name, data in numbers])


async def _read_rows(db: AsyncConnection, into: _Sheet, after: int, upto: int) -> None:
    for first in range(after, upto, CHUNK):
        within = {"after": first, "upto": min(first + CHUNK, upto)}
        texts = await texts_of(db, into.names, "ballots WHERE id > :after AND id <= :upto ORDER BY id", within)
        into.add(await asyncio.to_thread(_parsed, into.names, texts))


def _parsed(names: Sequence[str], texts: Sequence[str]) -> list[Column]:
    kinds = [np.dtype(KINDS[name]) for name in names]
    return [
        numbers_in(one, np.float64 if kind.kind == "f" else np.int64).astype(kind)
        for one, kind in zip(texts, kinds, strict=True)
    ]


async def texts_of(db: AsyncConnection, columns: Sequence[str], source: str, values: Row) -> list[str]:
    """Each column of the rows of a source, as one text of numbers.

    SQLite joins them itself: a row that comes to Python by itself costs five times as much.
    """
    rows = f"SELECT {', '.join(columns)} FROM {source}"
    if db.dialect.name != "sqlite":
        found = (await db.execute(text(rows), values)).all()
        return [" ".join(str(row[place]) for row in found) for place in range(len(columns))]
    joined = ", ".join(f"group_concat({column}, ' ')" for column in columns)
    return [one or "" for one in (await db.execute(text(f"SELECT {joined} FROM ({rows})"), values)).one()]


def numbers_in(numbers: str, kind: type[np.int64] | type[np.float64] = np.int64) -> Column:
    """The numbers of a text."""
    return np.fromstring(numbers, kind, sep=" ") if numbers else np.zeros(0, kind)


_TABLE = "ballot_chunks"
_PACKED = text(f"SELECT max(number) + 1 FROM {_TABLE}")
_NEWEST = text("SELECT max(id) FROM ballots")
_CHUNK = text(f"SELECT name, data FROM {_TABLE} WHERE number = :number")
_CHUNKS = text(
    f"SELECT name, data FROM {_TABLE} WHERE number >= :first AND number < :end AND name IN :names ORDER BY number"
).bindparams(bindparam("names", expanding=True))
_NEW_CHUNK = insertion(_TABLE, ("number", "name", "data"))
_DROP = text(f"DELETE FROM {_TABLE} WHERE number >= :number")
