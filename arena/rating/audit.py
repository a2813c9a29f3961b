"""Voters whose votes do not look like judgements: a test that may be looked at after every vote.

For each voter an e-process E_t = mean over k of prod_{s<=t} q_k(x_s) / max over h of prod_{s<=t} p_h(x_s): what
the votes x_s would be worth to somebody who bets on alternative k against honest voting. While the voter is honest
the chance that E ever reaches 1/alpha is at most alpha (Ville's inequality; Ramdas and others, arXiv 2210.01948),
whenever one looks.

Honest voters are not alike: some call a tie readily and some hardly ever (in a real crowd of 124, the log-odds of
a tie had a standard deviation of 0.7). So honest is any p_h whose odds of a tie and of both bad are up to
`TIE_FACTOR` times more or less than those of the others, and the bet is against the likeliest of them (universal
inference; Wasserman, Ramdas and Balakrishnan 2020, PNAS 117, 16880-16890).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from arena.rating.counts import Floats

ALPHA = 0.05
TIE_FACTOR = 3.0
_TIES = np.linspace(-np.log(TIE_FACTOR), np.log(TIE_FACTOR), 17)  # logarithms of it; the middle one is 0
SHARES = np.array([0.5, 0.8, 0.95])
"""How much of a voter's votes an alternative takes; the rest are honest."""

Habit = Literal["uniform", "coin", "a", "b", "tie", "both_bad", "against", "pushes"]
"""Ways of voting that are no judgement: clicking anything, tossing a coin, always one button, always for the side
expected to lose, and always for one model."""

HABITS: tuple[Habit, ...] = get_args(Habit)[:-1]  # those that need no model

AT_ONCE = 200

# What somebody with each habit chooses: rows as HABITS, columns as OUTCOMES. The underdog depends on the vote.
_CHOOSES = np.array([[0.25] * 4, [0.5, 0.5, 0, 0], *np.eye(4), [0, 0, 0, 0]])


@dataclass(frozen=True)
class Seen:
    """A vote as the audit sees it. `chances`: of each outcome were the voter honest, shape (4,), all above 0."""

    a: int
    b: int
    outcome: int
    chances: Floats


@dataclass
class Audit:
    """One voter's e-process. Half of its stake is on habits, half on pushing one of the M models."""

    models: int
    evidence: float = 1.0  # E_t: how many times their stake all bets together are worth now
    peak: float = 1.0
    _general: Floats = field(
        init=False
    )  # logarithms of what the bets are worth, against p_h of those in the middle
    _pushing: Floats = field(init=False)
    _honest: Floats = field(init=False)  # the same of betting on each p_h: ties by both bad

    def __post_init__(self) -> None:
        self._general = np.full((len(HABITS), len(SHARES)), np.log(0.5 / (len(HABITS) * len(SHARES))))
        self._pushing = np.full((self.models, len(SHARES)), np.log(0.5 / (self.models * len(SHARES))))
        self._honest = np.zeros((len(_TIES), len(_TIES)))

    def see(self, *votes: Seen) -> Floats:
        """Bet on the next votes, one after the other. Returns the evidence after each, shape (N,)."""
        rows = np.arange(len(votes))
        outcome = np.array([vote.outcome for vote in votes])
        chances = np.array([vote.chances for vote in votes])
        underdog = np.where(chances[:, 0] < chances[:, 1], 0, 1)
        chosen = _CHOOSES.T[outcome]
        chosen[:, -1] = outcome == underdog
        honest = chances[rows, outcome]
        general = self._general + _won(chosen, honest).cumsum(axis=0)
        pushing = np.zeros((len(votes), self.models, len(SHARES)))
        for side, models in enumerate(([vote.a for vote in votes], [vote.b for vote in votes])):
            pushing[rows, models] = _won((outcome == side)[:, None], honest)[:, 0]
        pushing = self._pushing + pushing.cumsum(axis=0)
        against = self._honest + _won_by_honesty(chances, outcome).cumsum(axis=0)
        self._general, self._pushing, self._honest = general[-1], pushing[-1], against[-1]
        bets = np.concatenate([general.reshape(len(votes), -1), pushing.reshape(len(votes), -1)], axis=1)
        evidence = _sum_of(bets - against.max(axis=(1, 2))[:, None])
        self.evidence = float(evidence[-1])
        self.peak = max(self.peak, float(evidence.max()))
        return evidence

    @property
    def is_odd(self) -> bool:
        """Whether the evidence has ever been enough. For an honest voter the chance of that is at most `ALPHA`."""
        return self.peak >= 1 / ALPHA

    @property
    def likeliest(self) -> tuple[Habit, int | None]:
        """The habit that has won most, with the model where it pushes one."""
        if self._general.max() >= self._pushing.max():
            return HABITS[int(self._general.max(axis=1).argmax())], None
        return "pushes", int(self._pushing.max(axis=1).argmax())


def audit(votes: Iterable[Seen], models: int) -> Audit:
    """The e-process of one voter after all these votes, in their order."""
    found = Audit(models)
    for some in batched(votes):
        found.see(*some)
    return found


def batched(votes: Iterable[Seen]) -> Iterable[list[Seen]]:
    """A few at once: many take memory rather than time."""
    left = iter(votes)
    while some := list(islice(left, AT_ONCE)):
        yield some


def _won(chosen: Floats | NDArray[np.bool_], honest: Floats) -> Floats:
    """Logarithms of what each share of each habit wins: shape (N, habits, shares)."""
    won: Floats = np.log(1 - SHARES + chosen[:, :, None] * SHARES / honest[:, None, None])
    return won


def _won_by_honesty(chances: Floats, outcome: NDArray[np.int64]) -> Floats:
    """Logarithms of p_h / p, for every way of calling a tie and both bad: shape (N, ties, ties)."""
    tie, both_bad = (chances[:, number, None] * np.exp(_TIES) for number in (2, 3))
    whole = (chances[:, 0] + chances[:, 1])[:, None, None] + tie[:, :, None] + both_bad[:, None, :]
    is_tie, is_both_bad = ((outcome == number)[:, None] * _TIES for number in (2, 3))
    won: Floats = is_tie[:, :, None] + is_both_bad[:, None, :] - np.log(whole)
    return won


def _sum_of(logarithms: Floats) -> Floats:
    """The sum of each row of numbers, given their logarithms; what is over e^700 is e^700."""
    largest = logarithms.max(axis=1)
    total = largest + np.log(np.exp(logarithms - largest[:, None]).sum(axis=1))
    found: Floats = np.exp(np.minimum(total, 700.0))
    return found


def honest_chances(counts: Floats, win: float, shares: Floats, weight: float = 20.0) -> Floats:
    """The chances of the four outcomes of a pair, were a voter like the others. Shape (4,), all above 0.

    `counts`: how its votes ended so far, from this side's view, shape (4,). They are drawn towards what the board
    says, as if that were `weight` further votes: `shares` of ties and of both bad on the whole board, shape (2,),
    and of the rest side a gets so much that its points come to `win`.
    """
    even = float(shares.sum())
    a = float(np.clip(win - even / 2, 0.02 * (1 - even), 0.98 * (1 - even)))
    expected = np.array([a, 1 - even - a, *shares]) + 1e-3
    smoothed: Floats = counts + weight * expected / expected.sum()
    smoothed /= smoothed.sum()
    return smoothed
