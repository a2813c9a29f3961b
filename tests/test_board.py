"""From votes to the board: what it shows, what it leaves out and says so, and that it is the same everywhere."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from arena.board import ALL, Board, Boards, View, board_of
from arena.conversation import CHOICES, Choice
from arena.errors import NotFound, Unprocessable
from arena.rating import POINTS, Tally, by_voter, fit, no_surer, sandwich
from arena.rating.counts import Floats
from arena.rating.spread import Z95
from tests.ballots import Cast, Station, station
from tests.house import House, Visitor

MODELS = ("Aurora Prime", "Borealis Nine", "Cirrus", "Dune")
LEAK = "I am Borealis Nine."
FRESH = {"refresh_seconds": 0.000001, "min_votes": 5}


@pytest.fixture
async def polls(tmp_path: Path) -> AsyncIterator[Station]:
    async with station(tmp_path, leaderboard=FRESH) as found:
        yield found


@pytest.fixture
def boards(polls: Station) -> Boards:
    return Boards(polls.config, polls.store)


def votes(number: int, seed: int = 1, voters: int = 12) -> list[Cast]:
    """Votes in which earlier models of the alphabet win more often."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(number):
        a, b = (int(model) for model in rng.choice(len(MODELS), 2, replace=False))
        odds = 1 / (1 + np.exp((a - b) * 0.4))
        choice = str(rng.choice(CHOICES, p=[0.7 * odds, 0.7 * (1 - odds), 0.2, 0.1]))
        said = "**Yes**, " * int(rng.integers(1, 9))
        voter = f"v{rng.integers(voters)}"
        found.append(Cast(voter, MODELS[a], MODELS[b], choice, answer_a=said))  # type: ignore[arg-type]
    return found


def counted(cast: list[Cast]) -> Floats:
    counts = np.zeros((len(MODELS), len(MODELS), 4))
    for vote in cast:
        counts[MODELS.index(vote.a), MODELS.index(vote.b), CHOICES.index(vote.choice)] += 1
    return counts


def rating(board: Board, name: str) -> float:
    return next(standing.rating for standing in board.standings if standing.name == name)


# What it shows


async def test_the_board_is_what_the_rating_core_makes_of_the_same_votes(polls: Station, boards: Boards) -> None:
    cast = votes(120)
    await polls.casts(*cast)
    board = await boards.board()
    tally = Tally.of(counted(cast))
    found = fit(tally)
    for model, name in enumerate(MODELS):
        assert rating(board, name) == pytest.approx(1000 + POINTS * found.strengths[model], abs=0.005)
    voter = np.unique([vote.voter for vote in cast], return_inverse=True)[1]
    shape = (len(MODELS), len(MODELS), len(CHOICES))
    cells = [(MODELS.index(v.a), MODELS.index(v.b), CHOICES.index(v.choice)) for v in cast]
    places = np.ravel_multi_index(tuple(np.array(cells).T), shape)
    order = np.argsort(voter, kind="stable")
    spread = no_surer(by_voter(found, voter[order], places[order]), sandwich(tally, found))
    errors = np.sqrt(np.diag(spread))
    widths = {s.name: (s.high - s.low) / 2 for s in board.standings}
    assert [widths[name] for name in MODELS] == pytest.approx(list(Z95 * POINTS * errors), abs=0.011)


async def test_counts_alone_give_the_same_board_as_all_ballots(polls: Station, boards: Boards) -> None:
    cast = votes(60)
    await polls.casts(*cast, Cast(answer_a=LEAK))
    view = View(clusters="votes")
    one, other = await board_of(polls.config, polls.store, view), await boards.board(view)
    assert replace(one, computed_at=other.computed_at, voters=other.voters) == other
    width = Z95 * POINTS * np.sqrt(np.diag(sandwich(Tally.of(counted(cast)), fit(Tally.of(counted(cast))))))[0]
    first = next(s for s in one.standings if s.name == MODELS[0])
    assert (first.high - first.low) / 2 == pytest.approx(width, abs=0.011)


@pytest.mark.parametrize("is_style_controlled", [False, True])
async def test_a_board_of_one_voter_is_as_unsure_as_its_votes(
    polls: Station, boards: Boards, is_style_controlled: bool
) -> None:
    await polls.casts(*votes(120, voters=1))
    by_one = await boards.board(View(is_style_controlled=is_style_controlled))
    alone = await boards.board(View(is_style_controlled=is_style_controlled, clusters="votes"))
    assert by_one.standings == alone.standings
    assert all(standing.high - standing.low > 50 for standing in by_one.standings)


async def test_votes_of_one_voter_may_lean_the_same_way_also_where_style_is_taken_out(
    polls: Station, boards: Boards
) -> None:
    leaning = [replace(vote, voter=f"{vote.a} {vote.b} {vote.choice}") for vote in votes(120)]
    await polls.casts(*leaning)
    for is_style_controlled in (False, True):
        by_voter = await boards.board(View(is_style_controlled=is_style_controlled))
        by_vote = await boards.board(View(is_style_controlled=is_style_controlled, clusters="votes"))
        for one, other in zip(by_voter.standings, by_vote.standings, strict=True):
            assert one.rating == other.rating
            assert one.high - one.low > 1.2 * (other.high - other.low)


async def test_a_row_says_what_became_of_its_votes(polls: Station, boards: Boards) -> None:
    choices: list[Choice] = ["a", "a", "b", "tie", "both_bad"]
    await polls.casts(*(Cast(f"v{n}", choice=choice) for n, choice in enumerate(choices)))
    (first, _) = (await boards.board()).standings
    assert (first.votes, first.wins, first.losses, first.ties, first.both_bad) == (5, 2, 1, 1, 1)
    assert (first.win_rate, first.both_bad_rate) == (0.6, 0.2)


async def test_models_with_few_votes_are_listed_apart_and_have_no_rank(polls: Station, boards: Boards) -> None:
    await polls.casts(*votes(60), *(Cast(a="Newcomer", choice=c) for c in ("a", "b")))
    board = await boards.board()
    (newcomer,) = board.unlisted
    assert (newcomer.name, newcomer.rank, newcomer.best) == ("Newcomer", None, None)
    assert sorted(s.rank or 0 for s in board.listed) == [1, 2, 3, 4]
    assert all(s.best and s.worst and s.best <= (s.rank or 0) <= s.worst for s in board.listed)


async def test_a_model_with_one_tie_is_as_unsure_as_one_vote_can_make_it(polls: Station, boards: Boards) -> None:
    """A tie of equals fits so well that the votes themselves would show no spread at all."""
    await polls.casts(*votes(60), Cast("eve", "Newcomer", MODELS[0], "tie"))
    (newcomer,) = (s for s in (await boards.board()).standings if s.name == "Newcomer")
    assert not newcomer.is_listed
    # One vote between equals: an error of 2 in log-odds, of which the mean of five takes a fifth along.
    assert newcomer.high - newcomer.rating > 0.8 * 1.9 * 2 * POINTS


async def test_a_model_that_has_never_lost_is_named_with_the_reason(polls: Station, boards: Boards) -> None:
    await polls.casts(*votes(40), *(Cast(f"v{n}", a="Unbeaten") for n in range(6)))
    board = await boards.board()
    assert board.has_prior
    assert {s.name: s.loose for s in board.standings if s.loose} == {"Unbeaten": "undefeated"}


async def test_an_anchor_has_the_rating_it_is_given_and_moves_all_others_with_it(tmp_path: Path) -> None:
    anchored = FRESH | {"anchor": "Cirrus", "anchor_rating": 1114.0}
    async with station(tmp_path, leaderboard=anchored) as polls:
        await polls.casts(*votes(60))
        board = await Boards(polls.config, polls.store).board()
        assert board.anchor == "Cirrus"
        assert rating(board, "Cirrus") == 1114
        plain = fit(Tally.of(counted(votes(60)))).strengths
        assert rating(board, "Dune") - 1114 == pytest.approx(POINTS * (plain[3] - plain[2]), abs=0.011)


async def test_matrices_show_who_took_what_from_whom(polls: Station, boards: Boards) -> None:
    await polls.casts(
        Cast(choice="a"), Cast("bob", choice="a"), Cast("cyd", choice="b"), Cast("dan", choice="tie")
    )
    board = await boards.board()
    assert board.names == ("Aurora Prime", "Borealis Nine")
    shares = ((None, 0.625), (0.375, None))
    assert (board.observed, board.games, board.predicted) == (shares, ((None, 4), (4, None)), shares)


async def test_a_board_without_votes_is_empty(boards: Boards) -> None:
    board = await boards.board()
    assert (board.standings, board.votes, board.names, board.games) == ((), 0, (), ())


# Views


async def test_a_category_has_a_board_of_its_own(polls: Station, boards: Boards) -> None:
    code = [replace(vote, prompt="Mend this:\n\n```\n1\n```") for vote in votes(30, seed=2)]
    await polls.casts(*votes(30), *code)
    board = await boards.board(View("code"))
    assert (board.votes, board.categories["code"], board.categories[ALL]) == (30, 30, 60)
    assert rating(board, "Dune") == pytest.approx(
        1000 + POINTS * fit(Tally.of(counted(code))).strengths[3], abs=0.006
    )
    assert next(iter(board.categories)) == ALL
    with pytest.raises(NotFound, match="prompt:long"):
        await boards.board(View("prompt:long"))


async def test_votes_that_do_not_count_are_left_out_and_told(polls: Station, boards: Boards) -> None:
    await polls.casts(*votes(30), Cast(answer_b=LEAK), *(Cast("odd") for _ in range(4)))
    await polls.store.box.set_aside("odd", "always the same")
    without, with_them = await boards.board(), await boards.board(View(has_set_aside=True))
    assert (without.votes, without.left_out.leaks, without.left_out.set_aside) == (30, 1, 4)
    assert (with_them.votes, with_them.left_out.leaks, with_them.left_out.set_aside) == (34, 1, 0)


async def test_days_bound_what_is_looked_at(polls: Station, boards: Boards) -> None:
    await polls.casts(*votes(20))
    await polls.sql("UPDATE ballots SET day = day - 10 WHERE id <= 15")
    today = datetime.now(UTC).date()
    assert (await boards.board(View(since=today - timedelta(days=1)))).votes == 5
    assert (await boards.board(View(until=today - timedelta(days=2)))).votes == 15
    assert (await boards.board(View(until=date(2020, 1, 1)))).standings == ()


async def test_weights_undo_a_pair_that_met_too_often(polls: Station, boards: Boards) -> None:
    often = [Cast(f"v{n}", MODELS[0], MODELS[1], "a" if n % 3 else "b", probability=0.8) for n in range(24)]
    seldom = [Cast(f"v{n}", MODELS[0], MODELS[1], "b" if n % 3 else "a", probability=0.1) for n in range(3)]
    await polls.casts(*often, *seldom)
    weighted, plain = await boards.board(View(is_weighted=True)), await boards.board()
    assert plain.votes == weighted.votes == 27
    points = (16 / 0.8 + 1 / 0.1) / (24 / 0.8 + 3 / 0.1)
    gap = rating(weighted, MODELS[0]) - rating(weighted, MODELS[1])
    assert gap == pytest.approx(POINTS * np.log(points / (1 - points)), abs=0.02)


async def test_pairs_whose_probability_nobody_knows_are_left_out_of_a_weighted_board(
    polls: Station, boards: Boards
) -> None:
    await polls.casts(*votes(30))
    await polls.sql("UPDATE ballots SET probability = 0 WHERE id <= 4")
    board = await boards.board(View(is_weighted=True))
    assert (board.votes, board.left_out.unknown_pair) == (26, 4)


async def test_style_control_shows_its_effects_and_takes_them_out(polls: Station, boards: Boards) -> None:
    rng = np.random.default_rng(4)
    cast = []
    for number in range(200):
        long_a = bool(rng.random() < 0.5)
        choice = "a" if rng.random() < (0.8 if long_a else 0.2) else "b"
        texts = ("word " * 50, "word " * 5) if long_a else ("word " * 5, "word " * 50)
        names = (MODELS[0], MODELS[1]) if rng.random() < 0.5 else (MODELS[1], MODELS[0])
        cast.append(Cast(f"v{number}", *names, choice, answer_a=texts[0], answer_b=texts[1]))  # type: ignore[arg-type]
    await polls.casts(*cast)
    board = await boards.board(View(is_style_controlled=True))
    effects = {effect.feature: effect for effect in board.effects}
    assert effects["characters"].low > 100
    assert effects["bold"].points == 0
    assert (await boards.board()).effects == ()


async def test_style_cannot_be_taken_out_of_a_single_vote(polls: Station, boards: Boards) -> None:
    await polls.casts(Cast())
    with pytest.raises(Unprocessable, match="too few votes"):
        await boards.board(View(is_style_controlled=True))


async def test_a_view_that_cannot_be_is_refused_in_words(boards: Boards) -> None:
    with pytest.raises(Unprocessable, match="drop one of the two"):
        await boards.board(View(is_weighted=True, is_style_controlled=True))


async def test_the_anytime_view_is_surer_and_wider(polls: Station, boards: Boards) -> None:
    await polls.casts(*votes(100))
    plain, anytime = await boards.board(), await boards.board(View(is_anytime=True))
    for one, other in zip(plain.standings, anytime.standings, strict=True):
        assert other.low < one.low < one.rating == other.rating
        assert (other.best or 0) <= (one.best or 0) <= (one.worst or 0) <= (other.worst or 0)


@pytest.mark.parametrize("order", ["name", "votes", "win_rate", "both_bad_rate"])
async def test_an_order_sorts_rows_and_changes_nothing_else(polls: Station, boards: Boards, order: str) -> None:
    await polls.casts(*votes(80))
    plain, ordered = await boards.board(), await boards.board(View(order=order))  # type: ignore[arg-type]
    key = [getattr(standing, order) for standing in ordered.standings]
    assert key in (sorted(key), sorted(key, reverse=True))
    assert set(ordered.standings) == set(plain.standings)
    assert ordered.digest == plain.digest


# The same everywhere


async def test_the_same_votes_in_another_order_give_the_same_digest_and_numbers(tmp_path: Path) -> None:
    found = []
    for folder, cast in (("one", votes(60)), ("other", votes(60)[::-1])):
        (tmp_path / folder).mkdir()
        async with station(tmp_path / folder, leaderboard=FRESH) as polls:
            await polls.casts(*cast)
            boards = Boards(polls.config, polls.store)
            views = [View(), View(is_style_controlled=True), View(is_weighted=True), View(clusters="votes")]
            found.append([await boards.board(view) for view in views])
    for one, other in zip(*found, strict=True):
        assert replace(one, computed_at=other.computed_at) == other
    assert len({board.digest for board in found[0]}) == 4


async def test_these_votes_give_these_numbers_on_every_machine(polls: Station, boards: Boards) -> None:
    """Where numbers differ on purpose, `RATING_VERSION` goes up and they are written down anew."""
    for n in range(60):
        choice = CHOICES[(n * n + n // 5) % 11 % 4]
        await polls.casts(Cast(f"v{n % 7}", MODELS[n % 4], MODELS[(n + 1 + n % 3) % 4], choice))
    board = await boards.board()
    assert [(s.name, s.rating, s.low, s.high, s.best, s.worst) for s in board.standings] == [
        ("Cirrus", 1052.99, 980.72, 1125.26, 1, 4),
        ("Aurora Prime", 999.96, 909.3, 1090.62, 1, 4),
        ("Dune", 991.18, 896.4, 1085.96, 1, 4),
        ("Borealis Nine", 955.87, 846.99, 1064.75, 1, 4),
    ]
    assert board.digest == "cd4da3e615d9b7cb7c7cf93ddddc002de867fa81bea6f1a44a63580cf632a49b"


async def test_a_digest_changes_with_every_vote_every_voter_and_what_matters(polls: Station) -> None:
    async def digest(**settings: object) -> str:
        leaderboard = msgspec.structs.replace(polls.config.leaderboard, **settings)
        config = msgspec.structs.replace(polls.config, leaderboard=leaderboard)
        return (await Boards(config, polls.store).board()).digest

    await polls.casts(*votes(20))
    seen = [await digest(), await digest(min_votes=6), await digest(anchor="Dune")]
    assert await digest(refresh_seconds=5.0) == seen[0]
    await polls.sql("UPDATE ballots SET voter = 5 WHERE id = 1")
    seen.append(await digest())
    await polls.casts(Cast())
    seen.append(await digest())
    assert len(set(seen)) == len(seen)


# Of a server


async def test_a_board_is_kept_for_a_while_and_then_takes_in_what_is_new(tmp_path: Path) -> None:
    async with station(tmp_path, leaderboard={"refresh_seconds": 3600.0}) as polls:
        boards = Boards(polls.config, polls.store)
        await polls.casts(*votes(10))
        assert (await boards.board()).votes == 10
        await polls.casts(*votes(5))
        assert (await boards.board()).votes == 10
        boards.forget()
        assert (await boards.board()).votes == 15


async def test_what_was_read_for_one_view_is_read_on_for_the_next(polls: Station, boards: Boards) -> None:
    views = [View(is_style_controlled=True), View(is_weighted=True), View(since=date(2020, 1, 1))]
    for number in (1, 2, 3):
        await polls.casts(*votes(25, seed=number))
        for view in views:
            fresh = await Boards(polls.config, polls.store).board(view)
            kept = await boards.board(view)
            assert replace(kept, computed_at=fresh.computed_at) == fresh


async def test_a_repair_from_elsewhere_is_noticed(polls: Station, boards: Boards) -> None:
    await polls.casts(*votes(20))
    before = await boards.board()
    await polls.sql("UPDATE ballots SET outcome = (outcome + 1) % 4")
    assert (await boards.board()).digest == before.digest  # ballots are not read twice
    await polls.store.box.verify(repair=True)
    assert (await boards.board()).digest == before.digest
    assert (await Boards(polls.config, polls.store).board()).digest == before.digest


async def test_fragile_neighbours_are_told_with_the_votes_between_them(polls: Station, boards: Boards) -> None:
    await polls.casts(*votes(80))
    pairs = await boards.fragile(pairs=2)
    listed = [standing.name for standing in (await boards.board()).listed]
    assert [(pair.above, pair.below) for pair in pairs] == [(listed[0], listed[1]), (listed[1], listed[2])]
    assert all(pair.votes and 0 < pair.votes < 80 for pair in pairs)


async def test_a_voter_who_always_clicks_left_is_found_and_named(polls: Station, boards: Boards) -> None:
    left = [replace(vote, voter="lefty", choice="a") for vote in votes(25, seed=9)]
    await polls.casts(*votes(150, voters=30), *left)
    (odd,) = [found for found in await boards.odd_voters() if found.voter_id == "lefty"]
    assert (odd.habit, odd.votes, odd.is_set_aside) == ("a", 25, False)
    assert odd.evidence > 20
    await polls.store.box.set_aside("lefty", "always left")
    assert {found.voter_id: found.is_set_aside for found in await boards.odd_voters()}["lefty"]


async def test_votes_of_an_older_version_reach_the_board_after_the_start(polls: Station, boards: Boards) -> None:
    polls.store.box.appraiser, appraiser = None, polls.store.box.appraiser
    await polls.casts(*votes(20))
    assert (await boards.board()).left_out.waiting == 20
    polls.store.box.appraiser = appraiser
    await boards.start()
    await boards.filled()
    assert (await boards.board()).votes == 20
    await boards.close()


async def test_a_battle_over_http_reaches_the_board(house: House, visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("a")
    house.context.boards.forget()
    board = await house.context.boards.board()
    assert (board.votes, board.voters) == (1, 1)
    assert {standing.wins for standing in board.standings} == {0, 1}
