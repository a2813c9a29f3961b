"""Who meets whom. Pure: the contenders and the source of randomness are arguments.

The first model is drawn by weight, its opponent by weight among the rest, and the sides by a fair coin.
"""

from collections.abc import Mapping
from random import Random

from arena.conversation import Pair


def contenders(weights: Mapping[str, float]) -> dict[str, float]:
    """Those that can be drawn at all: weight 0 keeps a model out."""
    return {name: weight for name, weight in weights.items() if weight > 0}


def can_draw(weights: Mapping[str, float]) -> bool:
    return len(contenders(weights)) >= 2


def draw(weights: Mapping[str, float], rng: Random) -> Pair:
    """A pair from `weights` (model -> weight). Raises `ValueError` where fewer than two can be drawn."""
    pool = contenders(weights)
    if len(pool) < 2:
        raise ValueError("a battle takes two models with a weight above 0")
    first = _pick(pool, rng)
    second = _pick({name: weight for name, weight in pool.items() if name != first}, rng)
    a, b = (first, second) if rng.random() < 0.5 else (second, first)
    return Pair(a, b, pair_probability(pool, a, b))


def pair_probability(weights: Mapping[str, float], one: str, two: str) -> float:
    """The chance that `draw` brings these two together, in either order and on either side.

    With w the weights and W their sum: w1/W · w2/(W - w1) + w2/W · w1/(W - w2).
    """
    total = sum(weights.values())
    return min(
        1.0, sum(weights[x] / total * (weights[y] / _rest(weights, x)) for x, y in ((one, two), (two, one)))
    )


def _rest(weights: Mapping[str, float], without: str) -> float:
    """The sum of the other weights. Added up, because W - w loses small weights beside a large one."""
    return sum(weight for name, weight in weights.items() if name != without)


def _pick(weights: Mapping[str, float], rng: Random) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]
