"""Whether 95 % means 95 %: of intervals at one look, and of a board that is watched for its whole life."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from arena.rating import POINTS, Tally, anytime_ranks, fit, ranks, sandwich
from arena.rating.bradley_terry import inverse
from arena.rating.counts import Floats
from arena.rating.ranks import RankSet, anytime_radius, standard_errors
from arena.rating.spread import Z95
from benchmarks.crowd import endings, meetings, strengths, table

BOARDS = (  # models, votes, of them the newcomer's
    (50, 20_000, 200),
    (50, 1_000_000, 200),
    (50, 1_000_000, 1000),
    (100, 3_000_000, 500),
)


def coverage(repetitions: int = 2000) -> None:
    """Print how often intervals held the truth: established models, and one newcomer with few votes."""
    print(f"\nShare of 95 % intervals that hold the truth, {repetitions} boards each")
    rows: list[tuple[object, ...]] = [
        (
            "board",
            "established, sandwich",
            "newcomer, sandwich",
            "of 2 sd around 95 %",
            "newcomer, inverse information",
            "newcomer ±, sandwich",
            "inverse information",
        )
    ]
    for models, votes, few in BOARDS:
        held, newcomer, plain, width, wide = covered(models, votes, few, repetitions)
        name = f"{models} models, {votes:,} votes, newcomer {few}"
        sd = 2 * np.sqrt(0.95 * 0.05 / repetitions)
        rows.append(
            (
                name,
                f"{held:.1%}",
                f"{newcomer:.1%}",
                f"{0.95 - sd:.1%} to {0.95 + sd:.1%}",
                f"{plain:.1%}",
                f"{width:.1f}",
                f"{wide:.1f}",
            )
        )
    table(*rows)


def covered(models: int, votes: int, few: int, repetitions: int) -> Floats:
    """Coverage of established models and of the newcomer, by the inverse information too; its half-widths."""
    rng = np.random.default_rng(models + votes + few)
    found = np.zeros((repetitions, 5))
    popularity = rng.gamma(2.0, size=models)
    popularity[-1] = 0.0
    rivals = np.zeros((models, models))
    rivals[-1, :-1] = rivals[:-1, -1] = 1.0
    for row in found:
        truth = strengths(models, rng)
        games = meetings(popularity[:, None] * popularity, votes - few, rng) + meetings(rivals, few, rng)
        tally = Tally.of(rng.multinomial(games, endings(truth)))
        fitted = fit(tally)
        off = np.abs(fitted.strengths - truth)
        widths = Z95 * np.sqrt(np.diag(sandwich(tally, fitted)))
        plain = Z95 * np.sqrt(inverse(fitted.information, is_singular=not fitted.has_prior)[-1, -1])
        held = off <= widths
        row[:] = held[:-1].mean(), held[-1], off[-1] <= plain, POINTS * widths[-1], POINTS * plain
    mean: Floats = found.mean(axis=0)
    return mean


def peeking(lifetimes: int = 1000) -> None:
    """Print the share of lifetimes in which identical models are told apart, ever and at the last look."""
    print(f"\nShare of lifetimes in which identical models are told apart, {lifetimes} lifetimes each")
    rows: list[tuple[object, ...]] = [
        ("board", "rule", "ever", "at the last look", "width, times that of the fixed test"),
    ]
    for name, judge, looks in LIFETIMES:
        ever, last, width = told_apart(judge, looks, lifetimes)
        for number, rule in enumerate(RULES[judge]):
            wide = f"{width[number]:.2f}" if np.isfinite(width[number]) else ""
            rows.append((name, rule, f"{ever[number]:.1%}", f"{last[number]:.1%}", wide))
    table(*rows)


Judged = tuple[tuple[bool, bool, bool], tuple[float, float, float]]
"""Whether each rule tells apart, and how wide it is."""


def _two(tally: Tally, seed: int) -> Judged:
    """The first two models, which are alike."""
    found = fit(tally)
    spread = sandwich(tally, found)
    apart, error = abs(found.strengths[0] - found.strengths[1]), standard_errors(spread)[0, 1]
    overlap = Z95 * np.sqrt(np.diag(spread))[:2].sum()
    anytime = anytime_radius(np.array(error), 0.05)
    limits = np.array([Z95 * error, overlap, anytime])
    fixed, lapping, ever = (bool(apart > limit) for limit in limits)
    return (fixed, lapping, ever), (1.0, *(limits[1:] / limits[0]))


def _any(tally: Tally, seed: int) -> Judged:
    """Any two of models that are all alike."""
    found = fit(tally)
    spread = sandwich(tally, found)
    errors = standard_errors(spread)
    apart = np.abs(found.strengths[:, None] - found.strengths[None, :])
    whole = RankSet(1, tally.size)
    at_one_look = any(found != whole for found in ranks(found.strengths, spread, seed))
    ever = any(found != whole for found in anytime_ranks(found.strengths, spread))
    pairs = tally.size * (tally.size - 1) // 2
    radius = float(anytime_radius(errors[:1, 1:2], 0.05 / pairs)[0, 0])
    return (bool((apart > Z95 * errors).any()), at_one_look, ever), (1.0, np.nan, radius / (Z95 * errors[0, 1]))


Judge = Callable[[Tally, int], Judged]
RULES: dict[Judge, tuple[str, str, str]] = {
    _two: ("fixed z", "intervals do not overlap", "anytime"),
    _any: ("fixed z", "rank sets of one look (max-z)", "anytime rank sets (all pairs at once)"),
}
MODELS = 10
LIFETIMES: tuple[tuple[str, Judge, NDArray[np.int64]], ...] = (
    ("2 alike among 10, 100 looks, 1,000 to 100,000 votes", _two, np.arange(1, 101) * 1000),
    ("2 alike among 10, 150 looks, 100 to 1 million votes", _two, np.geomspace(100, 1e6, 150).astype(np.int64)),
    ("10 alike, 100 looks, 1,000 to 100,000 votes", _any, np.arange(1, 101) * 1000),
    ("10 alike, 100 looks, 100 to 1 million votes", _any, np.geomspace(100, 1e6, 100).astype(np.int64)),
)


def told_apart(judge: Judge, looks: NDArray[np.int64], lifetimes: int) -> tuple[Floats, Floats, Floats]:
    """By each rule: the share of lifetimes that are told apart ever and at the last look, and its last width."""
    rng = np.random.default_rng(len(looks))
    truth = np.zeros(MODELS)
    told = np.zeros((lifetimes, len(looks), 3), dtype=bool)
    widths = np.zeros((lifetimes, 3))
    for life in range(lifetimes):
        if judge is _two:
            truth[2:] = strengths(MODELS - 2, rng)
        chances = endings(truth)
        counts = np.zeros((MODELS, MODELS, 4))
        for look, votes in enumerate(np.diff(looks, prepend=0)):
            counts += rng.multinomial(meetings(np.ones((MODELS, MODELS)), int(votes), rng), chances)
            told[life, look], widths[life] = judge(Tally.of(counts), life)
    return told.any(axis=1).mean(axis=0), told[:, -1].mean(axis=0), widths.mean(axis=0)
