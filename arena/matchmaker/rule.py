"""Who meets whom by weight. Pure: the contenders, the rules and the source of randomness are arguments.

The first model is drawn by weight, its rival by weight among those it may meet, and the sides by a fair coin. The
rules of `[matchmaker]` bend that as the old arena's tables did (FastChat, `get_battle_pair`):

- boosted: five times the weight, when the first model is drawn; none when its rival is
- targets: as rival of the first model c, each of its targets weighs half of W, shared among them; W is the sum of
  all weights, boosts and c's own included. Rivals are drawn by their shares: no target is certain
- strict targets: a model meets only those whose names one of its patterns fits, whichever of them is drawn first
- apart: no two of these meet

Who can meet nobody is not drawn, as if the first draw that brought it were drawn again. Nobody meets itself.
"""

from collections.abc import Iterable, Mapping
from random import Random

from arena.config import Matchmaking, Model
from arena.config.settings import pattern
from arena.conversation import Pair

BOOST = 5.0
FREE = Matchmaking()
"""No rules but the weights."""


def contenders(
    models: Iterable[Model], rules: Matchmaking = FREE, *, has_images: bool = False
) -> dict[str, float]:
    """Those of `models` that battles are drawn from, about text or about pictures, with their weights there."""
    able = (model for model in models if (model.vision if has_images else model.text))
    return {m.name: rules.weight(m, has_images=has_images) for m in able if m.name not in rules.outages}


def can_draw(weights: Mapping[str, float], rules: Matchmaking = FREE) -> bool:
    """Whether any two may meet."""
    return bool(_first(weights, rules))


def draw(weights: Mapping[str, float], rng: Random, rules: Matchmaking = FREE) -> Pair:
    """A pair from `weights` (model -> weight). Raises `ValueError` where no two may meet."""
    chances = _first(weights, rules)
    if not chances:
        raise ValueError("a battle takes two models with a weight above 0 that may meet")
    first = _pick(chances, rng)
    second = _pick(_rivals(weights, rules, first), rng)
    a, b = seats(first, second, rng)
    return Pair(a, b, _probability(chances, weights, rules, (a, b)))


def seats(one: str, two: str, rng: Random) -> tuple[str, str]:
    """Who is on side a and who on side b: a fair coin."""
    return (one, two) if rng.random() < 0.5 else (two, one)


def pair_probability(weights: Mapping[str, float], one: str, two: str, rules: Matchmaking = FREE) -> float:
    """The chance that `draw` brings these two together, in either order and on either side.

    P(first = one) · P(rival = two | one) + P(first = two) · P(rival = one | two). Without rules, with w the
    weights and W their sum: w1/W · w2/(W - w1) + w2/W · w1/(W - w2).
    """
    return _probability(_first(weights, rules), weights, rules, (one, two))


def _probability(
    chances: Mapping[str, float], weights: Mapping[str, float], rules: Matchmaking, pair: tuple[str, str]
) -> float:
    orders = (pair, pair[::-1])
    return min(1.0, sum(_share(chances, x) * _share(_rivals(weights, rules, x), y) for x, y in orders))


def may_meet(one: str, two: str, rules: Matchmaking) -> bool:
    """Whether the rules let these two meet. The same whichever of them is drawn first."""
    if one == two or (one in rules.apart and two in rules.apart):
        return False
    return _wants(one, two, rules) and _wants(two, one, rules)


def _wants(one: str, two: str, rules: Matchmaking) -> bool:
    patterns = rules.strict_targets.get(one)
    return patterns is None or any(pattern(text).match(two) for text in patterns)


def _first(weights: Mapping[str, float], rules: Matchmaking) -> dict[str, float]:
    """What each model weighs when the first is drawn; only those that can have a rival are here."""
    return {
        name: _boosted(name, weight, rules)
        for name, weight in weights.items()
        if weight > 0 and any(rival > 0 and may_meet(name, other, rules) for other, rival in weights.items())
    }


def _rivals(weights: Mapping[str, float], rules: Matchmaking, first: str) -> dict[str, float]:
    """What each model weighs as rival of `first`. Never W - w, which loses small weights beside a large one."""
    rivals = {name: weight for name, weight in weights.items() if weight > 0 and may_meet(first, name, rules)}
    targets = rules.targets.get(first, ())
    if targets:
        half = 0.5 * sum(_boosted(name, weight, rules) for name, weight in weights.items())
        rivals |= {name: half / len(targets) for name in targets if name in rivals}
    return rivals


def _boosted(name: str, weight: float, rules: Matchmaking) -> float:
    return weight * BOOST if name in rules.boosted else weight


def _share(weights: Mapping[str, float], name: str) -> float:
    return weights[name] / sum(weights.values()) if name in weights else 0.0


def _pick(weights: Mapping[str, float], rng: Random) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]
