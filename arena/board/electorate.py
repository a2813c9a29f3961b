"""The ballots that a view looks at, as arrays whose models are numbered in the order of the alphabet.

Two ways lead here: all ballots, filtered; or the counts alone, where nothing needs to be known of single ballots.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from arena.board.values import ALL, LeftOut, View
from arena.rating import Tally
from arena.rating.counts import Floats
from arena.store.arrays import Ballots, Counts, Integers, Names
from arena.store.casting import voter_number

Cells = NDArray[np.int32]

EPOCH = 719_163  # the ordinal of 1970-01-01
OUTCOMES = 4


@dataclass(frozen=True)
class Electorate:
    """N ballots among M models. `counts`: shape (M, M, 4). Without `voter` only these are known.

    `cell`: where each ballot is in the flattened counts. `cell`, `voter`, `weight`: shape (N,). `looks`: shape
    (N, 10), side a first.
    """

    names: tuple[str, ...]
    counts: Integers
    left_out: LeftOut
    categories: dict[str, int]
    cell: Cells = field(default_factory=lambda: np.zeros(0, np.int32))
    voter: Integers | None = None
    weight: Floats | None = None
    looks: Integers | None = None

    @cached_property
    def crowd(self) -> tuple[Integers, Cells]:
        """The ballots voter by voter: their places, and whose they are, by an index that goes up from 0."""
        assert self.voter is not None
        order = np.argsort(self.voter)
        voter = self.voter[order]
        is_another = np.zeros(len(voter), np.bool_)
        is_another[1:] = voter[1:] != voter[:-1]
        return order, np.cumsum(is_another, dtype=np.int32)

    @property
    def tally(self) -> Tally:
        """The votes as the ratings take them, weighted where they are."""
        if self.weight is None:
            return Tally.of(self.counts)
        shape, size = self.counts.shape, self.counts.size
        weight, square = (np.bincount(self.cell, w, size).reshape(shape) for w in (self.weight, self.weight**2))
        return Tally(weight.astype(np.float64), square.astype(np.float64))


@dataclass(frozen=True)
class Rows:
    """All that is known of all ballots. What a view does not need is `None`."""

    ballots: Ballots
    names: Names
    set_aside: Integers
    days: Integers | None = None
    probabilities: Floats | None = None
    looks: Integers | None = None


def aside(voter_ids: Iterable[str]) -> Integers:
    """The numbers of voters."""
    return np.array([voter_number(voter) for voter in voter_ids], np.int64)


def of_rows(view: View, rows: Rows, without_ballot: LeftOut) -> Electorate:
    """The ballots of the view among these."""
    ballots = rows.ballots
    is_aside = np.isin(ballots.voter, rows.set_aside)
    categories = _categories(ballots, rows.names, ~ballots.is_leak & ~is_aside)
    asked = _asked(view, rows)
    left_out = replace(without_ballot, leaks=int((asked & ballots.is_leak).sum()))
    counted = asked & ~ballots.is_leak
    if not view.has_set_aside:
        left_out = replace(left_out, set_aside=int((counted & is_aside).sum()))
        counted &= ~is_aside
    if rows.probabilities is not None:
        left_out = replace(left_out, unknown_pair=int((counted & (rows.probabilities <= 0)).sum()))
        counted &= rows.probabilities > 0
    names, a, b = _renumbered(ballots.a[counted], ballots.b[counted], rows.names)
    size = len(names)
    cell = (a * size + b) * OUTCOMES + ballots.outcome[counted]
    counts = np.bincount(cell, minlength=size * size * OUTCOMES)
    return Electorate(
        names,
        counts.reshape(size, size, OUTCOMES),
        left_out,
        categories,
        cell,
        ballots.voter[counted],
        None if rows.probabilities is None else _weights(rows.probabilities[counted]),
        None if rows.looks is None else rows.looks[counted],
    )


def of_counts(counts: Counts, left_out: LeftOut, categories: dict[str, int]) -> Electorate:
    """The models that have votes in these counts."""
    has_votes = counts.votes.sum(axis=(1, 2)) + counts.votes.sum(axis=(0, 2)) > 0
    names = tuple(name for name, has in zip(counts.names, has_votes, strict=True) if has)
    return Electorate(names, counts.votes[np.ix_(has_votes, has_votes)], left_out, categories)


def _asked(view: View, rows: Rows) -> NDArray[np.bool_]:
    """Which ballots are of the view's category and days."""
    asked = np.ones(len(rows.ballots), np.bool_)
    if view.category != ALL:
        sets = [number for number, categories in rows.names.sets.items() if view.category in categories]
        asked &= np.isin(rows.ballots.category_set, np.array(sets, np.int32))
    if rows.days is not None and view.since is not None:
        asked &= rows.days >= view.since.toordinal() - EPOCH
    if rows.days is not None and view.until is not None:
        asked &= rows.days <= view.until.toordinal() - EPOCH
    return asked


def _categories(ballots: Ballots, names: Names, counted: NDArray[np.bool_]) -> dict[str, int]:
    """How many votes count in each category."""
    found: dict[str, int] = {ALL: int(counted.sum())}
    for number, votes in enumerate(np.bincount(ballots.category_set[counted])):
        for category in names.sets.get(number, ()) if votes else ():
            found[category] = found.get(category, 0) + int(votes)
    return dict(sorted(found.items(), key=lambda item: (item[0] != ALL, item[0])))


def _renumbered(a: NDArray[np.int16], b: NDArray[np.int16], names: Names) -> tuple[tuple[str, ...], Cells, Cells]:
    """The models in these ballots, in the order of the alphabet, and the ballots with their new numbers."""
    there = np.flatnonzero(np.bincount(a, minlength=2**15) + np.bincount(b, minlength=2**15))
    order = sorted((int(number) for number in there), key=lambda number: names.entrants[number])
    place = np.zeros(max(order, default=0) + 1, np.int32)
    place[order] = np.arange(len(order))
    return tuple(names.entrants[number] for number in order), place[a], place[b]


def _weights(probabilities: Floats) -> Floats:
    """1/probability, around 1. Rounded, as not every SQLite prints a number with all its digits."""
    inverse: Floats = 1 / np.round(probabilities, 12)
    return inverse / inverse.mean() if len(inverse) else inverse
