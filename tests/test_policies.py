"""Who meets whom by what is known of the votes so far: each policy's draw, and the probability stored with it."""

import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arena.config import Config, Matchmaking, parse
from arena.errors import ConfigError, StoreError
from arena.matchmaker import Matchmaker, can_draw, draw, pair_probability
from arena.matchmaker.balanced import Games
from arena.matchmaker.informative import measure
from arena.matchmaker.lottery import Knowledge, Lottery, Mixture, Weighted
from arena.rating import Tally, fit
from tests.house import open_house
from tests.test_matchmaker import chi_square, critical, rules_of, rules_of_any_kind, weights_of_names

NAMES = ("a", "b", "ab", "ba", "c")
Votes = NDArray[np.int64]
POLICIES = ("balanced", "informative")


@dataclass
class Counts:
    """Counted votes, as the ballot box hands them out."""

    names: Sequence[str]
    votes: Votes = field(default_factory=lambda: np.zeros((0, 0, 4), np.int64))

    @classmethod
    def even(cls, names: Sequence[str], each: int) -> "Counts":
        """Every pair has met as often, each side winning half."""
        votes = np.zeros((len(names), len(names), 4), np.int64)
        votes[:, :, :2] = each
        votes[np.arange(len(names)), np.arange(len(names))] = 0
        return cls(names, votes)


def known(policy: str, counts: Counts, names: Sequence[str], rules: Matchmaking = Matchmaking()) -> Knowledge:  # noqa: B008
    """What the policy knows after these votes."""
    if policy == "informative":
        return measure(counts.names, counts.votes, rules, names)
    return Games(dict(zip(counts.names, Tally.of(counts.votes).games.sum(axis=1), strict=True)))


def pairs(lottery: Lottery, names: Sequence[str]) -> dict[frozenset[str], float]:
    """Every pair that can be drawn, with its probability."""
    found = {frozenset(pair): lottery.probability(*pair) for pair in combinations(names, 2)}
    return {pair: probability for pair, probability in found.items() if probability > 0}


counts_of_names = st.lists(st.integers(0, 40), min_size=64, max_size=64).map(
    lambda cells: Counts(("a", "ab", "b", "gone"), off_diagonal(np.array(cells).reshape(4, 4, 4)))
)


def off_diagonal(votes: Votes) -> Votes:
    votes[np.arange(len(votes)), np.arange(len(votes))] = 0
    return votes


# Every policy


@pytest.mark.parametrize("policy", POLICIES)
@given(weights_of_names, rules_of_any_kind, counts_of_names, st.sampled_from([0.01, 0.1, 0.7, 1.0]), st.integers())
@settings(max_examples=60, deadline=None)
def test_every_allowed_pair_keeps_its_floor_and_all_of_them_sum_to_one(
    policy: str, weights: dict[str, float], rules: Matchmaking, counts: Counts, floor: float, seed: int
) -> None:
    chosen = known(policy, counts, NAMES, rules).lottery(weights, rules)  # some of them may be down
    assert (chosen is not None) == can_draw(weights, rules)
    if chosen is None:
        return
    mixture = Mixture(floor, Weighted(weights, rules), chosen)
    by_weight = pairs(Weighted(weights, rules), list(weights))
    found = pairs(mixture, list(weights))
    assert sum(found.values()) == pytest.approx(1)
    assert found.keys() == by_weight.keys(), "the policy may draw all that may meet, and nobody else"
    assert all(found[pair] >= floor * by_weight[pair] * (1 - 1e-9) for pair in found)
    drawn = mixture.draw(Random(seed))
    assert drawn.probability == pytest.approx(found[frozenset((drawn.a, drawn.b))])


@pytest.mark.parametrize("policy", POLICIES)
def test_pairs_are_drawn_as_often_as_is_stored(policy: str) -> None:
    names = ["a", "b", "c", "d", "new"]
    counts = Counts.even(names[:4], 30)
    rules = rules_of(apart=["a", "b"], boosted=["c"], targets={"c": ["d"]})
    weights = {"a": 1.0, "b": 2.0, "c": 1.0, "d": 0.5, "new": 1.0}
    lottery = known(policy, counts, names, rules).lottery(weights, rules)
    assert lottery is not None
    mixture, rng = Mixture(0.2, Weighted(weights, rules), lottery), Random(20_261_123)
    drawn = [mixture.draw(rng) for _ in range(50_000)]
    expected = pairs(mixture, names)
    seen = Counter(frozenset((pair.a, pair.b)) for pair in drawn)
    assert seen.keys() == expected.keys()
    assert chi_square(seen, expected) < critical(len(expected) - 1)
    sides = Counter((pair.a, pair.b) for pair in drawn)
    for one, two in map(tuple, expected):
        left, right = sides[one, two], sides[two, one]
        assert (left - right) ** 2 / (left + right) < critical(1), f"{one} meets {two} on one side too often"


@pytest.mark.parametrize("policy", POLICIES)
def test_a_newcomer_is_preferred_until_it_is_known_like_the_others(policy: str) -> None:
    old = [f"m{number}" for number in range(10)]
    names = [*old, "new"]
    weights = dict.fromkeys(names, 1.0)

    def share(counts: Counts) -> float:
        lottery = known(policy, counts, names).lottery(weights, Matchmaking())
        assert lottery is not None
        return sum(lottery.probability(name, "new") for name in old)

    first, later = share(Counts.even(old, 20)), share(Counts.even(names, 20))
    assert first > 0.9
    assert later == pytest.approx(2 / 11)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "rules",
    [{"apart": ["a", "b"]}, {"strict_targets": {"a": ["b", "d"]}}, {"strict_targets": {"d": ["a", "c"]}}],
)
def test_without_any_votes_all_pairs_that_may_meet_are_alike(policy: str, rules: dict[str, Any]) -> None:
    lottery = known(policy, Counts(()), "abcd", rules_of(**rules)).lottery(
        dict.fromkeys("abcd", 1.0), rules_of(**rules)
    )
    assert lottery is not None
    found = pairs(lottery, "abcd")
    assert len(found) == 5
    if policy == "informative":
        assert list(found.values()) == pytest.approx([1 / 5] * 5)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_burst_of_draws_spreads_before_any_vote_is_counted(policy: str) -> None:
    """A hundred battles are begun at once: the newcomer is in fewer and fewer of them."""
    old = [f"m{number}" for number in range(10)]
    weights = dict.fromkeys([*old, "new"], 1.0)
    knowledge, rng = known(policy, Counts.even(old, 2), [*old, "new"]), Random(4)
    seen = []
    for _ in range(100):
        lottery = knowledge.lottery(weights, Matchmaking())
        assert lottery is not None
        pair = lottery.draw(rng)
        knowledge.expect(pair.a, pair.b)
        seen.append("new" in (pair.a, pair.b))
    assert sum(seen[:20]) > 12
    assert sum(seen[80:]) < 12


@pytest.mark.parametrize("policy", POLICIES)
def test_a_model_of_half_the_weight_gets_fewer_battles(policy: str) -> None:
    knowledge = known(policy, Counts.even("abcd", 50), "abcd")
    lottery = knowledge.lottery({"a": 0.5, "b": 1, "c": 1, "d": 1}, Matchmaking())
    assert lottery is not None
    assert lottery.probability("a", "b") < 0.6 * lottery.probability("b", "c")


# Balanced


def test_a_tiny_weight_is_no_number_too_large() -> None:
    lottery = Games({"a": 10**9, "b": 3}).lottery({"a": 1e-300, "b": 1e-200, "c": 1.0, "d": 1e6}, Matchmaking())
    assert lottery is not None
    assert sum(pairs(lottery, "abcd").values()) == pytest.approx(1)


def test_battles_come_to_be_as_the_weights_are() -> None:
    weights, rng = {"a": 1.0, "b": 1.0, "c": 2.0, "d": 1.0, "e": 1.0}, Random(1)
    games = Games({"a": 90, "b": 20})
    total = Counter({"a": 90, "b": 20})
    for _ in range(3000):
        lottery = games.lottery(weights, Matchmaking())
        assert lottery is not None
        pair = lottery.draw(rng)
        games.expect(pair.a, pair.b)
        total.update((pair.a, pair.b))
    assert [total[name] / weights[name] for name in "abcde"] == pytest.approx([6110 / 6] * 5, rel=0.06)


# Informative


def unsure(seed: int) -> tuple[list[str], Votes]:
    """Six models that have met unequally often."""
    rng = np.random.default_rng(seed)
    votes = off_diagonal(rng.integers(1, 2 + rng.integers(1, 40, (6, 6, 1)), (6, 6, 4)))
    return list("abcdef"), votes


@pytest.mark.parametrize("seed", range(5))
def test_the_gain_of_a_pair_is_what_a_vote_takes_off_the_sum_of_variances(seed: int) -> None:
    names, votes = unsure(seed)
    gains = measure(names, votes, Matchmaking(), names).gains()
    for i, j in combinations(range(6), 2):
        before, after = (
            measure(names, votes, Matchmaking(), names, pairs) for pairs in ([], [(names[i], names[j])])
        )
        assert gains[i, j] == pytest.approx(np.trace(before.spread) - np.trace(after.spread))


def test_a_battle_under_way_counts_alike_before_and_after_the_votes_are_counted() -> None:
    names, votes = unsure(7)
    there, later = (measure(names, votes, Matchmaking(), names) for _ in range(2))
    for pair in (("a", "b"), ("c", "a"), ("a", "b")):
        there.expect(*pair)
    later = measure(names, votes, Matchmaking(), names, [("a", "b"), ("c", "a"), ("a", "b")])
    assert there.spread == pytest.approx(later.spread)
    assert there.gains() == pytest.approx(later.gains())
    there.expect("a", "gone")
    assert there.spread == pytest.approx(later.spread)


def test_the_uncertainty_is_that_of_the_board() -> None:
    names, votes = unsure(3)
    assert measure(names, votes, Matchmaking(), names).spread == pytest.approx(fit(Tally.of(votes)).covariance)


def test_models_that_are_drawn_no_longer_help_to_place_the_others() -> None:
    votes = np.zeros((3, 3, 4), np.int64)
    votes[0, 2, :2] = votes[1, 2, :2] = 50
    known = measure(("a", "b", "gone"), votes, Matchmaking(), ("a", "b"))
    assert known.spread.shape == (2, 2)
    assert known.gains()[0, 1] < 0.05 * measure((), votes[:0, :0], Matchmaking(), ("a", "b")).gains()[0, 1]


# The arena's own matchmaker


def config_of(**rules: Any) -> Config:
    """Three models and these rules."""
    names = ("one", "two", "three")
    tables = {
        "providers": [{"name": "x", "format": "script"}],
        "models": [{"name": name, "backends": ["x"]} for name in names],
        "matchmaker": rules,
    }
    return parse(tables, Path("config.toml"), {})


WEIGHTS = {"one": 1.0, "two": 2.0, "three": 3.0}


class Box:
    """Answers with these counts, or fails, and knows how often it was asked."""

    def __init__(self, counts: Counts | None) -> None:
        self.counts, self.asked = counts, 0
        self.answered = asyncio.Event()

    async def tally(self) -> Counts:
        self.asked += 1
        self.answered.set()
        if self.counts is None:
            raise StoreError("the disk is gone")
        return self.counts


async def settled(matchmaker: Matchmaker) -> None:
    """What it was about to learn is learnt."""
    assert matchmaker._refresh is not None
    await matchmaker._refresh


async def test_by_weight_nothing_is_asked_and_nothing_changes() -> None:
    box = Box(Counts.even(list(WEIGHTS), 5))
    matchmaker = Matchmaker(config_of(), box.tally)
    await matchmaker.start()
    drawn = [matchmaker.draw(WEIGHTS, rng) for rng in [Random(9)] for _ in range(50)]
    assert drawn == [draw(WEIGHTS, rng) for rng in [Random(9)] for _ in range(50)]
    assert box.asked == 0
    await matchmaker.close()


@pytest.mark.parametrize("policy", POLICIES)
async def test_until_votes_are_counted_pairs_are_drawn_by_weight(policy: str) -> None:
    box = Box(Counts.even(["one", "two"], 500))
    matchmaker = Matchmaker(config_of(policy=policy), box.tally)
    await matchmaker.start()
    pair = matchmaker.draw(WEIGHTS, Random(1))
    assert pair.probability == pair_probability(WEIGHTS, pair.a, pair.b)
    await settled(matchmaker)
    even = dict.fromkeys(WEIGHTS, 1.0)
    drawn = [matchmaker.draw(even, rng) for rng in [Random(1)] for _ in range(30)]
    assert sum("three" in (pair.a, pair.b) for pair in drawn) > 24
    assert box.asked == 1, "asked again within seconds"
    await matchmaker.close()


@pytest.mark.parametrize("policy", POLICIES)
async def test_what_is_drawn_while_votes_are_counted_is_not_forgotten(policy: str) -> None:
    matchmaker = Matchmaker(config_of(policy=policy), Box(Counts(())).tally)
    even = dict.fromkeys(WEIGHTS, 1.0)
    await matchmaker.start()
    seen = Counter(name for _ in range(60) for name in two(matchmaker.draw({"one": 1.0, "two": 1.0}, Random(3))))
    assert seen == {"one": 60, "two": 60}
    await settled(matchmaker)
    pair = matchmaker.draw(even, Random(2))
    assert "three" in two(pair)
    await matchmaker.close()


def two(pair: Any) -> tuple[str, str]:
    return pair.a, pair.b


@dataclass
class Watched:
    """No votes, and the threads in which somebody asked for them."""

    names: Sequence[str] = ()
    threads: set[int] = field(default_factory=set)

    @property
    def votes(self) -> Votes:
        self.threads.add(threading.get_ident())
        return np.zeros((0, 0, 4), np.int64)

    async def tally(self) -> "Watched":
        return self


@pytest.mark.parametrize("policy", POLICIES)
async def test_what_takes_long_with_many_models_is_done_in_another_thread(policy: str) -> None:
    watched = Watched()
    matchmaker = Matchmaker(config_of(policy=policy), watched.tally)
    await matchmaker.start()
    await settled(matchmaker)
    assert watched.threads
    assert threading.get_ident() not in watched.threads
    await matchmaker.close()


async def test_a_store_that_fails_stops_no_battle(caplog: pytest.LogCaptureFixture) -> None:
    matchmaker = Matchmaker(config_of(policy="informative"), Box(None).tally)
    await matchmaker.start()
    await settled(matchmaker)
    pair = matchmaker.draw(WEIGHTS, Random(1))
    assert pair.probability == pair_probability(WEIGHTS, pair.a, pair.b)
    assert "goes on by the last count" in caplog.text
    await matchmaker.close()
    await matchmaker.close()


async def test_closing_waits_for_no_count() -> None:
    asked: Callable[[], Awaitable[Counts]] = asyncio.Event().wait  # type: ignore[assignment]
    matchmaker = Matchmaker(config_of(policy="balanced"), asked)
    await matchmaker.start()
    await asyncio.wait_for(matchmaker.close(), 5)
    matchmaker.draw(WEIGHTS, Random(1))


@pytest.mark.parametrize(
    "rules", [{"floor": 0}, {"floor": 1.1}, {"floor": float("nan")}, {"policy": "fair"}, {"policy": ""}]
)
def test_a_policy_that_is_none_and_a_floor_that_is_none_are_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"matchmaker\.(floor|policy)"):
        config_of(**rules)


async def test_a_battle_is_stored_with_the_probability_of_its_pair_under_the_policy(tmp_path: Path) -> None:
    """Without votes all gains are alike, and a pair's share is the product of its weights."""
    names = ("one", "two", "three")
    tables: dict[str, Any] = {
        "providers": [{"name": name, "format": "script"} for name in names],
        "models": [{"name": name, "backends": [name], "weight": WEIGHTS[name]} for name in names],
        "matchmaker": {"policy": "informative", "floor": 0.25},
    }
    async with open_house(tmp_path, **tables) as house, house.visitor() as visitor:
        await settled(house.context.router._matchmaker)
        await visitor.starts()
        ((a, b, probability),) = await house.sql("SELECT model_a, model_b, pair_probability FROM conversations")
    product = WEIGHTS[a] * WEIGHTS[b] / (1 * 2 + 1 * 3 + 2 * 3)
    assert probability == pytest.approx(0.25 * pair_probability(WEIGHTS, a, b) + 0.75 * product)


async def test_numbers_are_not_loaded_before_somebody_needs_them() -> None:
    code = "import arena.app, sys; sys.exit('numpy' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await process.wait() == 0
