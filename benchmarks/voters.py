"""The audit of voters: how many honest ones it flags in a whole life, and how soon it finds each habit."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arena.rating import Tally, fit
from arena.rating.audit import ALPHA, Audit, Seen, batched, honest_chances
from arena.rating.counts import Floats
from benchmarks.crowd import endings, meetings, strengths, table

MODELS = 20
LIFETIME = 150
LONG = 1000

Integers = NDArray[np.int64]
Voter = Callable[[Floats, np.random.Generator], Floats]
"""What a voter of this kind chooses instead of the honest chances, for each pair: shape (M, M, 4), given those."""


def honest(chances: Floats, rng: np.random.Generator) -> Floats:
    return chances


def leaning(chances: Floats, rng: np.random.Generator) -> Floats:
    """As all others: side a gets a tenth of the votes that side b would have had."""
    moved = 0.1 * chances[:, :, 1]
    return chances + np.stack([moved, -moved, 0 * moved, 0 * moved], axis=2)


def of_own_mind(spread: float) -> Voter:
    """Some tie readily and some hardly ever: odds of each kind of tie times e^N(0, spread²)."""

    def choose(chances: Floats, rng: np.random.Generator) -> Floats:
        own = chances * np.append([1.0, 1.0], np.exp(rng.normal(0, spread, 2)))
        bent: Floats = own / own.sum(axis=2, keepdims=True)
        return bent

    return choose


def constant(*shares: float) -> Voter:
    return lambda chances, rng: np.broadcast_to(np.array(shares), chances.shape).copy()


def against(chances: Floats, rng: np.random.Generator) -> Floats:
    """For the side that is expected to lose."""
    chosen = np.zeros_like(chances)
    is_a = chances[:, :, 0] < chances[:, :, 1]
    chosen[:, :, 0], chosen[:, :, 1] = is_a, ~is_a
    return chosen


def pushing(chances: Floats, rng: np.random.Generator) -> Floats:
    """Honest, but for one model."""
    chosen, target = chances.copy(), int(rng.integers(MODELS))
    chosen[target], chosen[:, target] = np.eye(4)[0], np.eye(4)[1]
    return chosen


def half(voter: Voter) -> Voter:
    """So in every second vote, honest in the others."""
    return lambda chances, rng: 0.5 * chances + 0.5 * voter(chances, rng)


@dataclass
class Crowd:
    """A board and voters on it. `null`: the chances that the audit takes for honest, shape (M, M, 4)."""

    truth: Floats
    null: Floats
    lives: list[tuple[Integers, Integers]]

    def audited(self, votes: int) -> list[int]:
        """For each voter, after how many votes they were flagged; 0: never."""
        return [self._flagged(pairs[:votes], outcomes[:votes]) for pairs, outcomes in self.lives]

    def _flagged(self, pairs: Integers, outcomes: Integers) -> int:
        found = Audit(MODELS)
        votes = [Seen(a, b, o, self.null[a, b]) for (a, b), o in zip(pairs, outcomes, strict=True)]
        evidence = np.concatenate([found.see(*some) for some in batched(votes)])
        return int(np.argmax(evidence >= 1 / ALPHA)) + 1 if found.is_odd else 0


def crowd(
    kind: Voter,
    seed: int,
    *,
    board: int | None,
    voters: int,
    votes: int = LIFETIME,
    others: Voter = honest,
    share: float = 0.0,
    is_honest: bool = False,
) -> Crowd:
    """`voters` of a kind, among others who bring the board to `board` votes; `None`: the true chances are known.

    The null is estimated from all of these votes. `share` of the others are of the kind `others`, the rest honest;
    so are those of the kind itself where it is honest in its own way.
    """
    rng = np.random.default_rng(seed)
    truth = endings(strengths(MODELS, rng))
    counts = np.zeros_like(truth)
    lives = []
    for _ in range(voters):
        pairs = _pairs(votes, rng)
        sums = kind(truth, rng)[pairs[:, 0], pairs[:, 1]].cumsum(axis=1)
        outcomes = np.minimum((rng.random((votes, 1)) > sums).sum(axis=1), 3)
        np.add.at(counts, (*pairs.T, outcomes), 1)
        lives.append((pairs, outcomes))
    if board is None:
        return Crowd(truth, kind(truth, rng), lives)
    like_others = kind if is_honest else honest
    for part, voter in ((1 - share, like_others), (share, others)):
        missing = round(part * max(0, board - voters * votes))
        shares = np.mean([voter(truth, rng) for _ in range(50)], axis=0)
        counts += rng.multinomial(meetings(np.ones((MODELS, MODELS)), missing, rng), shares)
    return Crowd(truth, estimated(counts), lives)


def estimated(counts: Floats) -> Floats:
    """What an honest voter would choose, as far as the board's votes tell."""
    tally = Tally.of(counts)
    wins = fit(tally).chances()
    ends = np.stack([tally.ended(outcome) for outcome in ("a", "b", "tie", "both_bad")], axis=2)
    shares = counts.sum(axis=(0, 1))[2:] / counts.sum()
    null = np.full_like(counts, 0.25)
    for i in range(MODELS):
        for j in range(MODELS):
            if i != j:
                null[i, j] = honest_chances(ends[i, j], float(wins[i, j]), shares)
    return null


def _pairs(votes: int, rng: np.random.Generator) -> Integers:
    first = rng.integers(0, MODELS, votes)
    return np.column_stack([first, (first + rng.integers(1, MODELS, votes)) % MODELS])


def false_alarms(voters: int = 2000) -> None:
    """Print the share of honest voters that are ever flagged, by what the null is made of."""
    print(f"\nHonest voters flagged in a life of {LIFETIME} / {LONG} votes, {MODELS} models; at most 5 % wanted")
    rows: list[tuple[object, ...]] = [("null table", f"{LIFETIME} votes", f"{LONG} votes")]
    for name, kind, board, others, share in ALARMS:
        rows.append((name, *(_alarms(kind, board, others, share, voters, votes) for votes in (LIFETIME, LONG))))
    table(*rows)


ALARMS: tuple[tuple[str, Voter, int | None, Voter, float], ...] = (
    ("the truth", honest, None, honest, 0),
    ("estimated, board of 500 votes", honest, 500, honest, 0),
    ("2,000 votes", honest, 2_000, honest, 0),
    ("10,000 votes", honest, 10_000, honest, 0),
    ("100,000 votes", honest, 100_000, honest, 0),
    ("10,000 votes, a fifth from coin tossers", honest, 10_000, constant(0.5, 0.5, 0, 0), 0.2),
    ("10,000 votes, a fifth from one who always ties", honest, 10_000, constant(0, 0, 1, 0), 0.2),
    ("10,000 votes, everyone leans to side a (10 %)", leaning, 10_000, honest, 0),
    ("10,000 votes, odds of ties differ by e^N(0, 0.7²)", of_own_mind(0.7), 10_000, honest, 0),
    ("10,000 votes, by e^N(0, 1)", of_own_mind(1.0), 10_000, honest, 0),
)


def _alarms(kind: Voter, board: int | None, others: Voter, share: float, voters: int, votes: int) -> str:
    """Voters of many boards, several on each, but never more of them than a third of its votes."""
    voters = voters if votes == LIFETIME else voters // 4
    each = max(1, min(20, (board or 10**6) // (3 * votes)))
    flagged: list[int] = []
    for seed in range(voters // each):
        size = None if board is None else max(board, votes)
        found = crowd(kind, seed, board=size, voters=each, votes=votes, others=others, share=share, is_honest=True)
        flagged += found.audited(votes)
    return f"{np.mean(np.array(flagged) > 0):.1%}"


HABITS: dict[str, Voter] = {
    "uniform over four buttons": constant(0.25, 0.25, 0.25, 0.25),
    "a coin between A and B": constant(0.5, 0.5, 0, 0),
    "always left": constant(1, 0, 0, 0),
    "always tie": constant(0, 0, 1, 0),
    "always both bad": constant(0, 0, 0, 1),
    "always against the favourite": against,
    "always for one model, else honest": pushing,
    "half uniform, half honest": half(constant(0.25, 0.25, 0.25, 0.25)),
    "half left, half honest": half(constant(1, 0, 0, 0)),
    "half for one model, else honest": half(pushing),
}


def power(voters: int = 200) -> None:
    """Print the share of odd voters that are found, and after how many votes."""
    print(f"\nOdd voters found, board of 10,000 votes, null estimated from it; {voters} voters each")
    rows: list[tuple[object, ...]] = [
        ("habit", "in 50 votes", f"in {LIFETIME}", "in 500", "votes until half are found"),
    ]
    for name, kind in HABITS.items():
        flagged: list[int] = []
        for seed in range(voters):
            flagged += crowd(kind, seed, board=10_000, voters=1, votes=500).audited(500)
        at = np.where(np.array(flagged) > 0, flagged, 10**6)
        median = int(np.quantile(at, 0.5, method="higher"))
        shares = (f"{np.mean(at <= votes):.0%}" for votes in (50, LIFETIME, 500))
        rows.append((name, *shares, median if median < 10**6 else "never"))
    table(*rows)


def report() -> None:
    """Print both tables."""
    false_alarms()
    power()
