"""Which ranks a model may have: sets, from comparing every two models at once.

A rank set is 1 + (models surely better) to M - (models surely worse). It rests on differences alone, so no choice
of anchor changes it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arena.rating.counts import Floats

DRAWS = 1000
ETA = 40.0  # the information, in votes of evenly matched models times 1/4, around which the sequence is tightest


@dataclass(frozen=True)
class RankSet:
    """From the best rank a model may have to the worst, 1 is the top."""

    best: int
    worst: int


def ranks(strengths: Floats, covariance: Floats, seed: int, level: float = 0.95) -> list[RankSet]:
    """Rank sets that are all right at once with probability `level`, at one look at the board.

    Two models differ surely where |z| = |t_i - t_j| / se is over the `level` quantile of the largest |z| of all
    pairs under N(0, covariance), found by `DRAWS` draws (max-|z|; Hothorn, Bretz and Westfall 2008, Biometrical
    Journal 50, 346-363).
    """
    errors = standard_errors(covariance)
    critical = critical_value(covariance, errors, seed, level)
    return _sets(strengths, critical * errors)


def anytime_ranks(strengths: Floats, covariance: Floats, level: float = 0.95) -> list[RankSet]:
    """Rank sets that are all right at every look of the board's whole life with probability about `level`."""
    pairs = max(1, len(strengths) * (len(strengths) - 1) // 2)
    return _sets(strengths, anytime_radius(standard_errors(covariance), (1 - level) / pairs))


def anytime_radius(errors: Floats, alpha: float) -> Floats:
    """The half-width a difference with this standard error never exceeds, but for a share `alpha` of lifetimes.

    Robbins' normal mixture (1970, Annals of Mathematical Statistics 41, 1397-1409; as an asymptotic confidence
    sequence in arXiv 2103.06476), with the information v = 1/errors^2 as time:
    sqrt((v + eta)/v^2 * log((v + eta)/(eta alpha^2))). That a difference of Bradley-Terry strengths moves like the
    means of that theorem is our own step, shown by simulation.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        v = 1 / errors**2
        radius = np.sqrt((v + ETA) / v**2 * np.log((v + ETA) / (ETA * alpha**2)))
    found: Floats = np.where(np.isfinite(v), radius, 0.0)
    return found


def standard_errors(covariance: Floats) -> Floats:
    """Of every difference of two strengths. Shape (M, M), 0 on the diagonal."""
    variances = np.diag(covariance)
    squared = variances[:, None] + variances[None, :] - 2 * covariance
    errors: Floats = np.sqrt(np.maximum(squared, 0.0))
    return errors


def critical_value(covariance: Floats, errors: Floats, seed: int, level: float) -> float:
    """The `level` quantile of the largest |z| over all pairs."""
    if len(covariance) < 2:
        return 0.0
    draws = _draws(covariance, seed)
    largest = np.zeros(len(draws))
    for i in range(len(covariance) - 1):
        apart = np.abs(draws[:, i + 1 :] - draws[:, i : i + 1])
        z = np.divide(apart, errors[i, i + 1 :], out=np.zeros_like(apart), where=errors[i, i + 1 :] > 0)
        np.maximum(largest, z.max(axis=1), out=largest)
    return float(np.quantile(largest, level))


def _draws(covariance: Floats, seed: int) -> Floats:
    """Samples of N(0, covariance), by its symmetric square root: the one root that every machine agrees on."""
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    samples: Floats = np.random.default_rng(seed).standard_normal((DRAWS, len(covariance))) @ root
    return samples


def _sets(strengths: Floats, margins: Floats) -> list[RankSet]:
    apart = strengths[:, None] - strengths[None, :]
    better: NDArray[np.bool_] = -apart > margins
    worse: NDArray[np.bool_] = apart > margins
    np.fill_diagonal(better, False)
    np.fill_diagonal(worse, False)
    size = len(strengths)
    return [RankSet(1 + int(up), size - int(down)) for up, down in zip(better.sum(1), worse.sum(1), strict=True)]
