"""Ballots and counts as arrays: what boards are computed from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from arena.store import columns
from arena.store.casting import OUTCOMES

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


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
    source = "counts WHERE category = :category"
    texts = await columns.texts_of(db, ["a", "b", *OUTCOMES], source, {"category": category})
    a, b, *votes = map(columns.numbers_in, texts)
    order = sorted(entrants, key=lambda number: entrants[number])
    place = np.zeros(max(order, default=0) + 1, np.int64)
    place[order] = np.arange(len(order))
    found = np.zeros((len(order), len(order), len(OUTCOMES)), np.int64)
    found[place[a], place[b]] = np.column_stack(votes)
    return Counts(tuple(entrants[number] for number in order), found)


async def ballots(db: AsyncConnection, after: int, upto: int) -> Ballots:
    """The ballots whose ids are over `after` and at most `upto`."""
    return Ballots(*await columns.read(db, _COLUMNS, after, upto))


async def rows(db: AsyncConnection, after: int, upto: int) -> Ballots:
    """The same from their rows, whatever is packed."""
    return Ballots(*await columns.read_rows(db, _COLUMNS, after, upto))


_COLUMNS = [field.name for field in fields(Ballots)]
