"""Votes -> standings, against numbers that nobody here made, closed forms, and boards whose truth is known."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import choix
import evalica
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit

from arena.rating import (
    OUTCOMES,
    POINTS,
    Tally,
    anytime_ranks,
    bootstrap,
    by_voter,
    fit,
    no_surer,
    ranks,
    sandwich,
    swap,
)
from arena.rating.counts import Floats
from arena.rating.ranks import RankSet, anytime_radius
from arena.rating.spread import Z95, scatter
from arena.rating.style import Contests, fit_style

DATA = Path(__file__).parent / "data"


def tally(size: int, *cells: tuple[int, int, str, float]) -> Tally:
    """Votes as (model on side a, model on side b, outcome, how many)."""
    counts = np.zeros((size, size, len(OUTCOMES)))
    for a, b, outcome, votes in cells:
        counts[a, b, OUTCOMES.index(outcome)] += votes
    return Tally.of(counts)


def places(cells: NDArray[np.int64], models: int) -> NDArray[np.int64]:
    """Where votes with these models and outcomes, shape (N, 3), are in the flattened counts."""
    return np.asarray(np.ravel_multi_index(tuple(cells.T), (models, models, len(OUTCOMES))))


@dataclass(frozen=True)
class Crowd:
    """Real votes, and what another package makes of them."""

    tally: Tally
    scores: Floats
    voter: NDArray[np.int64]
    places: NDArray[np.int64]
    votes: Floats


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    with (DATA / "llmfao-models.csv").open() as file:
        scores = np.array([float(row["bradley_terry"]) for row in csv.DictReader(file)])
    with (DATA / "llmfao-votes.csv").open() as file:
        rows = [
            (int(row["voter"]), int(row["a"]), int(row["b"]), OUTCOMES.index(row["outcome"]), int(row["votes"]))
            for row in csv.DictReader(file)
        ]
    table = np.array(rows)
    counts = np.zeros((len(scores), len(scores), len(OUTCOMES)))
    np.add.at(counts, tuple(table[:, 1:4].T), table[:, 4])
    where = places(table[:, 1:4], len(scores))
    return Crowd(Tally.of(counts), scores, table[:, 0], where, table[:, 4].astype(float))


# Against other packages and closed forms


def test_real_votes_give_the_strengths_of_another_package(crowd: Crowd) -> None:
    assert crowd.tally.weight.sum() == 8931
    golden = np.log(crowd.scores)
    assert np.abs(fit(crowd.tally).strengths - (golden - golden.mean())).max() < 1e-9


@pytest.mark.parametrize(("size", "each", "seed"), [(3, 1, 1), (12, 4, 2), (40, 2, 3), (60, 30, 4)])
def test_random_boards_get_the_ratings_of_another_package(size: int, each: int, seed: int) -> None:
    """Luce spectral ranking, iterated to its end (Maystre and Grossglauser 2015): another way to the maximum."""
    rng = np.random.default_rng(seed)
    votes = board(rng.poisson(each, (size, size, 4)).astype(float))
    theirs = choix.ilsr_pairwise_dense(votes.points, max_iter=10_000, tol=1e-12)
    assert np.abs(POINTS * (fit(votes).strengths - (theirs - theirs.mean()))).max() < 1e-4


@pytest.mark.parametrize(("size", "each", "seed"), [(3, 1, 5), (12, 4, 6), (40, 2, 7)])
def test_random_boards_get_the_ratings_of_a_third_package(size: int, each: int, seed: int) -> None:
    """Newman's iteration (2023), which wants more steps than it takes by itself."""
    rng = np.random.default_rng(seed)
    votes = board(rng.poisson(each, (size, size, 4)).astype(float))
    a, b, outcome = np.nonzero(votes.weight)
    kinds = (evalica.Winner.X, evalica.Winner.Y, evalica.Winner.Draw, evalica.Winner.Draw)
    found = evalica.bradley_terry(
        a.tolist(),
        b.tolist(),
        [kinds[number] for number in outcome],
        weights=votes.weight[a, b, outcome].tolist(),
        tolerance=1e-13,
        limit=100_000,
    )
    theirs = np.log(found.scores.sort_index().to_numpy())
    assert np.abs(POINTS * (fit(votes).strengths - (theirs - theirs.mean()))).max() < 1e-4


def test_real_voters_make_intervals_wider(crowd: Crowd) -> None:
    """The median and the largest ratio that were measured on these votes elsewhere: 1.11 and 3.84."""
    found = fit(crowd.tally)
    alone, together = sandwich(crowd.tally, found), by_voter(found, crowd.voter, crowd.places, crowd.votes)
    wider = np.sqrt(np.diag(together) / np.diag(alone))
    assert np.median(wider) == pytest.approx(1.115, abs=0.01)
    assert wider.max() == pytest.approx(3.85, abs=0.03)


def test_votes_drawn_anew_agree_with_the_sandwich(crowd: Crowd) -> None:
    found = fit(crowd.tally)
    drawn = bootstrap(crowd.tally, found, rounds=200, seed=7).std(axis=0)
    assert np.median(drawn / np.sqrt(np.diag(sandwich(crowd.tally, found)))) == pytest.approx(1, abs=0.03)


def test_a_sample_without_a_model_s_only_defeat_has_strengths_all_the_same() -> None:
    votes = tally(3, (0, 1, "a", 30), (0, 1, "b", 1), (1, 2, "a", 20), (1, 2, "b", 20))
    found = fit(votes)
    drawn = bootstrap(votes, found, rounds=50, seed=1)
    assert not found.has_prior
    assert np.isfinite(drawn).all()
    assert drawn[:, 0].max() < 10  # log-odds


def test_seventy_to_twenty_with_ten_ties_are_190_85_points() -> None:
    strengths = fit(tally(2, (0, 1, "a", 70), (0, 1, "b", 20), (1, 0, "tie", 10))).strengths
    assert POINTS * (strengths[0] - strengths[1]) == pytest.approx(400 * np.log10(0.75 / 0.25), abs=1e-9)


def test_both_bad_counts_as_a_tie_does() -> None:
    one = fit(tally(2, (0, 1, "a", 3), (0, 1, "b", 1), (0, 1, "tie", 2)))
    other = fit(tally(2, (0, 1, "a", 3), (0, 1, "b", 1), (0, 1, "both_bad", 2)))
    assert one.strengths == pytest.approx(other.strengths)


def test_the_interval_of_two_models_is_that_of_a_share_of_votes() -> None:
    """Without ties a difference is the log-odds of a share p of n votes, with variance 1 / (n p (1 - p))."""
    votes = tally(2, (0, 1, "a", 60), (1, 0, "a", 40))
    spread = sandwich(votes, fit(votes))
    assert spread[0, 0] + spread[1, 1] - 2 * spread[0, 1] == pytest.approx(1 / (100 * 0.6 * 0.4))


# Where no vote fixes a place


def test_a_model_that_never_lost_is_named_and_kept_finite() -> None:
    found = fit(tally(3, (0, 1, "a", 5), (1, 0, "a", 4), (2, 0, "a", 3), (2, 1, "a", 3)))
    assert found.loose == {2: "undefeated"}
    assert found.strengths.argmax() == 2
    assert np.abs(found.strengths).max() * POINTS < 1000


def test_each_way_of_being_loose_is_told_apart() -> None:
    main = ((0, 1, "a", 5), (0, 1, "b", 5), (1, 2, "tie", 5))
    assert fit(tally(4, *main, (3, 0, "b", 2))).loose == {3: "winless"}
    assert fit(tally(4, *main)).loose == {3: "unmet"}
    between = (*main, (0, 3, "a", 2), (3, 4, "a", 2))
    assert fit(tally(5, *between)).loose == {3: "between", 4: "winless"}


def test_the_prior_hardly_moves_those_whose_votes_suffice() -> None:
    votes = [(0, 1, "a", 500), (0, 1, "b", 400), (1, 2, "a", 450), (1, 2, "b", 350), (0, 2, "tie", 300)]
    alone = fit(tally(3, *votes)).strengths
    beside = fit(tally(4, *votes, (3, 0, "a", 3))).strengths
    assert POINTS * np.ptp((beside[:3] - beside[0]) - (alone - alone[0])) < 2


def test_no_votes_at_all_are_a_board_of_equals() -> None:
    assert fit(tally(0)).strengths.shape == (0,)
    assert fit(tally(1)).strengths == pytest.approx([0])
    assert fit(tally(2)).strengths == pytest.approx([0, 0])


# What must not matter

SMALL = st.integers(2, 6).flatmap(
    lambda size: st.lists(st.integers(0, 30), min_size=size * size * 4, max_size=size * size * 4).map(
        lambda cells: board(np.array(cells, dtype=float).reshape(size, size, 4))
    )
)


def board(counts: Floats) -> Tally:
    """Counts without a model against itself, in which everyone has lost and won a point."""
    counts = counts + np.array([1, 1, 0, 0])
    counts[np.arange(len(counts)), np.arange(len(counts))] = 0
    return Tally.of(counts)


@given(SMALL, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_models_does_not_matter(votes: Tally, luck: Random) -> None:
    order = list(range(votes.size))
    luck.shuffle(order)
    shuffled = Tally.of(votes.weight[np.ix_(order, order)])
    assert fit(shuffled).strengths == pytest.approx(fit(votes).strengths[order], abs=1e-9)


@given(SMALL)
@settings(max_examples=60, deadline=None)
def test_sides_do_not_matter(votes: Tally) -> None:
    turned = Tally.of(votes.weight.transpose(1, 0, 2)[:, :, [1, 0, 2, 3]])
    assert fit(turned).strengths == pytest.approx(fit(votes).strengths, abs=1e-9)
    assert sandwich(turned, fit(turned)) == pytest.approx(sandwich(votes, fit(votes)), abs=1e-9)


@given(SMALL, st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_a_symmetric_pair_of_votes_between_equals_leaves_all_ratings_alone(votes: Tally, times: int) -> None:
    order = [1, 0, *range(2, votes.size)]
    alike = votes.weight + votes.weight[np.ix_(order, order)]  # the first two models have fared alike
    more = alike.copy()
    more[0, 1, :2] += times
    assert fit(Tally.of(more)).strengths == pytest.approx(fit(Tally.of(alike)).strengths, abs=1e-9)


@given(SMALL, st.integers(0, 5), st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_a_newcomer_with_a_symmetric_pair_of_votes_stands_beside_its_rival_and_moves_nobody(
    votes: Tally, rival: int, times: int
) -> None:
    size, rival = votes.size, rival % votes.size
    counts = np.zeros((size + 1, size + 1, 4))
    counts[:size, :size] = votes.weight
    counts[size, rival, 0] = counts[rival, size, 0] = times
    before, after = fit(votes).strengths, fit(Tally.of(counts)).strengths
    assert after[size] == pytest.approx(after[rival], abs=1e-9)
    assert after[:size] - after[size] == pytest.approx(before - before[rival], abs=1e-8)


@given(SMALL)
@settings(max_examples=60, deadline=None)
def test_every_vote_twice_is_the_same_board_with_half_the_variance(votes: Tally) -> None:
    twice = Tally.of(votes.weight * 2)
    assert fit(twice).strengths == pytest.approx(fit(votes).strengths, abs=1e-9)
    assert sandwich(twice, fit(twice)) * 2 == pytest.approx(sandwich(votes, fit(votes)), abs=1e-9)


@given(SMALL)
@settings(max_examples=60, deadline=None)
def test_what_a_model_is_expected_to_take_is_what_it_took(votes: Tally) -> None:
    """The equation that the maximum solves."""
    expected = (votes.games * fit(votes).chances()).sum(axis=1)
    assert expected == pytest.approx(votes.points.sum(axis=1), abs=1e-6)


@given(SMALL)
@settings(max_examples=40, deadline=None)
def test_weights_of_one_are_plain_counts_and_a_common_weight_changes_nothing(votes: Tally) -> None:
    heavier = Tally(votes.weight * 3, votes.weight * 9)
    assert fit(heavier).strengths == pytest.approx(fit(votes).strengths, abs=1e-9)
    assert sandwich(heavier, fit(heavier)) == pytest.approx(sandwich(votes, fit(votes)), abs=1e-9)


# Boards whose truth is known


def play(truth: Floats, games: NDArray[np.int64], rng: np.random.Generator, ties: float = 0.3) -> Tally:
    """Votes of `games[i, j]` battles with i on side a; a share `ties` are even where the models are."""
    apart = truth[:, None] - truth[None, :]
    win = expit(apart)
    even = 2 * ties * np.minimum(win, 1 - win)
    chances = np.stack([win - even / 2, 1 - win - even / 2, even / 2, even / 2], axis=2)
    return Tally.of(rng.multinomial(games, chances))


def meetings(size: int, each: int) -> NDArray[np.int64]:
    games = np.full((size, size), each)
    np.fill_diagonal(games, 0)
    return games


def test_ninety_five_per_cent_intervals_hold_the_truth_so_often_also_for_a_newcomer() -> None:
    """12 models with 26,400 votes between them, one with 200: 300 boards; two standard errors of 95 % are 2.5."""
    rng = np.random.default_rng(11)
    truth = np.append(rng.normal(0, 0.55, 12), 0.3)
    truth -= truth.mean()
    games = meetings(13, 200)
    games[12, :] = games[:, 12] = 0
    games[12, :12] = rng.multinomial(200, np.full(12, 1 / 12))
    held = []
    for _ in range(300):
        votes = play(truth, games, rng)
        found = fit(votes)
        off = np.abs(found.strengths - truth)
        held.append(off <= Z95 * np.sqrt(np.diag(sandwich(votes, found))))
    coverage = np.mean(held, axis=0)
    assert 0.93 < coverage[:12].mean() < 0.97
    assert 0.92 < coverage[12] < 0.98


def ballots(
    taste: Floats, votes: int, rng: np.random.Generator
) -> tuple[Tally, NDArray[np.int64], NDArray[np.int64]]:
    """Votes of voters with tastes of their own, `taste[v, m]`: the tally, whose they are, and their cells."""
    voters, models = taste.shape
    voter, a = np.sort(rng.integers(0, voters, votes)), rng.integers(0, models, votes)
    b = (a + rng.integers(1, models, votes)) % models
    outcome = np.where(rng.random(votes) < expit(taste[voter, a] - taste[voter, b]), 0, 1)
    counts = np.zeros((models, models, 4))
    np.add.at(counts, (a, b, outcome), 1)
    return Tally.of(counts), voter, np.column_stack([a, b, outcome])


def test_intervals_by_voter_hold_the_truth_where_every_voter_has_a_taste() -> None:
    """40 voters with 30 votes each. Where every vote stands by itself, intervals are far too narrow."""
    rng = np.random.default_rng(12)
    means = np.linspace(0.5, -0.5, 6)
    apart = rng.normal(0, 0.8 * np.sqrt(2), 100_000)  # how tastes for two models differ
    chances = np.array([[expit(one - other + apart).mean() for other in means] for one in means])
    counts = np.stack([chances, 1 - chances, 0 * chances, 0 * chances], axis=2)
    truth = fit(board(counts * 1e6)).strengths
    held = []
    for _ in range(200):
        votes, voter, cells = ballots(means + rng.normal(0, 0.8, (40, 6)), 1200, rng)
        found = fit(votes)
        alone = sandwich(votes, found)
        together = no_surer(by_voter(found, voter, places(cells, 6), np.ones(1200)), alone)
        off = np.abs(found.strengths - truth)
        held.append([off <= Z95 * np.sqrt(np.diag(spread)) for spread in (alone, together)])
    coverage = np.mean(held, axis=(0, 2))
    assert coverage[0] < 0.9
    assert 0.92 < coverage[1] < 0.97


def test_one_voter_alone_makes_nothing_certain() -> None:
    """Whose scores sum to 0: by voter alone the intervals would have no width."""
    votes, voter, cells = ballots(np.linspace(0.5, -0.5, 5)[None, :], 300, np.random.default_rng(1))
    found = fit(votes)
    by_one, alone = by_voter(found, voter, places(cells, 5)), sandwich(votes, found)
    assert np.diag(by_one) == pytest.approx(np.zeros(5))
    assert no_surer(by_one, alone) == pytest.approx(alone)


@pytest.mark.parametrize(
    ("votes", "voters", "models"), [(300, 10, 5), (1500, 1300, 60), (40, 40, 60), (7, 1, 400)]
)
def test_scores_of_voters_add_up_whether_they_are_written_out_or_not(votes: int, voters: int, models: int) -> None:
    rng = np.random.default_rng(4)
    voter, a = np.sort(rng.integers(0, voters, votes)), rng.integers(0, models, votes)
    b, residual = (a + rng.integers(1, models, votes)) % models, rng.normal(size=votes)
    scores = np.zeros((voters, models))
    np.add.at(scores, (voter, a), residual)
    np.add.at(scores, (voter, b), -residual)
    found = scatter(voter, lambda own: (residual[own], a[own], b[own]), models)
    assert found == pytest.approx(scores.T @ scores, abs=1e-9)


def test_votes_that_do_not_come_voter_by_voter_are_refused(crowd: Crowd) -> None:
    with pytest.raises(ValueError, match="voter by voter"):
        by_voter(fit(crowd.tally), crowd.voter[::-1], crowd.places, crowd.votes)


def test_no_model_is_surer_by_voter_than_by_its_votes(crowd: Crowd) -> None:
    found = fit(crowd.tally)
    alone, together = sandwich(crowd.tally, found), by_voter(found, crowd.voter, crowd.places, crowd.votes)
    wider = no_surer(together, alone)
    assert np.diag(wider) == pytest.approx(np.maximum(np.diag(alone), np.diag(together)))
    assert np.linalg.eigvalsh(wider - together).min() > -1e-12  # nor is any difference


def test_rank_sets_are_all_right_at_once_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(5)
    truth = np.linspace(0.5, -0.5, 8)
    right = 0
    for number in range(200):
        votes = play(truth, meetings(8, 60), rng)
        found = fit(votes)
        sets = ranks(found.strengths, sandwich(votes, found), seed=number)
        right += all(s.best <= place <= s.worst for place, s in enumerate(sets, start=1))
    assert right >= 184  # 190 expected; two standard deviations are 6


def test_rank_sets_are_narrow_where_votes_are_many() -> None:
    votes = play(np.array([0.6, 0.0, -0.6]), meetings(3, 5000), np.random.default_rng(3))
    found = fit(votes)
    assert ranks(found.strengths, sandwich(votes, found), seed=1) == [RankSet(1, 1), RankSet(2, 2), RankSet(3, 3)]


def test_ranks_do_not_depend_on_the_anchor() -> None:
    votes = play(np.array([0.3, 0.1, -0.4]), meetings(3, 100), np.random.default_rng(3))
    found = fit(votes)
    spread = sandwich(votes, found)
    anchored = np.eye(3) - np.array([[0, 1, 0]] * 3)  # strengths against the second model
    assert ranks(anchored @ found.strengths, anchored @ spread @ anchored.T, seed=1) == ranks(
        found.strengths, spread, seed=1
    )


def test_a_board_watched_every_day_seldom_parts_two_identical_models() -> None:
    """100 looks at a growing count of even votes: a fixed test is fooled in a third of lifetimes, this in few."""
    rng = np.random.default_rng(8)
    each = rng.binomial(200, 0.5, size=(400, 100))
    wins, votes = each.cumsum(axis=1), 200 * np.arange(1, 101)
    share = wins / votes
    apart = np.abs(np.log(share / (1 - share)))
    errors = 1 / np.sqrt(votes * share * (1 - share))
    fooled = (apart > Z95 * errors).any(axis=1).mean()
    assert 0.25 < fooled < 0.5
    assert (apart > anytime_radius(errors, 0.05)).any(axis=1).mean() <= 0.05


def test_anytime_rank_sets_hold_those_of_one_look() -> None:
    votes = play(np.linspace(1, -1, 6), meetings(6, 100), np.random.default_rng(2))
    found = fit(votes)
    spread = sandwich(votes, found)
    for now, ever in zip(
        ranks(found.strengths, spread, seed=1), anytime_ranks(found.strengths, spread), strict=True
    ):
        assert ever.best <= now.best <= now.worst <= ever.worst


def test_weights_undo_a_bent_draw() -> None:
    """Non-transitive models: what one is worth depends on whom it meets, until each meeting weighs the same."""
    win = np.array([[0.5, 0.8, 0.35], [0.2, 0.5, 0.7], [0.65, 0.3, 0.5]])
    even, bent = np.full((3, 3), 1000.0), np.array([[0, 4000, 400], [4000, 0, 600], [400, 600, 0]], dtype=float)

    def votes(games: Floats) -> Floats:
        counts = np.zeros((3, 3, 4))
        counts[:, :, 0], counts[:, :, 1] = games * win, games * (1 - win)
        counts[np.arange(3), np.arange(3)] = 0
        return counts

    weight = np.divide(1000, bent, out=np.zeros_like(bent), where=bent > 0)[:, :, None]
    weighted = Tally(votes(bent) * weight, votes(bent) * weight**2)
    assert fit(Tally.of(votes(bent))).strengths != pytest.approx(fit(Tally.of(votes(even))).strengths, abs=0.05)
    assert fit(weighted).strengths == pytest.approx(fit(Tally.of(votes(even))).strengths, abs=1e-9)


# Fragility


def test_the_fewest_votes_that_hold_a_neighbour_up_are_found(crowd: Crowd) -> None:
    found = fit(crowd.tally)
    first, second = np.argsort(-found.strengths)[4:6]
    votes = swap(crowd.tally, found, int(first), int(second))
    assert votes is not None
    assert 1 <= votes <= 5


def test_two_models_alone_swap_when_the_lead_is_gone() -> None:
    votes = tally(2, (0, 1, "a", 60), (0, 1, "b", 40))
    assert swap(votes, fit(votes), 0, 1) == 21


def test_a_model_that_is_not_ahead_has_nothing_to_lose() -> None:
    votes = tally(2, (0, 1, "tie", 10))
    assert swap(votes, fit(votes), 0, 1) is None


# Style


def test_a_liking_for_length_is_found_and_taken_out() -> None:
    rng = np.random.default_rng(4)
    truth, talkative = np.array([0.6, 0.2, -0.2, -0.6]), np.array([1.0, 1.0, 2.0, 2.0])
    a = rng.integers(0, 4, 40_000)
    b = (a + rng.integers(1, 4, 40_000)) % 4
    length_a, length_b = (talkative[m] * rng.lognormal(5, 0.5, 40_000) for m in (a, b))
    look = (length_a - length_b) / (length_a + length_b)
    won = rng.random(40_000) < expit(truth[a] - truth[b] + 0.4 * look / look.std())
    contests = Contests(a, b, np.where(won, 0, 1), length_a[:, None], length_b[:, None])
    found = fit_style(contests, 4)
    assert found.effects == pytest.approx([0.4], abs=3 * found.errors[0])
    assert np.abs(found.strengths - truth).max() < 4 * np.sqrt(np.diag(found.covariance).max())
    counts = np.zeros((4, 4, 4))
    np.add.at(counts, (a, b, contests.outcome), 1)
    assert np.abs(fit(Tally.of(counts)).strengths - truth).max() > 0.1  # what style hides from the plain fit


def test_style_by_voter_is_style_by_vote_where_everybody_has_voted_once_and_wider_where_not() -> None:
    rng = np.random.default_rng(6)
    taste, lengths = rng.normal(0, 0.8, (20, 4)), rng.lognormal(5, 0.5, (1000, 2))
    votes, voter, cells = ballots(taste, 1000, rng)
    a, b, outcome = cells.T
    plain = Contests(a, b, outcome, lengths[:, :1], lengths[:, 1:])
    alone, each = fit_style(plain, 4), fit_style(replace(plain, voter=np.arange(1000)), 4)
    assert each.covariance == pytest.approx(alone.covariance * 1000 / 999)
    assert each.errors == pytest.approx(alone.errors * np.sqrt(1000 / 999))
    together = fit_style(replace(plain, voter=voter), 4)
    assert together.strengths == pytest.approx(alone.strengths)
    assert np.diag(together.covariance) == pytest.approx(
        np.diag(no_surer(by_voter(fit(votes), voter, places(cells, votes.size)), sandwich(votes, fit(votes)))),
        rel=0.05,
    )
    assert np.trace(together.covariance) > 1.5 * np.trace(alone.covariance)


def test_style_that_says_nothing_changes_nothing() -> None:
    rng = np.random.default_rng(9)
    a = rng.integers(0, 3, 3000)
    b = (a + rng.integers(1, 3, 3000)) % 3
    contests = Contests(a, b, rng.integers(0, 4, 3000), np.ones((3000, 2)), np.ones((3000, 2)))
    counts = np.zeros((3, 3, 4))
    np.add.at(counts, (a, b, contests.outcome), 1)
    plain, styled = fit(Tally.of(counts)), fit_style(contests, 3)
    assert styled.strengths == pytest.approx(plain.strengths, abs=1e-8)
    assert styled.covariance == pytest.approx(sandwich(Tally.of(counts), plain), abs=1e-8)
    assert styled.effects == pytest.approx([0, 0])
