"""Bradley-Terry strengths: P(i beats j) = 1 / (1 + exp(-(t_i - t_j))), ties of either kind half a win to both.

Bradley and Terry (1952), Biometrika 39, 324-345; a finite maximum exists where the graph "i took points from j"
is strongly connected (Ford 1957, American Mathematical Monthly 64, 28-33). Where it is not, a weak prior is added:
one tie of every model with a phantom of strength 0; and the `Fit` says which models owe their number to it.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from arena.rating.counts import Floats, Tally, logistic

PRECISION = 1e-10  # in log-odds: some 2e-8 points
STEPS = 100
PHANTOM_GAMES = 1.0  # ties of each model with the phantom, where a prior is needed

Reason = Literal["undefeated", "winless", "unmet", "between"]


class NotConverged(ArithmeticError):
    """Newton's steps did not settle, which says that the counts hold something that is no count."""


@dataclass(frozen=True)
class Fit:
    """The strengths of M models.

    `strengths`: log-odds with mean 0, shape (M,). `information`: minus the second derivative of the
    log-likelihood, shape (M, M); its null space is (1, …, 1) unless there is a prior. `loose`: by index, the
    models whose place against the main group no vote fixes, and why; their numbers are the prior's.
    """

    strengths: Floats
    information: Floats
    loose: dict[int, Reason] = field(default_factory=dict)

    @property
    def has_prior(self) -> bool:
        return bool(self.loose)

    @property
    def covariance(self) -> Floats:
        """The inverse of the information, as differences between models see it. Shape (M, M), rows sum to 0."""
        return centred(inverse(self.information, is_singular=not self.has_prior))

    def chances(self) -> Floats:
        """P(row i beats column j), ties as halves. Shape (M, M), 1/2 on the diagonal."""
        found: Floats = logistic(self.strengths[:, None] - self.strengths[None, :])
        return found


def fit(tally: Tally) -> Fit:
    """The strengths that make these votes likeliest. Raises `NotConverged`."""
    points = tally.points
    if tally.size == 0:
        return Fit(np.zeros(0), np.zeros((0, 0)))
    found = loose(points)
    strengths, information = maximise(points, PHANTOM_GAMES if found else 0.0)
    return Fit(strengths - strengths.mean(), information, found)


def maximise(points: Floats, phantom: float = 0.0, start: Floats | None = None) -> tuple[Floats, Floats]:
    """Newton's method on the log-likelihood: strengths and information. `points[i, j]`: what i took from j.

    `phantom`: how many ties each model has with a model of strength 0. Raises `NotConverged`.
    """
    games = points + points.T
    taken = points.sum(axis=1)
    strengths = np.zeros(len(points)) if start is None else start.copy()
    for _ in range(STEPS):
        chances = logistic(strengths[:, None] - strengths[None, :])
        own = logistic(strengths)
        slope = taken - (games * chances).sum(axis=1) + phantom * (0.5 - own)
        information = laplacian(games * chances * (1 - chances)) + np.diag(phantom * own * (1 - own))
        step = inverse(information, is_singular=phantom == 0) @ slope
        largest = np.abs(step).max(initial=0.0)
        strengths = strengths + step * min(1.0, 2.0 / max(largest, 1e-300))
        if largest < PRECISION:
            return strengths, information
    raise NotConverged(f"Newton's method did not settle in {STEPS} steps")


def laplacian(between: Floats) -> Floats:
    """The matrix whose quadratic form is the sum over pairs of between_ij (x_i - x_j)^2. Symmetric input."""
    found = -between.copy()
    np.fill_diagonal(found, 0.0)
    np.fill_diagonal(found, -found.sum(axis=1))
    return found


def inverse(information: Floats, *, is_singular: bool) -> Floats:
    """The Moore-Penrose inverse of a Laplacian, whose null space is (1, …, 1), or a plain inverse.

    Raises `NotConverged` where there is none.
    """
    size = len(information)
    lift = np.trace(information) / size**2 if is_singular else 0.0
    try:
        found: Floats = np.linalg.inv(information + (lift or float(is_singular)))
    except np.linalg.LinAlgError as exc:
        raise NotConverged("the votes tell some models apart no longer") from exc
    return centred(found) if is_singular else found


def centred(matrix: Floats) -> Floats:
    """The matrix as it acts on differences: rows and columns sum to 0."""
    rows: Floats = matrix - matrix.mean(axis=0, keepdims=True)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows


def loose(points: Floats) -> dict[int, Reason]:
    """The models outside the main group: the largest in which everyone took points from everyone, by some way."""
    if len(points) < 2:
        return {}
    label = _groups(points > 0)
    count = int(label.max()) + 1
    if count == 1:
        return {}
    games = (points + points.T).sum(axis=1)
    sizes = np.bincount(label, minlength=count)
    weights = np.bincount(label, weights=games, minlength=count)
    main = max(range(count), key=lambda group: (sizes[group], weights[group]))
    return {int(model): _reason(points, label == label[model]) for model in np.flatnonzero(label != main)}


def _groups(leads: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The number of each model's group, from 0: those that lead to one another, over however many others."""
    reach = leads | np.eye(len(leads), dtype=bool)
    for _ in range(len(leads).bit_length()):  # each round doubles the length of the ways
        reach = (reach.astype(np.float32) @ reach) > 0
    _first, label = np.unique((reach & reach.T).argmax(axis=1), return_inverse=True)
    return label


def _reason(points: Floats, group: NDArray[np.bool_]) -> Reason:
    """Why no vote fixes where this group stands among the others."""
    has_taken = bool(points[np.ix_(group, ~group)].any())
    has_given = bool(points[np.ix_(~group, group)].any())
    if has_taken and has_given:
        return "between"
    if has_taken:
        return "undefeated"
    return "winless" if has_given else "unmet"
