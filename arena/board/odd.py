"""Voters whose votes do not look like judgements: an e-process for each, over their ballots in order.

The honest chances come from the board as it is when this is computed, in which the voter's own votes are: the null
is estimated, and the promise of one false alarm in twenty lives holds as nearly as the board is right. A voter is
looked through again when they have voted again, with the board of then.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arena.board.electorate import Rows
from arena.rating import Tally, fit
from arena.rating.audit import Audit, Seen, audit, honest_chances
from arena.rating.counts import Floats
from arena.store.arrays import Integers

FEWEST = 3
"""Votes: with fewer, nobody is suspected."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What an audit says. `voter`: the number in ballots; `row`: one of their ballots among all rows."""

    voter: int
    row: int
    habit: str
    target: str | None
    evidence: float
    votes: int


class Suspicions:
    """What is known of every voter so far: how many votes were looked at, and what came of it."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._odd: dict[int, Suspicion] = {}

    def update(self, rows: Rows) -> tuple[Suspicion, ...]:
        """The suspicions after these ballots, the strongest first."""
        jury = _Jury(rows)
        for voter, own in _by_voter(rows):
            if self._seen.get(voter) == len(own):
                continue
            self._seen[voter] = len(own)
            self._odd.pop(voter, None)
            found = jury.audit(own)
            if found.is_odd:
                habit, target = found.likeliest
                name = None if target is None else jury.names[target]
                self._odd[voter] = Suspicion(voter, int(own[0]), habit, name, found.peak, len(own))
        return tuple(sorted(self._odd.values(), key=lambda suspicion: -suspicion.evidence))


class _Jury:
    """What honest voters would choose, by the board of all ballots that do not leak."""

    def __init__(self, rows: Rows) -> None:
        ballots = rows.ballots
        counted = ~ballots.is_leak & ~np.isin(ballots.voter, rows.set_aside)
        self._a, self._b = ballots.a.astype(np.int64), ballots.b.astype(np.int64)
        self._outcome = ballots.outcome
        size = max(rows.names.entrants, default=0) + 1
        cells = (self._a * size + self._b) * 4 + self._outcome
        counts = np.bincount(cells[counted], minlength=size * size * 4).reshape(size, size, 4)
        self._tally = Tally.of(counts)
        met = self._tally.games.sum(axis=1) > 0
        self._win = np.full((size, size), 0.5)
        self._win[np.ix_(met, met)] = fit(self._tally.among(met)).chances()
        ended = [self._tally.ended(outcome) for outcome in ("a", "b", "tie", "both_bad")]
        self._ended = np.stack(ended, axis=2)
        total = max(1.0, float(counts.sum()))
        self._shares = np.array([counts[:, :, 2].sum() / total, counts[:, :, 3].sum() / total])
        self._known: dict[tuple[int, int], Floats] = {}
        self.names = rows.names.entrants
        self._models = size

    def audit(self, own: Integers) -> Audit:
        """The e-process over the ballots in these rows."""
        return audit(map(self._seen, own.tolist()), self._models)

    def _seen(self, row: int) -> Seen:
        a, b = int(self._a[row]), int(self._b[row])
        if (a, b) not in self._known:
            self._known[a, b] = honest_chances(self._ended[a, b], float(self._win[a, b]), self._shares)
        return Seen(a, b, int(self._outcome[row]), self._known[a, b])


def _by_voter(rows: Rows) -> Iterator[tuple[int, Integers]]:
    """Each voter with enough votes, and the rows of their ballots in order."""
    places = np.flatnonzero(~rows.ballots.is_leak)
    places = places[np.argsort(rows.ballots.voter[places], kind="stable")]
    voters, first, votes = np.unique(rows.ballots.voter[places], return_index=True, return_counts=True)
    for voter, begin, size in zip(voters.tolist(), first.tolist(), votes.tolist(), strict=True):
        if size >= FEWEST:
            yield voter, places[begin : begin + size]
