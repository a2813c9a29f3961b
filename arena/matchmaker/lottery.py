"""Pairs that can be drawn, each with its probability; and two such lotteries in one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from arena.config import Matchmaking
from arena.conversation import Pair
from arena.matchmaker.rule import draw, pair_probability


class Lottery(Protocol):
    """Pairs with their probabilities, which sum to 1."""

    def draw(self, rng: Random) -> Pair:
        """One of them, on sides by a fair coin."""

    def probability(self, one: str, two: str) -> float:
        """The chance that `draw` brings these two together."""


@dataclass(frozen=True, slots=True)
class Weighted:
    """Pairs by the models' weights, two of which may meet."""

    weights: Mapping[str, float]
    rules: Matchmaking

    def draw(self, rng: Random) -> Pair:
        return draw(self.weights, rng, self.rules)

    def probability(self, one: str, two: str) -> float:
        return pair_probability(self.weights, one, two, self.rules)


@dataclass(frozen=True, slots=True)
class Mixture:
    """A share `floor` of draws by `base`, the others by `policy`.

    P(pair) = floor · P_base(pair) + (1 - floor) · P_policy(pair), whichever of the two a pair came from.
    """

    floor: float
    base: Lottery
    policy: Lottery

    def draw(self, rng: Random) -> Pair:
        pair = (self.base if rng.random() < self.floor else self.policy).draw(rng)
        return replace(pair, probability=self.probability(pair.a, pair.b))

    def probability(self, one: str, two: str) -> float:
        base, policy = self.base.probability(one, two), self.policy.probability(one, two)
        return min(1.0, self.floor * base + (1 - self.floor) * policy)


class Knowledge(Protocol):
    """What a policy draws by."""

    def expect(self, one: str, two: str) -> None:
        """A battle of these two is under way: a vote that is soon to come."""

    def lottery(self, weights: Mapping[str, float], rules: Matchmaking) -> Lottery | None:
        """The pairs of `weights` that the policy can draw; `None` where it has no say."""
