"""Who meets whom: the draw, and the probability that is stored with it."""

from collections import Counter
from itertools import combinations
from math import comb, isclose
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.matchmaker import can_draw, draw, pair_probability

DRAWS = 100_000
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
