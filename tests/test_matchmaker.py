"""Who meets whom: the draw, and the probability that is stored with it."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import combinations
from math import comb, isclose
from pathlib import Path
from random import Random
from statistics import NormalDist
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.backend import Status
from arena.config import Matchmaking, Model, parse
from arena.errors import Unavailable
from arena.matchmaker import can_draw, contenders, draw, pair_probability
from arena.providers.script import CuedBackend
from arena.router import Router

DRAWS = 100_000
OLD_DRAWS = 200_000
UNEVEN = {"one": 1.0, "two": 2.0, "half": 0.5, "five": 5.0, "none": 0.0}

weights_of_some = st.dictionaries(
    st.text(min_size=1, max_size=5),
    st.floats(min_value=0, max_value=1e6) | st.sampled_from([0.0, 0.0, 5e-324, 1e-300, 1e-9, 1.0, 1e17, 1e300]),
    max_size=6,
)


def is_enough(weights: dict[str, float]) -> bool:
    """Whether two of them can meet."""
    return sum(weight > 0 for weight in weights.values()) >= 2


drawable = weights_of_some.filter(is_enough)


def pairs(weights: dict[str, float]) -> dict[frozenset[str], float]:
    """Every pair that can meet, and how probable that is."""
    up = {name: weight for name, weight in weights.items() if weight > 0}
    return {frozenset(pair): pair_probability(up, *pair) for pair in combinations(up, 2)}


def chi_square(counts: Counter[frozenset[str]], probabilities: dict[frozenset[str], float]) -> float:
    """Pearson's statistic of the counted pairs."""
    expected = {pair: probability * counts.total() for pair, probability in probabilities.items()}
    return sum((counts[pair] - number) ** 2 / number for pair, number in expected.items())


@given(drawable, st.integers())
def test_a_drawn_pair_is_two_different_models_that_can_be_drawn(weights: dict[str, float], seed: int) -> None:
    pair = draw(weights, Random(seed))
    assert pair.a != pair.b
    assert weights[pair.a] > 0
    assert weights[pair.b] > 0
    assert pair.probability is not None
    assert 0 <= pair.probability <= 1


@given(drawable, st.integers())
def test_the_same_seed_draws_the_same_pair(weights: dict[str, float], seed: int) -> None:
    assert draw(weights, Random(seed)) == draw(weights, Random(seed))


@pytest.mark.parametrize("weights", [{}, {"x": 1}, {"x": 0, "y": 0}, {"x": 1, "y": 0, "z": 0}])
def test_a_battle_takes_two_models_with_a_weight(weights: dict[str, float]) -> None:
    assert not can_draw(weights)
    with pytest.raises(ValueError, match="two models"):
        draw(weights, Random(1))


@given(drawable)
def test_the_probabilities_of_all_pairs_sum_to_one(weights: dict[str, float]) -> None:
    assert isclose(sum(pairs(weights).values()), 1, rel_tol=1e-9)


@given(drawable, st.integers())
def test_the_stored_probability_is_that_of_the_models_that_are_up(weights: dict[str, float], seed: int) -> None:
    pair = draw(weights, Random(seed))
    assert pair.probability == pytest.approx(pairs(weights)[frozenset((pair.a, pair.b))])


@given(drawable, st.sampled_from([0.001, 0.5, 3.0, 1000.0]))
def test_only_the_ratio_of_the_weights_matters(weights: dict[str, float], factor: float) -> None:
    normal = {name: weight for name, weight in weights.items() if 1e-6 <= weight <= 1e6}
    scaled = {name: weight * factor for name, weight in normal.items()}
    for pair, probability in pairs(normal).items():
        assert pairs(scaled)[pair] == pytest.approx(probability, rel=1e-9)


@pytest.mark.parametrize("count", [2, 3, 7, 50])
def test_equal_weights_make_every_pair_as_probable_as_any_other(count: int) -> None:
    weights = {f"m{number}": 0.3 for number in range(count)}
    for probability in pairs(weights).values():
        assert probability == pytest.approx(1 / comb(count, 2))


@pytest.mark.parametrize("weights", [{"x": 1e300, "y": 1e-300}, {"x": 5e-324, "y": 5e-324}, {"x": 1, "y": 9}])
def test_two_models_meet_for_certain_whatever_their_weights(weights: dict[str, float]) -> None:
    assert draw(weights, Random(1)).probability == pytest.approx(1)


def test_small_weights_beside_a_huge_one_share_what_it_leaves() -> None:
    found = pairs({"huge": 1e20, "x": 1, "y": 3})
    assert found[frozenset(("huge", "x"))] == pytest.approx(0.25)
    assert found[frozenset(("huge", "y"))] == pytest.approx(0.75)


def test_the_probability_follows_the_formula_for_three_models() -> None:
    found = pair_probability({"x": 1, "y": 2, "z": 3}, "x", "y")
    assert found == pytest.approx(1 / 6 * 2 / 5 + 2 / 6 * 1 / 4)
    assert found == pair_probability({"x": 1, "y": 2, "z": 3}, "y", "x")


@pytest.mark.parametrize(
    ("weights", "critical"),  # chi-square's 99.9th percentile for (number of pairs - 1) degrees of freedom
    [(UNEVEN, 20.52), ({"x": 1, "y": 1, "z": 1}, 13.82), ({"x": 100, "y": 1, "z": 2, "w": 3}, 20.52)],
)
def test_pairs_are_drawn_as_often_as_their_probability_says(weights: dict[str, float], critical: float) -> None:
    rng = Random(20_240_501)
    counts = Counter(frozenset((pair.a, pair.b)) for pair in (draw(weights, rng) for _ in range(DRAWS)))
    assert counts.keys() == pairs(weights).keys()
    assert chi_square(counts, pairs(weights)) < critical


def test_a_model_with_weight_0_is_never_drawn() -> None:
    rng = Random(2)
    assert all("none" not in (pair.a, pair.b) for pair in (draw(UNEVEN, rng) for _ in range(10_000)))


def test_each_model_is_on_each_side_as_often_against_every_opponent() -> None:
    rng = Random(3)
    drawn = Counter((pair.a, pair.b) for pair in (draw(UNEVEN, rng) for _ in range(DRAWS)))
    for one, two in combinations([name for name in UNEVEN if UNEVEN[name]], 2):
        left, right = drawn[one, two], drawn[two, one]
        assert (left - right) ** 2 / (left + right) < 10.83, f"{one} meets {two} on one side too often"


# The old arena's rules


def rules_of(**settings: Any) -> Matchmaking:
    """The table [matchmaker] with these settings."""
    return msgspec.convert(settings, Matchmaking)


def models(*names: str, **settings: Any) -> list[Model]:
    return [msgspec.convert({"name": name, "backends": ["x"]} | settings, Model) for name in names]


def old_rule(weights: Mapping[str, float], rules: Matchmaking) -> dict[frozenset[str], float]:
    """Every pair and its probability, spelt out as the old arena drew it; draws that broke down do not count."""
    boosted = {m: w * (5 if m in rules.boosted else 1) for m, w in weights.items()}
    total = sum(boosted.values())
    pairs = defaultdict[frozenset[str], float](float)
    for chosen in weights:
        rivals = {m: old_rival_weight(weights, rules, (chosen, m), total) for m in weights if m != chosen}
        if boosted[chosen] > 0 and sum(rivals.values()) > 0:
            for rival, weight in rivals.items():
                pairs[frozenset((chosen, rival))] += boosted[chosen] / total * weight / sum(rivals.values())
    return {pair: probability / sum(pairs.values()) for pair, probability in pairs.items() if probability > 0}


def old_rival_weight(
    weights: Mapping[str, float], rules: Matchmaking, pair: tuple[str, str], total: float
) -> float:
    chosen, rival = pair
    if chosen in rules.apart and rival in rules.apart:
        return 0
    for one, two in (pair, pair[::-1]):
        patterns = rules.strict_targets.get(one)
        if patterns is not None and not any(re.match(p.replace("*", ".*"), two) for p in patterns):
            return 0
    targets = rules.targets.get(chosen, ())
    return 0.5 * total / len(targets) if weights[rival] != 0 and rival in targets else weights[rival]


NAMES = ("a", "b", "ab", "ba", "c")
some = st.lists(st.sampled_from(NAMES), max_size=4, unique=True)
rules_of_any_kind = st.builds(
    rules_of,
    boosted=some,
    targets=st.dictionaries(st.sampled_from(NAMES), some, max_size=3),
    strict_targets=st.dictionaries(
        st.sampled_from(NAMES), st.lists(st.sampled_from(["a*", "*b", "b", ".", "[bc]"]), max_size=2), max_size=2
    ),
    apart=some,
)
weights_of_names = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from([0.0, 0.1, 1.0, 2.5, 40.0]) for name in NAMES}
)


@given(weights_of_names, rules_of_any_kind, st.integers())
def test_pairs_meet_as_often_as_the_old_arena_had_them_meet(
    weights: dict[str, float], rules: Matchmaking, seed: int
) -> None:
    expected = old_rule(weights, rules)
    assert can_draw(weights, rules) == bool(expected)
    for one, two in combinations(weights, 2):
        found = pair_probability(weights, one, two, rules)
        assert found == pytest.approx(expected.get(frozenset((one, two)), 0))
    if expected:
        pair = draw(weights, Random(seed), rules)
        assert pair.a != pair.b
        assert pair.probability == pytest.approx(expected[frozenset((pair.a, pair.b))])


W = {"a": 4.0, "b": 2.0, "c": 1.0, "d": 1.0}
OLD = [
    pytest.param(W, rules_of(targets={"a": ["b"]}), id="a target"),
    pytest.param(W, rules_of(targets={"a": ["b", "c", "gone"], "c": ["d"]}, boosted=["c", "a"]), id="a boost"),
    pytest.param(W | {"e": 0.0}, rules_of(targets={"a": ["e"]}, apart=["b", "c", "d"]), id="apart"),
    pytest.param(
        {"gpt-4": 4.0, "gpt-3": 2.0, "my-gpt": 1.0, "llama": 1.0},
        rules_of(strict_targets={"llama": ["gpt*", "claude*"]}),
        id="strict",
    ),
    pytest.param(W, rules_of(strict_targets={"a": ["b"], "d": []}, targets={"b": ["c"]}), id="one meets nobody"),
]


def critical(degrees: int) -> float:
    """The value that chi-square exceeds once in ten thousand times (Wilson and Hilferty 1931)."""
    if degrees == 0:
        return 1e-9
    spread = 2 / (9 * degrees)
    return float(degrees * (1 - spread + NormalDist().inv_cdf(0.9999) * spread**0.5) ** 3)


@pytest.mark.parametrize(("weights", "rules"), OLD)
def test_two_hundred_thousand_draws_agree_with_the_old_rule(weights: dict[str, float], rules: Matchmaking) -> None:
    rng = Random(20_250_219)
    drawn = [draw(weights, rng, rules) for _ in range(OLD_DRAWS)]
    counts = Counter(frozenset((pair.a, pair.b)) for pair in drawn)
    expected = old_rule(weights, rules)
    assert counts.keys() == expected.keys()
    assert chi_square(counts, expected) < critical(len(expected) - 1)
    sides = Counter((pair.a, pair.b) for pair in drawn)
    for one, two in map(tuple, expected):
        left, right = sides[one, two], sides[two, one]
        assert (left - right) ** 2 / (left + right) < critical(1), f"{one} meets {two} on one side too often"


def test_the_target_that_was_measured_in_the_old_arena_is_met_half_of_the_time() -> None:
    """Measured there: .501. First a: 4/8 · 4/6; first b: 2/8 · 4/6."""
    assert pair_probability(W, "a", "b", rules_of(targets={"a": ["b"]})) == pytest.approx(0.5)


def test_a_boost_counts_for_the_first_model_alone() -> None:
    found = pair_probability({"x": 1, "y": 1, "z": 1}, "y", "z", rules_of(boosted=["x"]))
    assert found == pytest.approx(1 / 7 * 1 / 2 + 1 / 7 * 1 / 2)


def test_a_target_is_a_matter_of_who_is_drawn_first() -> None:
    there = pair_probability({"x": 8, "y": 1, "z": 1}, "x", "y", rules_of(targets={"x": ["y"]}))
    back = pair_probability({"x": 8, "y": 1, "z": 1}, "x", "y", rules_of(targets={"y": ["x"]}))
    assert there == pytest.approx(0.8 * 5 / 6 + 0.1 * 8 / 9)
    assert back == pytest.approx(0.8 * 1 / 2 + 0.1 * 5 / 6)


@pytest.mark.parametrize(
    ("text", "meets"),
    [
        ("gpt-4", {"gpt-4", "gpt-4o"}),
        ("gpt*mini", {"gpt-mini"}),
        ("*4", {"gpt-4", "gpt-4o"}),
        ("gpt-4$", {"gpt-4"}),
        ("(gpt|llama)-[m3]", {"gpt-mini", "llama-3"}),
        ("GPT", set()),
    ],
)
def test_a_strict_target_fits_the_beginning_of_a_name_as_a_regular_expression(text: str, meets: set[str]) -> None:
    names = ("mine", "gpt-4", "gpt-4o", "gpt-mini", "llama-3")
    rules = rules_of(strict_targets={"mine": [text]})
    weights = dict.fromkeys(names, 1.0)
    assert {name for name in names if pair_probability(weights, "mine", name, rules) > 0} == meets


def test_who_can_meet_nobody_is_not_drawn_and_takes_no_share_of_the_others() -> None:
    rules = rules_of(apart=["x", "y"], strict_targets={"z": ["y"]})
    weights = {"x": 10.0, "y": 1.0, "z": 1.0}
    assert draw(weights, Random(1), rules).probability == pytest.approx(1)
    assert pair_probability(weights, "x", "z", rules) == 0


@pytest.mark.parametrize(
    ("weights", "rules"),
    [
        ({"x": 1.0, "y": 1.0}, rules_of(apart=["x", "y"])),
        ({"x": 1.0, "y": 1.0, "z": 0.0}, rules_of(strict_targets={"x": ["z"]})),
        ({"x": 1.0}, rules_of(targets={"x": ["x"]})),
    ],
)
def test_where_no_two_may_meet_nothing_can_be_drawn(weights: dict[str, float], rules: Matchmaking) -> None:
    assert not can_draw(weights, rules)
    with pytest.raises(ValueError, match="that may meet"):
        draw(weights, Random(1), rules)


# Who can be drawn at all


def test_the_weights_of_the_table_come_before_those_of_the_models() -> None:
    field = models("x", "y", "z", weight=3)
    assert contenders(field) == {"x": 3, "y": 3, "z": 3}
    assert contenders(field, rules_of(weights={"x": 1.5, "y": 0})) == {"x": 1.5, "y": 0, "z": 3}


def test_the_weight_of_others_is_that_of_all_models_the_table_does_not_name() -> None:
    rules = rules_of(weights={"x": 2, "y": 1}, weight_of_others=0)
    assert contenders(models("x", "y", "z"), rules) == {"x": 2, "y": 1, "z": 0}


def test_a_model_in_an_outage_is_not_drawn() -> None:
    weights = contenders(models("x", "y", "z"), rules_of(outages=["y"], weights={"y": 9}))
    assert weights == {"x": 1, "z": 1}
    assert draw(weights, Random(1)).probability == 1


def test_a_model_that_is_not_for_text_is_not_drawn_and_one_for_images_too_is() -> None:
    field = [*models("seer", text=False, vision=True), *models("x", vision=True), *models("y", battle_only=True)]
    assert contenders(field) == {"x": 1, "y": 1}


# The arena's own draw


def router_of(rules: dict[str, Any], down: str = "") -> Router:
    """A router over three models, of which one may be down."""
    names = ("one", "two", "three")
    tables = {
        "providers": [{"name": name, "format": "script"} for name in names],
        "models": [{"name": name, "backends": [name]} for name in names],
        "matchmaker": rules,
    }
    backends = {name: CuedBackend(name) for name in names}
    if down:
        backends[down].become(Status("failed", "is down"))
    return Router(parse(tables, Path("config.toml"), {}), backends, Random(5))


async def test_the_arena_draws_by_the_rules_of_its_configuration() -> None:
    router = router_of({"apart": ["one", "two"], "weights": {"three": 2}, "boosted": ["three"]})
    drawn = [pair for _ in range(100) if (pair := router.draw())]
    assert {frozenset((pair.a, pair.b)) for pair in drawn} == {
        frozenset(("one", "three")),
        frozenset(("two", "three")),
    }
    assert [pair.probability for pair in drawn] == [pytest.approx(0.5)] * 100


@pytest.mark.parametrize("rules", [{"outages": ["two"]}, {"weights": {"two": 0}}, {"apart": ["one", "two"]}])
async def test_no_battle_is_begun_where_those_that_are_up_may_not_meet(rules: dict[str, Any]) -> None:
    router = router_of(rules, down="three")
    assert not router.can_draw
    assert not router.will_draw
    with pytest.raises(Unavailable):
        router.draw()
