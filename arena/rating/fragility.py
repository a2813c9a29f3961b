"""How few votes hold two models apart.

The influence of one vote on a difference of strengths is -H+ (e_a - e_b) (y - p), seen from its removal (the
infinitesimal jackknife; arXiv 2508.11847 asks the question of leaderboards). Votes of one cell of the counts are
alike, so the most telling ones are found by sorting cells, and each guess is checked by a fit without them.
"""

import numpy as np
from numpy.typing import NDArray

from arena.rating.bradley_terry import PHANTOM_GAMES, PRECISION, Fit, NotConverged, maximise
from arena.rating.counts import POINTS_OF_A, Floats, Tally


def swap(tally: Tally, found: Fit, above: int, below: int) -> int | None:
    """The fewest votes, most telling first, without which `below` is over `above`; `None` where there are none."""
    votes = _Votes(tally, found, above, below)
    if not votes.total or not votes.is_swapped_without(votes.total):
        return None
    low, high = 0, votes.total  # not swapped without `low` of them, swapped without `high`
    guess, stride = votes.guess, 1
    while low + 1 < high:
        if votes.is_swapped_without(guess):
            high = guess
            guess -= stride
        else:
            low = guess
            guess += stride
        stride *= 2
        if not low < guess < high:
            guess = (low + high) // 2
    return high


class _Votes:
    """The votes that hold one model above another, most telling first."""

    def __init__(self, tally: Tally, found: Fit, above: int, below: int) -> None:
        self._tally, self._found, self._above, self._below = tally, found, above, below
        cells = np.argwhere(tally.weight > 0)
        a, b, outcome = cells.T
        pull = found.covariance[above] - found.covariance[below]
        gain = (pull[a] - pull[b]) * (POINTS_OF_A[outcome] - found.chances()[a, b])
        order = np.argsort(-gain, kind="stable")
        order = order[gain[order] > 0]
        self._cells: NDArray[np.int64] = cells[order]
        self._gain: Floats = gain[order]
        self._counts: Floats = tally.weight[tuple(self._cells.T)]
        self.total = int(self._counts.sum())

    @property
    def guess(self) -> int:
        """By influence alone: how many of them make up the lead."""
        lead = self._found.strengths[self._above] - self._found.strengths[self._below]
        sums = np.cumsum(self._counts * self._gain)
        cell = min(int(np.searchsorted(sums, lead)), len(sums) - 1)
        before = sums[cell] - self._counts[cell] * self._gain[cell]
        guess = self._counts[:cell].sum() + np.ceil((lead - before) / self._gain[cell])
        return int(np.clip(guess, 1, self.total - 1))

    def is_swapped_without(self, votes: int) -> bool:
        """Whether a fit without the first `votes` of them puts the lower model first."""
        earlier = np.cumsum(self._counts) - self._counts
        weight = self._tally.weight.copy()
        weight[tuple(self._cells.T)] -= np.clip(votes - earlier, 0.0, self._counts)
        points = Tally.of(weight).points
        try:
            strengths, _ = maximise(points, PHANTOM_GAMES if self._found.has_prior else 0.0, self._found.strengths)
        except NotConverged:  # without these votes there is no finite maximum
            strengths, _ = maximise(points, PHANTOM_GAMES, self._found.strengths)
        return bool(strengths[self._below] - strengths[self._above] > 10 * PRECISION)
