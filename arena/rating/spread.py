"""How far strengths may be off: covariances of a fit, from the votes, from the voters, or by drawing votes anew.

The sandwich V = H+ B H+ (Huber 1967, White 1982) holds where half ties make the model's own variance too large:
on real votes the inverse of the information alone is some 25 % too wide. H+ is the Moore-Penrose inverse: a ridge
in its place makes intervals of new models too narrow.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from arena.rating.bradley_terry import PHANTOM_GAMES, Fit, centred, inverse, laplacian, loose, maximise
from arena.rating.counts import POINTS_OF_A, Floats, Tally

Z95 = 1.959963984540054
"""The normal quantile of a two-sided 95 % interval."""

Places = NDArray[np.integer]
Score = tuple[Floats, Places, Places]
TOGETHER = 2**14  # votes
CHORDS = 20
PRECISION_OF_SAMPLES = 1e-7  # in log-odds: some 2e-5 points
DENSE = 50  # with more voters times models to a vote, scores are hardly more than zeros


def sandwich(tally: Tally, found: Fit) -> Floats:
    """The covariance of the strengths, every vote by itself. Shape (M, M)."""
    chances = found.chances()
    won, lost = tally.square_ended("a"), tally.square_ended("b")
    even = tally.square_ended("tie") + tally.square_ended("both_bad")
    surprise = won * (1 - chances) ** 2 + lost * chances**2 + even * (0.5 - chances) ** 2
    return _around(found, laplacian(surprise))


def by_voter(found: Fit, voter: Places, cell: Places, weights: Floats | None = None) -> Floats:
    """The covariance where the votes of one voter may lean the same way. Shape (M, M).

    B is the sum over voters of g g', g the voter's summed score (Liang and Zeger 1986, Biometrika 73, 13-22), with
    the usual factor V/(V - 1) for V voters. `weights[k]`, 1 where there are none, is the summed weight of
    the votes of `voter[k]`, an index that goes up from 0, in place `cell[k]` of the flattened counts, shape
    (M, M, 4). Raises `ValueError` where votes of one voter do not lie together.

    With few voters it is too small: scores sum to 0, so one voter alone leaves nothing. See `no_surer`.
    """
    size = len(found.strengths)
    surprise = (POINTS_OF_A - found.chances()[:, :, None]).ravel()

    def score(own: slice) -> Score:
        pair, residual = cell[own] // len(POINTS_OF_A), surprise[cell[own]]
        return residual if weights is None else residual * weights[own], pair // size, pair % size

    return _around(found, few(np.bincount(voter)) * scatter(voter, score, size))


def few(votes: NDArray[np.int64]) -> float:
    """What makes up for voters being few. `votes`: how many each of them has cast."""
    voters = np.count_nonzero(votes)
    return voters / (voters - 1) if voters > 1 else 1.0


def no_surer(covariance: Floats, other: Floats, models: NDArray[np.bool_] | None = None) -> Floats:
    """The covariance, widened until none of these models (or of all) is surer than in the other. Same shape.

    To each variance is added what it lacks, as a part of the other matrix: V + E A E, E diagonal with
    sqrt(1 - V_ii/A_ii) where that is above 0. So a model that one voter has judged gets the interval of its votes.
    """
    mine, least = np.diag(covariance), np.diag(other)
    lacks = 1 - np.divide(mine, least, out=np.ones_like(least), where=least > 0)
    part = np.sqrt(np.maximum(lacks if models is None else np.where(models, lacks, 0.0), 0.0))
    widened: Floats = covariance + part[:, None] * other * part
    return widened


def scatter(voter: Places, score: Callable[[slice], Score], size: int) -> Floats:
    """The sum of g g' over voters, g the voter's summed residuals of M models: + on side a, - on side b.

    `voter[k]`, shape (N,): whose the k-th vote is, by an index that goes up. `score`: the residuals of some votes
    and their models a and b. Goes through them some thousand at a time, which the processor's own memory holds.
    Shape (M, M). Raises `ValueError` as `by_voter` does.
    """
    if (voter[1:] < voter[:-1]).any():
        raise ValueError("votes have to come voter by voter")
    found = np.zeros((size, size))
    starts = np.unique(np.searchsorted(voter, voter[::TOGETHER])).tolist()
    for begin, end in pairwise([*starts, len(voter)]):
        own = slice(begin, end)
        rows = (voter[own] - voter[begin]).astype(np.int64)
        voters = int(rows[-1]) + 1
        add = _dense if voters * size <= DENSE * len(rows) else _sparse
        found += add(rows, *score(own), (voters, size))
    return found


def _dense(rows: Places, residual: Floats, a: Places, b: Places, shape: tuple[int, int]) -> Floats:
    """With all scores written out."""
    voters, size = shape
    won, lost = (np.bincount(rows * size + side, residual, voters * size) for side in (a, b))
    scores: Floats = np.subtract(won, lost, dtype=np.float64).reshape(shape)
    found: Floats = scores.T @ scores
    return found


def _sparse(rows: Places, residual: Floats, a: Places, b: Places, shape: tuple[int, int]) -> Floats:
    """The same where most voters have judged few models, from the scores that are not 0, voter by voter.

    Each is multiplied with itself, then with the next one of its voter, then with the one after that.
    """
    _voters, size = shape
    place, each = np.unique(np.concatenate([rows * size + a, rows * size + b]), return_inverse=True)
    score = np.bincount(each, np.concatenate([residual, -residual]))
    voter, model = np.divmod(place, size)
    found = np.bincount(model * (size + 1), score**2, size**2) / 2
    one, far = np.arange(len(score)), 1
    while len(one := one[: np.searchsorted(one, len(score) - far)]):
        one = one[voter[one] == voter[one + far]]
        found += np.bincount(model[one] * size + model[one + far], score[one] * score[one + far], size**2)
        far += 1
    half = found.reshape(size, size)
    return half + half.T


def bootstrap(tally: Tally, found: Fit, rounds: int, seed: int) -> Floats:
    """Strengths of `rounds` samples of as many votes, drawn with replacement (counts only). Shape (rounds, M)."""
    won, even = tally.ended("a"), np.triu(tally.ended("tie") + tally.ended("both_bad"))
    wins, ties = np.nonzero(won), np.nonzero(even)
    # A cell for both sides, and for both kinds of tie: their points are the same.
    counts = np.concatenate([won[wins], even[ties]])
    rng, votes, shares = np.random.default_rng(seed), round(counts.sum()), counts / counts.sum()
    bread = inverse(found.information, is_singular=not found.has_prior)
    strengths = []
    for _ in range(rounds):
        sample = rng.multinomial(votes, shares)
        points = np.zeros(won.shape)
        points[ties] = sample[len(wins[0]) :] / 2
        points += points.T
        points[wins] += sample[: len(wins[0])]
        strengths.append(_refit(found, bread, points))
    return np.array(strengths)


def _refit(found: Fit, bread: Floats, points: Floats) -> Floats:
    """A sample's strengths: by the first fit's own inverse, again and again; by Newton where that stays off.

    A sample may lack the one vote that a model has lost: then it needs the prior, though the votes did not.
    A chance is 1/2 + tanh(x/2)/2, which numpy computes five times as fast as the logistic function itself.
    """
    phantom = PHANTOM_GAMES if found.has_prior else 0.0
    games = points + points.T
    over = points.sum(axis=1) - games.sum(axis=1) / 2
    strengths = found.strengths.copy()
    for _ in range(CHORDS):
        half = strengths / 2
        ahead = np.einsum("ij,ij->i", games, np.tanh(np.subtract.outer(half, half)))
        step = bread @ (over - ahead / 2 - phantom / 2 * np.tanh(half))
        strengths += step
        if np.abs(step).max(initial=0.0) < PRECISION_OF_SAMPLES:
            break
    else:
        strengths, _ = maximise(points, PHANTOM_GAMES if loose(points) else phantom, found.strengths)
    around_0: Floats = strengths - strengths.mean()
    return around_0


def _around(found: Fit, scatter: Floats) -> Floats:
    """H+ B H+ as the differences between models see it."""
    bread = inverse(found.information, is_singular=not found.has_prior)
    return centred(bread @ scatter @ bread)
