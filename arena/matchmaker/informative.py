"""What makes the board surer: pairs by how far one more vote would narrow it. Pure; numpy comes when it is used.

The gain of a vote between i and j is what it takes off the sum of all models' variances (the A-optimal design; as
in arXiv 2403.04132, section 6, pairs are drawn by their gain, but the width that shrinks is that of the ratings):

    f_ij |S (e_i - e_j)|^2 / (1 + f_ij R_ij),  f = p (1 - p),  R_ij = S_ii + S_jj - 2 S_ij

S is the covariance of the strengths of those that may be drawn, around their mean. It follows from adding
f_ij (e_i - e_j)(e_i - e_j)' to the information (Sherman and Morrison 1950). Where no vote fixes a model's place,
the board's weak prior does: it counts as most unsure, and without any votes all pairs are alike.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from arena.config import Matchmaking
from arena.conversation import Pair
from arena.matchmaker.rule import may_meet, seats
from arena.rating.bradley_terry import centred, fit, inverse, laplacian
from arena.rating.counts import Floats, Tally

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Gains:
    """Pairs by their shares. `above[i, j]` is that of `names[i]` and `names[j]`, i < j; 0 elsewhere. Sum 1."""

    names: Sequence[str]
    above: Floats

    def draw(self, rng: Random) -> Pair:
        sums = self.above.ravel().cumsum()
        place = int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))
        one, two = divmod(min(place, int(np.flatnonzero(self.above)[-1])), len(self.names))
        a, b = seats(self.names[one], self.names[two], rng)
        return Pair(a, b, float(self.above[one, two]))

    def probability(self, one: str, two: str) -> float:
        if one not in self.names or two not in self.names:
            return 0.0
        i, j = sorted((self.names.index(one), self.names.index(two)))
        return float(self.above[i, j])


class Uncertainty:
    """How unsure the board is of the models that may be drawn. Shapes (M, M), models in the order of `names`.

    `spread`: S, and its square: the squared lengths that gains need; `hint`: f, what a vote of each pair tells;
    `allowed`: which of them may meet.
    """

    def __init__(self, names: Sequence[str], spread: Floats, hint: Floats, allowed: NDArray[np.bool_]) -> None:
        self._place = {name: number for number, name in enumerate(names)}
        self.spread, self._hint, self._allowed = spread, hint, allowed
        self._square = spread @ spread  # kept, for a draw must not take M^3 steps

    def expect(self, one: str, two: str) -> None:
        """Count the vote before it is cast: as much surer as it will make the board, whatever it says."""
        if one not in self._place or two not in self._place:
            return
        i, j = self._place[one], self._place[two]
        pull = self.spread[i] - self.spread[j]
        share = self._hint[i, j] / (1 + self._hint[i, j] * (pull[i] - pull[j]))
        both = np.outer(self.spread @ pull - share / 2 * (pull @ pull) * pull, pull)
        self._square = self._square - share * (both + both.T)
        self.spread = self.spread - share * np.outer(pull, pull)

    def gains(self) -> Floats:
        """What one more vote of each pair takes off the sum of variances. Symmetric, 0 on the diagonal."""
        apart = _of_differences(self.spread)
        found: Floats = self._hint * _of_differences(self._square) / (1 + self._hint * apart)
        return np.maximum(found, 0.0)

    def lottery(self, weights: Mapping[str, float], rules: Matchmaking) -> Gains | None:
        """Pairs by gain times the weights of both, among those that may meet. Boosts and targets have no say."""
        names = [name for name, weight in weights.items() if weight > 0 and name in self._place]
        places = np.array([self._place[name] for name in names], dtype=np.int64)
        there = np.ix_(places, places)
        heavy = np.array([weights[name] for name in names])
        heavy /= heavy.max(initial=0.0) or 1.0
        shares = np.triu(np.where(self._allowed[there], self.gains()[there] * np.outer(heavy, heavy), 0.0), 1)
        total = shares.sum()
        return Gains(names, shares / total) if total > 0 else None


def measure(
    names: Sequence[str],
    votes: Integers,
    rules: Matchmaking,
    contenders: Sequence[str],
    expected: Iterable[tuple[str, str]] = (),
) -> Uncertainty:
    """What the board knows of `contenders` after these votes. Raises `NotConverged`.

    `votes[i, j, o]`: how often `names[i]` on side a met `names[j]` on side b with outcome o. Contenders may be
    missing there; models that are no longer drawn help to place the others. `expected`: battles under way.
    """
    everyone = list(dict.fromkeys([*names, *contenders]))
    place = {name: number for number, name in enumerate(everyone)}
    counts = np.zeros((len(everyone), len(everyone), 4))
    counts[: len(names), : len(names)] = votes
    found = fit(Tally.of(counts))
    chances = found.chances()
    hint = chances * (1 - chances)
    soon = np.zeros_like(hint)
    for pair in expected:
        if all(name in place for name in pair):
            i, j = (place[name] for name in pair)
            soon[[i, j], [j, i]] += hint[i, j]
    spread = inverse(found.information + laplacian(soon), is_singular=not found.has_prior)
    drawn = np.array([place[name] for name in contenders], dtype=np.int64)
    there = np.ix_(drawn, drawn)
    known = centred(spread[there]) if contenders else spread[there]
    return Uncertainty(contenders, known, hint[there], _allowed(contenders, rules))


def _allowed(names: Sequence[str], rules: Matchmaking) -> NDArray[np.bool_]:
    """Who may meet whom. Pairs without a rule are not asked about: of 300 models there are 45,000."""
    found = ~np.eye(len(names), dtype=bool)
    ruled = {*rules.apart, *rules.strict_targets}
    for i, one in enumerate(names):
        if one in ruled:
            found[i] = found[:, i] = [may_meet(one, two, rules) for two in names]
    return found


def _of_differences(matrix: Floats) -> Floats:
    """The quadratic form of e_i - e_j, for every pair."""
    own = np.diag(matrix)
    found: Floats = own[:, None] + own[None, :] - 2 * matrix
    return found
