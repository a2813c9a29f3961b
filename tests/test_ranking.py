"""The simulations of `benchmarks.ranking`, smaller. Their tables are in benchmarks/README.md."""

import numpy as np
import pytest

from arena.matchmaker.balanced import PULL
from benchmarks import policies
from benchmarks.certainty import BOARDS, LIFETIMES, covered, told_apart

LIVES = range(6)


def test_a_newcomer_of_200_votes_among_a_million_is_within_its_interval_as_often_as_the_others() -> None:
    """1,000 boards: two standard errors of the newcomer's share are 1.4 %. A ridge as inverse would give 89 %."""
    models, votes, few = BOARDS[1]
    assert (votes, few) == (1_000_000, 200)
    established, newcomer, by_information, *_ = covered(models, votes, few, repetitions=1000)
    assert 0.94 <= established <= 0.96
    assert 0.94 <= newcomer <= 0.96
    assert by_information > 0.97, "half ties make the inverse of the information too wide"


def test_a_board_watched_at_every_look_parts_two_identical_models_in_at_most_one_life_of_twenty() -> None:
    _, judge, looks = LIFETIMES[0]
    assert len(looks) == 100
    (fixed, _, anytime), at_the_last_look, _ = told_apart(judge, looks, lifetimes=100)
    assert fixed > 0.25, "a fixed test is fooled in a third of lives"
    assert at_the_last_look[0] < 0.12, "but seldom at a single look"
    assert anytime <= 0.05


@pytest.fixture(scope="module")
def even() -> float:
    """The half-width that even draws give a newcomer after 3,000 votes."""
    return float(np.mean([policies.live(policies.by_weight, seed).newcomer[-1] for seed in LIVES]))


@pytest.mark.parametrize(
    ("learn", "times"),
    [
        pytest.param(policies.by_models(PULL), 2.5, id="balanced"),
        pytest.param(policies.by_a_optimal, 2.3, id="informative"),  # 2.5 on 20 boards, 2.6 on 60; few are noisy
    ],
)
def test_a_newcomer_is_known_as_well_as_by_even_draws_with_fewer_votes(
    even: float, learn: policies.Learn, times: float
) -> None:
    newcomer = np.mean([policies.live(learn, seed).newcomer for seed in LIVES], axis=0)
    assert 0 < policies.until(newcomer, even) <= (policies.ENDS - policies.ENTERS) / times
