"""Boards whose draws were bent: what weights of 1/probability undo, and what they cost."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import expit

from arena.matchmaker import pair_probability
from arena.rating import POINTS, Tally, fit, sandwich
from arena.rating.counts import Floats
from arena.rating.spread import Z95
from benchmarks.crowd import strengths, table, with_ties

MODELS, VOTES = 10, 20_000
INTRANSITIVE = 0.4  # standard deviation of what a pair's log-odds are off the difference of strengths


@dataclass(frozen=True)
class Phase:
    """A share of the board's votes, drawn by these weights."""

    share: float
    weights: tuple[float, ...]

    def shares(self) -> Floats:
        """The probability of every pair, as it is stored. Symmetric."""
        found = np.zeros((MODELS, MODELS))
        weights = {str(number): weight for number, weight in enumerate(self.weights) if weight}
        for one, two in combinations(weights, 2):
            i, j = int(one), int(two)
            found[i, j] = found[j, i] = pair_probability(weights, one, two)
        return found


EVEN = (Phase(1.0, (1.0,) * MODELS),)
CHANGED = (Phase(0.5, (1.0,) * MODELS), Phase(0.5, (20.0, 8.0, 8.0, *[1.0] * (MODELS - 3))))
PREFERRED = (  # those that sleep are drawn a fifth as often
    Phase(0.6, (1.0,) * MODELS),
    Phase(0.3, (*[0.2] * 4, *[1.0] * (MODELS - 4))),
    Phase(0.1, (*[1.0] * 4, *[0.2] * (MODELS - 4))),
)
ASLEEP = (  # those that sleep are not drawn
    Phase(0.6, (1.0,) * MODELS),
    Phase(0.3, (*[0.0] * 4, *[1.0] * (MODELS - 4))),
    Phase(0.1, (*[1.0] * 4, *[0.0] * (MODELS - 4))),
)
BOARDS = (
    ("even draws", EVEN),
    ("three models favoured in mid-life (20, 8, 8 to 1)", CHANGED),
    ("four models awake 70 % of the time, the others 90 %; awake ones preferred 5 to 1", PREFERRED),
    ("the same, only awake ones drawn", ASLEEP),
)


def report(lives: int = 300) -> None:
    """Print how far ratings are off those of an even draw without end."""
    print(f"\n{MODELS} models, {VOTES:,} votes, {lives} boards each; points off what even draws would end at")
    rows: list[tuple[object, ...]] = [
        (
            "preferences",
            "draws",
            "rmse, plain",
            "rmse, weighted",
            "coverage, plain",
            "coverage, weighted",
            "± plain",
            "± weighted",
        )
    ]
    for kind, spread in (("as the model has them", 0.0), (f"intransitive (sd {INTRANSITIVE})", INTRANSITIVE)):
        for name, phases in BOARDS:
            off, held, width = _live(phases, spread, lives)
            rows.append(
                (
                    kind,
                    name,
                    *(f"{number:.1f}" for number in off),
                    *(f"{number:.1%}" for number in held),
                    *(f"{number:.1f}" for number in width),
                )
            )
    table(*rows)


def _live(phases: tuple[Phase, ...], spread: float, lives: int) -> Floats:
    """Root mean square error, coverage and half-width, each plain and weighted. Shape (3, 2)."""
    shares = [phase.shares() for phase in phases]
    found = np.zeros((lives, 3, 2))
    for life in range(lives):
        rng = np.random.default_rng(life)
        chances, goal = _preferences(spread, rng)
        plain, weight, square = np.zeros((3, MODELS, MODELS, 4))
        for phase, probability in zip(phases, shares, strict=True):
            games = rng.multinomial(round(VOTES * phase.share), probability.ravel() / probability.sum())
            votes = rng.multinomial(games.reshape(MODELS, MODELS), chances)
            factor = np.divide(1.0, probability, out=np.zeros_like(probability), where=probability > 0)[:, :, None]
            plain, weight, square = plain + votes, weight + votes * factor, square + votes * factor**2
        for number, tally in enumerate((Tally.of(plain), Tally(weight, square))):
            fitted = fit(tally)
            off = fitted.strengths - goal
            widths = Z95 * np.sqrt(np.diag(sandwich(tally, fitted)))
            found[life, :, number] = (off**2).mean(), (np.abs(off) <= widths).mean(), widths.mean()
    squared, held, width = found.mean(axis=0)
    return np.stack([POINTS * np.sqrt(squared), held, POINTS * width])


def _preferences(spread: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The chances of the four outcomes, and the strengths that even draws without end would give."""
    truth = strengths(MODELS, rng)
    odd = np.triu(rng.normal(0, spread, (MODELS, MODELS)), 1)
    win = expit(truth[:, None] - truth[None, :] + odd - odd.T)
    chances = with_ties(win)
    endless = chances * 1e6
    endless[np.arange(MODELS), np.arange(MODELS)] = 0
    return chances, fit(Tally.of(endless)).strengths
