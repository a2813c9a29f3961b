"""How soon a newcomer is known, and how well everybody else, by the policy of the matchmaker."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from random import Random
from typing import Any

import numpy as np

from arena.config import Matchmaking
from arena.conversation import Pair
from arena.matchmaker import balanced
from arena.matchmaker.informative import Gains, measure
from arena.matchmaker.lottery import Knowledge, Lottery, Mixture, Weighted
from arena.rating import POINTS, Tally, fit, sandwich
from arena.rating.counts import Floats
from arena.rating.ranks import standard_errors
from arena.rating.spread import Z95
from benchmarks.crowd import endings, half_widths, strengths, table

MODELS, ENTERS, ENDS = 20, 3000, 6000
REFRESH = 50  # votes between two counts
LOOK = 50  # votes between two looks at the board
RULES = Matchmaking()

Learn = Callable[[list[str], Floats], Knowledge | None]


def by_weight(names: list[str], counts: Floats) -> None:
    """Nothing but the floor."""


def by_a_optimal(names: list[str], counts: Floats) -> Knowledge:
    return measure(names, counts.astype(np.int64), RULES, names)


@dataclass
class Fewest:
    """Fewest battles first, with another pull than the arena's."""

    games: Counter[str]
    pull: float

    def expect(self, one: str, two: str) -> None:
        self.games.update((one, two))

    def lottery(self, weights: Mapping[str, float], rules: Matchmaking) -> Weighted:
        return Weighted({n: w / (1 + self.games[n]) ** self.pull for n, w in weights.items()}, rules)


def by_models(pull: float) -> Learn:
    def learn(names: list[str], counts: Floats) -> Knowledge:
        games = Tally.of(counts).games.sum(axis=1)
        if pull == balanced.PULL:
            return balanced.Games(dict(zip(names, games, strict=True)))
        return Fewest(Counter({name: int(n) for name, n in zip(names, games, strict=True)}), pull)

    return learn


@dataclass
class Pairs:
    """Pairs by a function of how often they have met and of the chances of their next battle."""

    names: list[str]
    games: Floats
    chances: Floats
    share: Callable[[Floats, Floats], Floats]

    def expect(self, one: str, two: str) -> None:
        i, j = self.names.index(one), self.names.index(two)
        self.games[[i, j], [j, i]] += 1

    def lottery(self, weights: Mapping[str, float], rules: Matchmaking) -> Gains:
        shares = np.triu(self.share(self.games, self.chances), 1)
        return Gains(self.names, shares / shares.sum())


def by_pairs(share: Callable[[Floats, Floats], Floats]) -> Learn:
    def learn(names: list[str], counts: Floats) -> Knowledge:
        tally = Tally.of(counts)
        return Pairs(names, tally.games, fit(tally).chances(), share)

    return learn


def fewest_alone(games: Floats, chances: Floats) -> Floats:
    """Only the pairs that have met least."""
    upper = games[np.triu_indices(len(games), 1)]
    share: Floats = (games == upper.min()).astype(float)
    return share


def fewer_rather(games: Floats, chances: Floats) -> Floats:
    share: Floats = 1 / (1 + games) ** 2
    return share


def equation_9(games: Floats, chances: Floats) -> Floats:
    """arXiv 2403.04132, equation 9, with a game before the first."""
    variance = chances * (1 - chances)
    gain: Floats = np.sqrt(variance / (games + 1)) - np.sqrt(variance / (games + 2))
    return gain


POLICIES: dict[str, Learn] = {
    "weighted (uniform)": by_weight,
    "balanced: models, 1/(1 + n)²": by_models(2.0),
    "models, 1/(1 + n)": by_models(1.0),
    "models, 1/(1 + n)⁴": by_models(4.0),
    "pairs, 1/(1 + n)²": by_pairs(fewer_rather),
    "pairs, only the fewest": by_pairs(fewest_alone),
    "informative: A-optimal": by_a_optimal,
    "equation 9 of 2403.04132": by_pairs(equation_9),
}


@dataclass
class Life:
    """A board's life: half-widths in points at every look, shape (looks, M + 1), and how it ended."""

    newcomer: list[float] = field(default_factory=list)
    widest: list[float] = field(default_factory=list)
    mean: float = 0.0
    separated: float = 0.0
    ordered: float = 0.0
    busiest: float = 0.0
    before: float = 0.0


class Board:
    """A board that grows a vote at a time."""

    def __init__(self, seed: int) -> None:
        self.numpy = np.random.default_rng(seed)
        self.rng = Random(seed)
        self.truth = strengths(MODELS + 1, self.numpy)
        self.sums = endings(self.truth).cumsum(axis=2)
        self.counts = np.zeros((MODELS + 1, MODELS + 1, 4))
        self.names = [str(number) for number in range(MODELS + 1)]
        self.latest: list[bool] = []

    def grow(self, models: int, votes: int, learn: Learn, floor: float) -> None:
        names = self.names[:models]
        weights = dict.fromkeys(names, 1.0)
        knowledge = learn(names, self.counts[:models, :models])
        for _ in range(votes):
            by_weight = Weighted(weights, RULES)
            lottery: Lottery | None = knowledge.lottery(weights, RULES) if knowledge else None
            pair = (Mixture(floor, by_weight, lottery) if lottery else by_weight).draw(self.rng)
            if knowledge:
                knowledge.expect(pair.a, pair.b)
            self.vote(pair)

    def vote(self, pair: Pair) -> None:
        a, b = int(pair.a), int(pair.b)
        self.counts[a, b, int(np.searchsorted(self.sums[a, b], self.rng.random()).clip(0, 3))] += 1
        self.latest.append(MODELS in (a, b))


def live(learn: Learn, seed: int, floor: float = 0.1) -> Life:
    board, life = Board(seed), Life()
    for _ in range(ENTERS // REFRESH):
        board.grow(MODELS, REFRESH, learn, floor)
    life.before = float(half_widths(Tally.of(board.counts[:MODELS, :MODELS]))[1].mean())
    board.latest.clear()
    for _ in range((ENDS - ENTERS) // REFRESH):
        board.grow(MODELS + 1, REFRESH, learn, floor)
        _, widths = half_widths(Tally.of(board.counts))
        life.newcomer.append(float(widths[-1]))
        life.widest.append(float(widths.max()))
    life.busiest = float(np.mean(board.latest[:200]))
    _end(life, board)
    return life


def _end(life: Life, board: Board) -> None:
    tally = Tally.of(board.counts)
    found = fit(tally)
    spread = sandwich(tally, found)
    errors = standard_errors(spread)
    one, two = np.array(list(combinations(range(MODELS + 1), 2))).T
    apart = found.strengths[one] - found.strengths[two]
    life.mean = float(POINTS * Z95 * np.sqrt(np.diag(spread)).mean())
    life.separated = float((np.abs(apart) > Z95 * errors[one, two]).mean())
    life.ordered = float((apart * (board.truth[one] - board.truth[two]) > 0).mean())


def report(lives: int = 20) -> None:
    """Print how many votes after its entry a newcomer is as well known as even draws make it in the end."""
    print(f"\n{MODELS} models, one more after {ENTERS} votes, {ENDS} in all; floor 0.1; mean of {lives} boards")
    even = [live(by_weight, seed) for seed in range(lives)]
    goal = float(np.mean([life.newcomer[-1] for life in even]))
    widest = float(np.mean([life.widest[-1] for life in even]))
    rows: list[tuple[Any, ...]] = [
        (
            "policy",
            f"votes until newcomer's ± is {goal:.1f}",
            "fewer by",
            f"until the widest is {widest:.1f}",
            "newcomer ±",
            "mean ±",
            "widest ±",
            "separated",
            "in order",
            "mean ± before",
            "newcomer in first 200 draws",
        )
    ]
    for name, learn in POLICIES.items():
        found = even if learn is by_weight else [live(learn, seed) for seed in range(lives)]
        rows.append((name, *_row(found, goal, widest)))
    table(*rows)
    table(
        ("floor of informative", *rows[0][1:]),
        *((floor, *_row([live(by_a_optimal, s, floor) for s in range(lives)], goal, widest)) for floor in FLOORS),
    )


FLOORS = (0.05, 0.25, 0.5)


def _row(lives: list[Life], goal: float, widest: float) -> tuple[object, ...]:
    newcomer = np.mean([life.newcomer for life in lives], axis=0)
    soon, all_soon = until(newcomer, goal), until(np.mean([life.widest for life in lives], axis=0), widest)
    return (
        soon or "never",
        f"{(ENDS - ENTERS) / soon:.1f} times" if soon else "",
        all_soon or "never",
        f"{newcomer[-1]:.1f}",
        f"{np.mean([life.mean for life in lives]):.1f}",
        f"{np.mean([life.widest[-1] for life in lives]):.1f}",
        f"{np.mean([life.separated for life in lives]):.3f}",
        f"{np.mean([life.ordered for life in lives]):.3f}",
        f"{np.mean([life.before for life in lives]):.1f}",
        f"{np.mean([life.busiest for life in lives]):.0%}",
    )


def until(widths: Floats, goal: float) -> int:
    """Votes after the entry until the width is down to the goal and stays there; 0: never."""
    above = np.flatnonzero(widths > goal * 1.0001)
    looks = int(above[-1]) + 2 if len(above) else 1
    return looks * LOOK if looks <= len(widths) else 0
