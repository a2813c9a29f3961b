"""Ballots and counts as arrays: one pass over the rows, a chunk at a time, in bounded memory.

SQLite joins a chunk of numbers into one text (`group_concat`), which numpy reads at once: a row that comes to
Python by itself costs five times as much. Other databases are asked for plain rows.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from arena.conversation import SIDES
from arena.store.casting import LOOKS, OUTCOMES

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Parse = Callable[[], list[NDArray[Any]]]

CHUNK = 100_000  # rows: some 15 ms in which numpy lets nobody else run


@dataclass(frozen=True, slots=True)
class Names:
    """What the numbers in ballots stand for. `sets`: the categories of each set."""

    entrants: dict[int, str]
    sets: dict[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Ballots:
    """N ballots in the order they were cast: arrays of shape (N,). Leaks and voters set aside are in them."""

    a: NDArray[np.int16]
    b: NDArray[np.int16]
    outcome: NDArray[np.int8]
    is_leak: NDArray[np.bool_]
    category_set: NDArray[np.int32]
    voter: Integers

    def __len__(self) -> int:
        return len(self.voter)

    @classmethod
    def join(cls, parts: Sequence["Ballots"]) -> "Ballots":
        """All of them in this order."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


@dataclass(frozen=True, slots=True)
class Counts:
    """The counted votes of a category.

    `votes[i, j, o]`: those with `names[i]` on side a, `names[j]` on side b and outcome number o. Shape (M, M, 4).
    `names`: all entrants, in the order of the alphabet.
    """

    names: tuple[str, ...]
    votes: Integers


EMPTY = Ballots(
    np.zeros(0, np.int16),
    np.zeros(0, np.int16),
    np.zeros(0, np.int8),
    np.zeros(0, np.bool_),
    np.zeros(0, np.int32),
    np.zeros(0, np.int64),
)


async def names(db: AsyncConnection) -> Names:
    """Everything that numbers stand for by now."""
    entrants = await db.execute(text("SELECT id, name FROM entrants"))
    sets = await db.execute(text("SELECT id, names FROM category_sets"))
    return Names({row.id: row.name for row in entrants}, {row.id: tuple(json.loads(row.names)) for row in sets})


async def counts(db: AsyncConnection, category: str) -> Counts:
    """The counts of a category, from the table that votes keep."""
    entrants = (await names(db)).entrants
    a, b, *votes = await _numbers(
        db, ["a", "b", *OUTCOMES], "counts WHERE category = :category", {"category": category}
    )
    order = sorted(entrants, key=lambda number: entrants[number])
    place = np.zeros(max(order, default=0) + 1, np.int64)
    place[order] = np.arange(len(order))
    found = np.zeros((len(order), len(order), len(OUTCOMES)), np.int64)
    found[place[a], place[b]] = np.column_stack(votes)
    return Counts(tuple(entrants[number] for number in order), found)


async def ballots(db: AsyncConnection, entrants: dict[int, str], after: int, upto: int) -> Ballots:
    """The ballots whose ids are over `after` and at most `upto`."""
    bits = _bits(entrants)
    code = f"((((category_set << {bits}) | a) << {bits} | b) << 2 | outcome) << 1 | is_leak"
    reading: list[asyncio.Task[Ballots]] = []
    for first in range(after, upto, CHUNK):
        within = {"after": first, "upto": min(first + CHUNK, upto)}
        parse = await _asked(db, [code, "voter"], _RANGE, within)
        await asyncio.gather(*reading[-1:])  # one chunk is parsed while the next one is read
        reading.append(asyncio.create_task(asyncio.to_thread(_unpacked, parse, bits)))
    return Ballots.join([EMPTY, *(await asyncio.gather(*reading))])


async def days(db: AsyncConnection, after: int, upto: int) -> Integers:
    """The days of the same ballots."""
    return await _whole(db, ["day"], _RANGE, after, upto, np.int64)


async def probabilities(db: AsyncConnection, after: int, upto: int) -> Floats:
    """The probabilities of their pairs; 0 where nobody knows."""
    return await _whole(db, ["probability"], _RANGE, after, upto, np.float64)


async def looks(db: AsyncConnection, after: int, upto: int) -> Integers:
    """Their looks, shape (N, 10), as `ballots.looks` has them."""
    return (await _whole(db, ["looks"], _RANGE, after, upto, np.int64)).reshape(-1, len(SIDES) * len(LOOKS))


_RANGE = "ballots WHERE id > :after AND id <= :upto ORDER BY id"


def _bits(entrants: dict[int, str]) -> int:
    return max(entrants, default=0).bit_length() or 1


def _unpacked(parse: Parse, bits: int) -> Ballots:
    packed, voter = parse()
    mask = (1 << bits) - 1
    return Ballots(
        a=((packed >> (bits + 3)) & mask).astype(np.int16),
        b=((packed >> 3) & mask).astype(np.int16),
        outcome=((packed >> 1) & 3).astype(np.int8),
        is_leak=(packed & 1).astype(np.bool_),
        category_set=(packed >> (2 * bits + 3)).astype(np.int32),
        voter=voter,
    )


async def _whole(
    db: AsyncConnection, columns: list[str], source: str, after: int, upto: int, kind: type
) -> NDArray[Any]:
    """These columns of a range of ballots, side by side."""
    parts = [
        np.column_stack(
            await _numbers(db, columns, source, {"after": first, "upto": min(first + CHUNK, upto)}, kind)
        )
        for first in range(after, upto, CHUNK)
    ]
    found: NDArray[Any] = np.concatenate(parts) if parts else np.zeros((0, len(columns)), kind)
    return found[:, 0] if len(columns) == 1 else found


async def _numbers(
    db: AsyncConnection, columns: list[str], source: str, values: dict[str, Any], kind: type = np.int64
) -> list[NDArray[Any]]:
    """Each column of the rows of a source."""
    return await asyncio.to_thread(await _asked(db, columns, source, values, kind))


async def _asked(
    db: AsyncConnection, columns: list[str], source: str, values: dict[str, Any], kind: type = np.int64
) -> Parse:
    """The same, but for the last step: making arrays of what the database has said."""
    chosen = ", ".join(f"{column} AS c{number}" for number, column in enumerate(columns))
    rows = f"SELECT {chosen} FROM {source}"
    if db.dialect.name != "sqlite":
        found = (await db.execute(text(rows), values)).all()
        return lambda: [
            _parsed(" ".join(str(row[number]) for row in found), kind) for number in range(len(columns))
        ]
    joined = ", ".join(f"group_concat(c{number}, ' ')" for number in range(len(columns)))
    texts = (await db.execute(text(f"SELECT {joined} FROM ({rows})"), values)).one()
    return lambda: [_parsed(one, kind) for one in texts]


def _parsed(numbers: str | None, kind: type) -> NDArray[Any]:
    return np.fromstring(numbers, kind, sep=" ") if numbers else np.zeros(0, kind)
