"""What was voted, in counts: how often model i on side a and model j on side b ended in each of the four ways."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Outcome = Literal["a", "b", "tie", "both_bad"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
POINTS_OF_A = np.array([1.0, 0.0, 0.5, 0.5])
"""What side a gets for each outcome: a tie of either kind is half a win to both."""


def logistic(ahead: Floats) -> Floats:
    """The chance to win of whoever is so much ahead, in log-odds."""
    with np.errstate(over="ignore"):  # of one who is hopelessly behind: 1/inf is 0
        chance: Floats = 1 / (1 + np.exp(-ahead))
    return chance


@dataclass(frozen=True)
class Tally:
    """The votes between M models.

    `weight[i, j, o]` is the sum of the votes' weights where i was on side a, j on side b and the outcome was
    `OUTCOMES[o]`; `square` the sum of their squares. Votes that all count alike have weight 1, and both are
    counts. Shape (M, M, 4), nothing on the diagonal.
    """

    weight: Floats
    square: Floats

    @classmethod
    def of(cls, counts: NDArray[np.integer] | Floats) -> "Tally":
        """Votes that all count alike."""
        counts = np.asarray(counts, dtype=np.float64)
        return cls(counts, counts)

    @property
    def size(self) -> int:
        """How many models there are."""
        return len(self.weight)

    @property
    def points(self) -> Floats:
        """What row i took from column j, in votes: wins and half of the ties. Shape (M, M)."""
        return self._toward(self.weight)

    @property
    def games(self) -> Floats:
        """How often two models met, on whichever side. Shape (M, M), symmetric."""
        met: Floats = self.weight.sum(axis=2)
        return met + met.T

    def ended(self, outcome: Outcome) -> Floats:
        """How often two models ended so, on whichever side; wins from row i's view. Shape (M, M)."""
        one, other = {"a": (0, 1), "b": (1, 0)}.get(outcome, (OUTCOMES.index(outcome),) * 2)
        found: Floats = self.weight[:, :, one] + self.weight[:, :, other].T
        return found

    def square_ended(self, outcome: Outcome) -> Floats:
        """The same with squared weights."""
        return Tally(self.square, self.square).ended(outcome)

    def among(self, kept: NDArray[np.bool_]) -> "Tally":
        """The votes between these models alone."""
        return Tally(self.weight[np.ix_(kept, kept)], self.square[np.ix_(kept, kept)])

    def _toward(self, tensor: Floats) -> Floats:
        taken: Floats = tensor @ POINTS_OF_A + (tensor @ (1 - POINTS_OF_A)).T
        return taken
