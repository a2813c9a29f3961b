"""Fewest battles first: the draw by weight, with weights that fall as a model's battles add up. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from arena.config import Matchmaking
from arena.matchmaker.lottery import Weighted
from arena.matchmaker.rule import can_draw

PULL = 2.0
"""How strongly models with few battles are preferred; chosen by the simulation of `benchmarks.ranking`."""


class Games:
    """How many battles each model has had, votes and battles under way together."""

    def __init__(self, games: Mapping[str, float], expected: Iterable[tuple[str, str]] = ()) -> None:
        self._games = Counter[str]({name: int(count) for name, count in games.items()})
        for one, two in expected:
            self.expect(one, two)

    def expect(self, one: str, two: str) -> None:
        self._games.update((one, two))

    def lottery(self, weights: Mapping[str, float], rules: Matchmaking) -> Weighted | None:
        """A model of weight w with n battles is drawn as if its weight were w (w / (w + n))^2.

        Battles per weight come to be the same for all. Boosts and targets have no say: they would upset that.
        """
        falling = {name: fallen(weight, self._games[name]) for name, weight in weights.items()}
        hard = msgspec.structs.replace(rules, boosted=(), targets={})
        return Weighted(falling, hard) if can_draw(falling, hard) else None


def fallen(weight: float, games: int) -> float:
    return weight * (weight / (weight + games)) ** PULL if weight > 0 else 0.0
