"""Strengths with the looks of the answers taken out: length, headers, lists, bold type, code blocks.

The log-odds of side a gain g . z, z the standardised relative difference of the features (fA - fB)/(fA + fB)
(lmarena.github.io, "Does style matter?", 2024-08-29). Strengths and effects are fitted jointly, without a
penalty: one on the effects alone shrinks them several times over. Features differ from vote to vote, so here, and
only here, votes come one by one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arena.rating.bradley_terry import PRECISION, STEPS, NotConverged, centred, laplacian
from arena.rating.counts import POINTS_OF_A, Floats, logistic
from arena.rating.spread import few, no_surer, scatter


@dataclass(frozen=True)
class Contests:
    """N votes, one by one. `a`, `b`: models by index, shape (N,). `outcome`: number of the outcome, shape (N,).

    `features_a`, `features_b`: counts of each feature in the two answers, shape (N, F). `voter`: whose each
    vote is, by an index that goes up from 0, shape (N,), where votes of one voter may lean the same way.
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    outcome: NDArray[np.int64]
    features_a: NDArray[np.number]
    features_b: NDArray[np.number]
    voter: NDArray[np.integer] | None = None


@dataclass(frozen=True)
class StyleFit:
    """`strengths`, mean 0, shape (M,); `covariance` of them, shape (M, M); `effects` in log-odds for one standard
    deviation of a feature, and their standard `errors`, shape (F,)."""

    strengths: Floats
    covariance: Floats
    effects: Floats
    errors: Floats


def fit_style(contests: Contests, models: int) -> StyleFit:
    """The joint fit with its sandwich. Raises `NotConverged`, also where there are no votes."""
    if not len(contests.outcome):
        raise NotConverged("There are no votes to fit.")
    looks = standardised(contests.features_a, contests.features_b)
    won = POINTS_OF_A[contests.outcome]
    found = np.zeros(models + looks.shape[1])
    for _ in range(STEPS):
        chances = _chances(contests, looks, found, models)
        bread = np.linalg.pinv(_information(contests, looks, chances * (1 - chances), models), hermitian=True)
        step = bread @ _score(contests, looks, won - chances, models)
        largest = np.abs(step).max(initial=0.0)
        found = found + step * min(1.0, 2.0 / max(largest, 1e-300))
        if largest < PRECISION:
            spread = _spread(contests, looks, won - chances, bread)
            strengths = found[:models] - found[:models].mean()
            errors = np.sqrt(np.diag(spread)[models:])
            return StyleFit(strengths, centred(spread[:models, :models]), found[models:], errors)
    raise NotConverged(f"Newton's method did not settle in {STEPS} steps")


def standardised(one: NDArray[np.number], other: NDArray[np.number]) -> Floats:
    """(one - other)/(one + other), 0 where neither answer has the feature, in standard deviations over votes."""
    found = np.empty(one.shape)
    for mine, theirs, scaled in zip(one.T, other.T, found.T, strict=True):
        both = mine + theirs
        relative = np.divide(mine - theirs, both, out=np.zeros(len(both)), where=both > 0)
        scaled[:] = relative / (relative.std() or 1.0)
    return found


def _spread(contests: Contests, looks: Floats, residual: Floats, bread: NDArray[Any]) -> Floats:
    """The covariance of strengths and effects: every vote by itself, or by voter and no surer than that."""
    models = len(bread) - looks.shape[1]
    alone: Floats = bread @ _information(contests, looks, residual**2, models) @ bread
    if contests.voter is None:
        return alone
    return no_surer(bread @ _scatter(contests, contests.voter, looks, residual, models) @ bread, alone)


def _scatter(
    contests: Contests, voter: NDArray[np.integer], looks: Floats, residual: Floats, models: int
) -> Floats:
    """The sum of g g' over voters, g the summed score: of M models, then F features. Shape (M + F, M + F)."""
    votes = np.bincount(voter)
    of_models = scatter(voter, lambda own: (residual[own], contests.a[own], contests.b[own]), models)
    of_looks = np.column_stack([_sums(voter, residual * look, len(votes)) for look in looks.T])
    cross = np.column_stack([_by_model(contests, residual * look[voter], models) for look in of_looks.T])
    return few(votes) * np.block([[of_models, cross], [cross.T, of_looks.T @ of_looks]])


def _chances(contests: Contests, looks: Floats, found: Floats, models: int) -> Floats:
    chances: Floats = logistic(found[contests.a] - found[contests.b] + looks @ found[models:])
    return chances


def _score(contests: Contests, looks: Floats, residual: Floats, models: int) -> Floats:
    return np.concatenate([_by_model(contests, residual, models), residual @ looks])


def _by_model(contests: Contests, values: Floats, models: int) -> Floats:
    """The sum of the values where a model is on side a, minus that where it is on side b."""
    return _sums(contests.a, values, models) - _sums(contests.b, values, models)


def _sums(place: NDArray[np.integer], values: Floats, places: int) -> Floats:
    """The sum of the values at each place."""
    return np.bincount(place, values, places).astype(np.float64)


def _information(contests: Contests, looks: Floats, weights: Floats, models: int) -> Floats:
    """The sum over votes of w x x', x = (e_a - e_b, looks), without ever writing x down."""
    pairs = _sums(contests.a * models + contests.b, weights, models * models).reshape(models, models)
    cross = np.column_stack([_by_model(contests, weights * look, models) for look in looks.T])
    return np.block([[laplacian(pairs + pairs.T), cross], [cross.T, (looks * weights[:, None]).T @ looks]])
