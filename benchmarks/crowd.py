"""Made-up boards: models of known strength, and how honest votes between them end. Seeded; no server."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from arena.rating import POINTS, Tally, fit, sandwich
from arena.rating.counts import Floats
from arena.rating.spread import Z95

SPREAD = 0.55  # standard deviation of strengths: that of a real board of 1.67 million votes
TIES = 0.35  # share of ties and both bad together where two models are alike


def strengths(models: int, rng: np.random.Generator) -> Floats:
    """What the models are truly worth, in log-odds around 0."""
    truth = rng.normal(0, SPREAD, models)
    around_0: Floats = truth - truth.mean()
    return around_0


def endings(truth: Floats, ties: float = TIES) -> Floats:
    """Chances of the four outcomes, row on side a: ties are rarer the further models are apart. (M, M, 4)"""
    win = expit(truth[:, None] - truth[None, :])
    return with_ties(win, ties)


def with_ties(win: Floats, ties: float = TIES) -> Floats:
    """The same from what the row takes from the column."""
    even = 2 * ties * np.minimum(win, 1 - win)
    return np.stack([win - even / 2, 1 - win - even / 2, even / 2, even / 2], axis=2)


def meetings(shares: Floats, votes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each ordered pair meets in so many votes, by these shares. Shape (M, M), 0 on the diagonal."""
    shares = shares.copy()
    np.fill_diagonal(shares, 0.0)
    drawn: NDArray[np.int64] = rng.multinomial(votes, shares.ravel() / shares.sum()).reshape(shares.shape)
    return drawn


def half_widths(tally: Tally) -> tuple[Floats, Floats]:
    """Strengths and the half-widths of their 95 % intervals, both in points."""
    found = fit(tally)
    return POINTS * found.strengths, POINTS * Z95 * np.sqrt(np.diag(sandwich(tally, found)))


def table(*rows: tuple[object, ...]) -> None:
    """Print rows as Markdown; the first one is the head."""
    head, *body = rows
    print(f"\n| {' | '.join(map(str, head))} |")
    print(f"|---|{'---:|' * (len(head) - 1)}")
    for row in body:
        print(f"| {' | '.join(map(str, row))} |", flush=True)
