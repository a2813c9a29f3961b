"""Odd voters: who is found out, and how seldom an honest voter is."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit

from arena.rating import Tally, fit
from arena.rating.audit import ALPHA, Audit, Habit, Seen, audit, honest_chances
from arena.rating.counts import OUTCOMES, Floats

MODELS = 12
LIFETIME = 150
TRUTH = np.linspace(0.8, -0.8, MODELS)


def chances(a: int, b: int) -> Floats:
    win = float(expit(TRUTH[a] - TRUTH[b]))
    return honest_chances(np.zeros(4), win, np.array([0.15, 0.12]))


TRUE = np.array([[chances(a, b) for b in range(MODELS)] for a in range(MODELS)])
Chooser = Callable[[int, int, Floats, np.random.Generator], int]


def life(choose: Chooser, seed: int, votes: int = LIFETIME) -> Audit:
    """The audit of one voter who chooses so."""
    rng = np.random.default_rng(seed)
    seen = []
    for _ in range(votes):
        a, b = (int(m) for m in rng.choice(MODELS, 2, replace=False))
        honest = chances(a, b)
        seen.append(Seen(a, b, choose(a, b, honest, rng), honest))
    return audit(seen, MODELS)


def honestly(a: int, b: int, honest: Floats, rng: np.random.Generator) -> int:
    return int(rng.choice(4, p=honest))


def test_an_honest_voter_is_flagged_in_at_most_one_life_of_twenty() -> None:
    flagged = sum(life(honestly, seed).is_odd for seed in range(300))
    assert flagged <= ALPHA * 300


def test_honest_voters_may_call_a_tie_more_or_less_readily_than_others() -> None:
    """As the people of a real crowd do: the log-odds of a tie had a standard deviation of 0.7."""

    def one(seed: int) -> Chooser:
        own = np.append([1, 1], np.exp(np.random.default_rng(seed).normal(0, 0.7, 2)))
        return lambda a, b, honest, rng: int(rng.choice(4, p=honest * own / (honest * own).sum()))

    assert sum(life(one(seed), seed).is_odd for seed in range(300)) <= ALPHA * 300


@pytest.mark.parametrize("board", [300, 3000])
def test_an_honest_voter_is_seldom_flagged_where_the_chances_are_estimated_from_few_votes(board: int) -> None:
    flagged = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        counts, mine = np.zeros((MODELS, MODELS, 4)), []
        for number in range(board):
            a, b = (int(m) for m in rng.choice(MODELS, 2, replace=False))
            outcome = honestly(a, b, TRUE[a, b], rng)
            counts[a, b, outcome] += 1
            if number < LIFETIME:
                mine.append((a, b, outcome))
        tally = Tally.of(counts)
        win, shares = fit(tally).chances(), counts.sum(axis=(0, 1))[2:] / board
        ended = np.stack([tally.ended(outcome) for outcome in OUTCOMES], axis=2)
        seen = [Seen(a, b, o, honest_chances(ended[a, b], float(win[a, b]), shares)) for a, b, o in mine]
        flagged += audit(seen, MODELS).is_odd
    assert flagged <= ALPHA * 100


def test_many_votes_at_once_are_seen_as_one_after_the_other() -> None:
    rng = np.random.default_rng(1)
    votes = [Seen(a, (a + 1) % MODELS, int(rng.integers(4)), chances(a, (a + 1) % MODELS)) for a in range(10)] * 60
    slowly = Audit(MODELS)
    evidence = [float(slowly.see(vote)[0]) for vote in votes]
    found = audit(votes, MODELS)
    assert found.peak == pytest.approx(max(1.0, *evidence))
    assert found.evidence == pytest.approx(evidence[-1])
    assert found.likeliest == slowly.likeliest


def test_a_long_life_of_one_button_is_no_number_too_large() -> None:
    found = audit([Seen(0, 1, 2, chances(0, 1))] * 5000, MODELS)
    assert np.isfinite(found.peak)
    assert found.likeliest == ("tie", None)


@pytest.mark.parametrize(
    ("habit", "choose"),
    [
        ("uniform", lambda a, b, honest, rng: int(rng.integers(4))),
        ("coin", lambda a, b, honest, rng: int(rng.integers(2))),
        ("a", lambda a, b, honest, rng: 0),
        ("b", lambda a, b, honest, rng: 1),
        ("tie", lambda a, b, honest, rng: 2),
        ("both_bad", lambda a, b, honest, rng: 3),
        ("against", lambda a, b, honest, rng: 0 if honest[0] < honest[1] else 1),
    ],
)
def test_a_habit_is_found_and_named(habit: Habit, choose: Chooser) -> None:
    lives = [life(choose, seed, votes=500) for seed in range(20)]
    assert sum(found.is_odd for found in lives) >= 18
    assert all(found.likeliest[0] == habit for found in lives if found.is_odd)


def test_one_who_pushes_a_model_and_is_honest_elsewhere_is_found_with_the_model() -> None:
    def push(a: int, b: int, honest: Floats, rng: np.random.Generator) -> int:
        return honestly(a, b, honest, rng) if 7 not in (a, b) else (0 if a == 7 else 1)

    lives = [life(push, seed) for seed in range(20)]
    odd = [found for found in lives if found.is_odd]
    assert len(odd) >= 15
    assert {found.likeliest for found in odd} == {("pushes", 7)}


def test_a_single_vote_is_never_enough() -> None:
    assert not life(lambda a, b, honest, rng: 3, seed=1, votes=1).is_odd


def test_evidence_that_was_once_enough_is_not_forgotten() -> None:
    found = Audit(MODELS)
    for _ in range(20):
        found.see(Seen(0, 1, 2, chances(0, 1)))
    assert found.is_odd
    for _ in range(200):
        found.see(Seen(0, 1, 0, chances(0, 1)))
    assert found.is_odd


def test_chances_follow_the_board_until_a_pair_has_votes_of_its_own() -> None:
    fresh = honest_chances(np.zeros(4), 0.7, np.array([0.1, 0.1]))
    assert fresh.sum() == pytest.approx(1)
    assert fresh[0] + (fresh[2] + fresh[3]) / 2 == pytest.approx(0.7, abs=0.01)
    own = honest_chances(np.array([100.0, 800.0, 50.0, 50.0]), 0.7, np.array([0.1, 0.1]))
    assert own[1] == pytest.approx(0.8, abs=0.03)
