"""Between a vote and the board: ballots, their counts, who is set aside, and what a recount mends."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import httpx
import numpy as np
import pytest
from alembic import command
from alembic.config import Config as AlembicConfig
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from arena.appraisal import Appraisal, Appraiser
from arena.config import Config
from arena.conversation import CHOICES, SIDES, Asked, Conversation, Pair
from arena.errors import NotFound, StoreError
from arena.store import open_store
from arena.store.casting import day_of, voter_number
from tests.ballots import MIGRATIONS, Cast, Station, station
from tests.house import House, Visitor, tables
from tests.processes import Served, counted, kept, scripted, serve

AURORA, BOREALIS = "Aurora Prime", "Borealis Nine"
LEAK = "I am Borealis Nine, and I say no."


@pytest.fixture
async def polls(tmp_path: Path) -> AsyncIterator[Station]:
    async with station(tmp_path) as found:
        yield found


# A vote


async def test_a_vote_puts_its_ballot_with_the_looks_of_both_sides(polls: Station) -> None:
    (voted,) = await polls.casts(Cast(choice="tie", answer_a="# Yes\n\n- one\n- two", answer_b="**No**"))
    assert voted.vote is not None
    ballot = (await polls.sql("SELECT outcome, voter, day, is_leak, probability FROM ballots"))[0]
    assert ballot == (2, voter_number("ann"), day_of(voted.vote.created_at), 0, 0.5)
    assert await polls.sql("SELECT looks FROM ballots") == [("18 1 2 0 0 6 0 0 1 0",)]


async def test_a_vote_is_counted_once_in_all_and_once_in_each_of_its_categories(polls: Station) -> None:
    await polls.casts(Cast(), Cast(choice="b"))
    cell = {(AURORA, BOREALIS, 0): 1, (AURORA, BOREALIS, 1): 1}
    assert await polls.counts() == await polls.counts("turns:one") == await polls.counts("prompt:short") == cell


async def test_a_vote_whose_answer_says_who_wrote_it_is_kept_and_not_counted(polls: Station) -> None:
    await polls.casts(Cast(answer_b=LEAK))
    assert await polls.sql("SELECT is_leak FROM ballots") == [(1,)]
    assert await polls.counts() == {}
    assert (await polls.store.box.left_out()).leaks == 1


async def test_a_vote_that_comes_twice_at_once_is_one_ballot(polls: Station) -> None:
    battle = await polls.answered(Cast())
    await asyncio.gather(*(polls.store.cast_vote(battle.id, "ann", "a") for _ in range(5)))
    assert await polls.counts() == {(AURORA, BOREALIS, 0): 1}


async def test_a_number_that_was_rolled_back_is_not_remembered(polls: Station) -> None:
    await polls.sql("CREATE TRIGGER no_votes BEFORE INSERT ON votes BEGIN SELECT raise(ABORT, 'full'); END")
    battle = await polls.answered(Cast())
    with pytest.raises(StoreError, match="full"):
        await polls.store.cast_vote(battle.id, "ann", "a")
    assert await polls.sql("SELECT * FROM entrants") == []
    await polls.sql("DROP TRIGGER no_votes")
    await polls.store.cast_vote(battle.id, "ann", "a")
    assert await polls.counts() == {(AURORA, BOREALIS, 0): 1}


async def test_a_battle_over_http_ends_in_a_ballot(house: House, visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("both_bad")
    counted = "SELECT wins_a, wins_b, ties, both_bad FROM counts WHERE category = 'all'"
    assert await house.sql(counted) == [(0, 0, 0, 1)]
    assert (await house.context.store.box.verify()).is_clean


class SlowAppraiser(Appraiser):
    """Appraises when it may."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.begun, self.go_on = Event(), Event()

    def conversation(self, conversation: Conversation) -> Appraisal:
        self.begun.set()
        self.go_on.wait(10)
        return super().conversation(conversation)


async def test_nobody_waits_while_a_long_prompt_is_looked_through(polls: Station) -> None:
    polls.store.box.appraiser = slow = SlowAppraiser(polls.config)
    battle = await polls.answered(Cast(prompt="word " * 1000))
    vote = asyncio.create_task(polls.store.cast_vote(battle.id, "ann", "a"))
    await asyncio.to_thread(slow.begun.wait, 10)
    other = await polls.store.open_conversation("bob", "Why?", Pair(AURORA, BOREALIS, 0.5))
    assert not vote.done()
    slow.go_on.set()
    assert (await vote).vote
    assert await polls.counts("prompt:long") == {(AURORA, BOREALIS, 0): 1}
    assert (await polls.store.conversation(other.id, "bob")).vote is None


async def test_a_prompt_that_comes_while_another_is_looked_through_is_not_overlooked(polls: Station) -> None:
    polls.store.box.appraiser = slow = SlowAppraiser(polls.config)
    battle = await polls.answered(Cast(prompt="word " * 1000))
    vote = asyncio.create_task(polls.store.cast_vote(battle.id, "ann", "a"))
    await asyncio.to_thread(slow.begun.wait, 10)
    battle = await polls.store.open_turn(battle.id, "ann", Asked("And then?"), turns_allowed=2)
    for side in SIDES:
        done = replace(battle.last.answers[side], state="done", text="Then.")
        await polls.store.finish_answer(battle.id, 2, done)
    slow.go_on.set()
    voted = await vote
    assert voted.vote is not None
    assert voted.vote.turn == 2
    assert await polls.counts("turns:many") == {(AURORA, BOREALIS, 0): 1}


# Votes in any order


casts = st.builds(
    Cast,
    voter=st.sampled_from(["ann", "bob", "cyd"]),
    a=st.just(AURORA),
    b=st.sampled_from([BOREALIS, "Cirrus"]),
    choice=st.sampled_from(CHOICES),
    prompt=st.sampled_from(["Why?", "`print` this:\n\n```\n1\n```", "Warum ist der Himmel blau und nicht grün?"]),
    answer_b=st.sampled_from(["Because.", LEAK]),
    is_foreseen=st.booleans(),
)
moves = st.tuples(st.sampled_from(["set aside", "restore"]), st.sampled_from(["ann", "bob", "cyd"]))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(casts, moves), max_size=12))
def test_counts_are_always_the_sum_of_the_ballots_that_count(steps: list[Cast | tuple[str, str]]) -> None:
    asyncio.run(_counts_are_the_sum(steps))


async def _counts_are_the_sum(steps: list[Cast | tuple[str, str]]) -> None:
    with TemporaryDirectory() as folder:
        async with station(Path(folder)) as polls:
            voters: dict[str, bool] = {}
            for step in steps:
                if isinstance(step, Cast):
                    await polls.casts(step)
                    voters.setdefault(step.voter, False)
                elif step[1] in voters:
                    voters[step[1]] = step[0] == "set aside"
                    await _moves(polls, *step)
            honest = {name for name, is_aside in voters.items() if not is_aside}
            counted = [s for s in steps if isinstance(s, Cast) and s.voter in honest and s.answer_b != LEAK]
            expected = Counter((cast.a, cast.b, CHOICES.index(cast.choice)) for cast in counted)
            assert await polls.counts() == expected
            assert (await polls.store.box.verify()).is_clean


async def _moves(polls: Station, what: str, voter: str) -> None:
    if what == "restore":
        await polls.store.box.restore(voter)
    else:
        await polls.store.box.set_aside(voter, "clicks at random")


# Set aside


async def test_votes_of_one_who_is_set_aside_do_not_count_until_the_voter_is_restored(polls: Station) -> None:
    await polls.casts(Cast("ann"), Cast("bob"))
    await polls.store.box.set_aside("ann", "always the left one")
    await polls.casts(Cast("ann"))
    assert await polls.counts() == {(AURORA, BOREALIS, 0): 1}
    assert (await polls.store.box.left_out()).set_aside == 2
    await polls.store.box.restore("ann")
    assert await polls.counts() == {(AURORA, BOREALIS, 0): 3}


async def test_who_is_set_aside_twice_is_set_aside_once_and_the_reason_is_the_last(polls: Station) -> None:
    await polls.casts(Cast("ann"), Cast("bob"))
    for because in ("odd", "very odd"):
        await polls.store.box.set_aside("ann", because)
    (aside,) = (await polls.store.box.roll()).set_aside
    assert (aside.voter_id, aside.because) == ("ann", "very odd")
    assert await polls.counts() == {(AURORA, BOREALIS, 0): 1}


async def test_nobody_unknown_is_set_aside(polls: Station) -> None:
    with pytest.raises(NotFound):
        await polls.store.box.set_aside("nobody", "why not")


# As arrays


async def test_the_tally_is_what_the_ballots_add_up_to(polls: Station) -> None:
    await polls.casts(*(Cast(f"v{n}", choice=CHOICES[n % 4]) for n in range(7)), Cast(answer_a=LEAK))
    tally = await polls.store.box.tally()
    roll = await polls.store.box.roll()
    names, ballots = await polls.store.box.ballots(0, roll.newest)
    assert tally.names == (AURORA, BOREALIS)
    assert tally.votes[0, 1].tolist() == [2, 2, 2, 1]
    assert np.bincount(ballots.outcome[~ballots.is_leak]).tolist() == [2, 2, 2, 1]
    assert [names.entrants[number] for number in (ballots.a[0], ballots.b[0])] == [AURORA, BOREALIS]


async def test_ballots_are_read_on_from_where_one_was(polls: Station) -> None:
    box = polls.store.box
    await polls.casts(Cast("ann"), Cast("bob"))
    first = await box.roll()
    await polls.casts(Cast("cyd", choice="b", answer_a="four", probability=0.25))
    last = await box.roll()
    _, fresh = await box.ballots(first.newest, last.newest)
    assert fresh.voter.tolist() == [voter_number("cyd")]
    assert (await box.probabilities(first.newest, last.newest)).tolist() == [0.25]
    assert (await box.looks(first.newest, last.newest))[0, 0] == len("four")
    assert len(await box.days(0, last.newest)) == 3


async def test_speeds_are_medians_of_the_latest_answers(polls: Station) -> None:
    await polls.casts(Cast(), Cast(), Cast())
    await polls.sql("UPDATE answers SET first_token_ms = 100, duration_ms = 1100, completion_tokens = 50")
    speed = (await polls.store.box.speeds())[AURORA]
    assert (speed.answers, speed.first_token_ms, speed.tokens_per_second) == (3, 100, 50)


# Recounted


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE counts SET ties = ties + 1 WHERE category = 'all'", "counts"),
        ("DELETE FROM counts WHERE category = 'turns:one'", "counts"),
        ("INSERT INTO counts VALUES (2, 1, 'all', 0, 0, 0, 5)", "counts"),
        ("UPDATE ballots SET outcome = 3 - outcome WHERE id = 1", "wrong"),
        ("UPDATE ballots SET voter = 7 WHERE id = 1", "wrong"),
        ("UPDATE ballots SET is_leak = 1 WHERE id = 1", "restated"),
        ("UPDATE ballots SET looks = '1 2 3 4 5 6 7 8 9 10' WHERE id = 1", "restated"),
        ("UPDATE ballots SET looks = '' WHERE id = 1", "restated"),
        ("UPDATE votes SET ballot = NULL WHERE ballot = 1", "missing stray"),
        ("UPDATE entrants SET name = 'Somebody else' WHERE name = 'Aurora Prime'", "wrong"),
    ],
)
async def test_a_recount_finds_damage_and_mends_it(polls: Station, damage: str, found: str) -> None:
    await polls.casts(*(Cast(f"v{n}", choice=CHOICES[n % 4]) for n in range(5)), Cast("v0", answer_a=LEAK))
    await polls.store.box.set_aside("v1", "for a test")
    before = await polls.counts()
    await polls.sql(damage)
    report = await polls.store.box.verify()
    assert all(getattr(report, kind) for kind in found.split())
    assert await polls.store.box.verify() == report  # looking changes nothing
    await polls.store.box.verify(repair=True)
    assert (await polls.store.box.verify()).is_clean
    assert await polls.counts() == before


async def test_a_repair_is_told_from_new_ballots(polls: Station) -> None:
    await polls.casts(Cast())
    before = await polls.store.box.roll()
    await polls.store.box.verify(repair=True)
    assert (await polls.store.box.roll()).repairs == before.repairs
    await polls.sql("UPDATE counts SET ties = 9")
    await polls.store.box.verify(repair=True)
    assert (await polls.store.box.roll()).repairs > before.repairs


async def test_a_repair_that_is_broken_off_is_finished_by_the_next_one(polls: Station) -> None:
    await polls.casts(*(Cast(f"v{n}", choice=CHOICES[n % 4]) for n in range(5)))
    before = await polls.counts()
    await polls.sql("UPDATE ballots SET outcome = 3 - outcome WHERE id <= 2")
    await polls.sql("CREATE TRIGGER full BEFORE INSERT ON ballots BEGIN SELECT raise(ABORT, 'full'); END")
    with pytest.raises(StoreError, match="full"):
        await polls.store.box.verify(repair=True)
    await polls.sql("DROP TRIGGER full")
    assert (await polls.store.box.verify()).missing == 2
    assert (await polls.store.box.without_ballot()).waiting == 2
    await polls.store.box.verify(repair=True)
    assert (await polls.store.box.verify()).is_clean
    assert await polls.counts() == before


async def test_a_tag_that_is_new_is_found_by_a_recount(tmp_path: Path) -> None:
    async with station(tmp_path) as polls:
        await polls.casts(Cast(prompt="Why is the sky blue?"), Cast())
    async with station(tmp_path, leaderboard={"tags": {"weather": "sky|rain"}}) as polls:
        assert (await polls.store.box.verify(repair=True)).restated == 1
        assert await polls.counts("tag:weather") == {(AURORA, BOREALIS, 0): 1}


async def test_a_name_that_is_new_is_found_by_a_recount_in_answers_as_well(tmp_path: Path) -> None:
    async with station(tmp_path) as polls:
        await polls.casts(
            Cast(answer_b="I am Project Nightjar."), Cast(prompt="Are you Project Nightjar?"), Cast()
        )
        assert (await polls.store.box.left_out()).leaks == 0
    aurora, borealis = tables()["models"]
    async with station(tmp_path, models=[aurora, borealis | {"aliases": ["Project Nightjar"]}]) as polls:
        assert (await polls.store.box.verify(repair=True)).restated == 2
        assert (await polls.store.box.left_out()).leaks == 2
        assert await polls.sql("SELECT count(*) FROM answers WHERE is_leak = 1") == [(1,)]
        assert (await polls.store.box.verify()).is_clean


# From an older version


def older(new: Path, old: Path) -> None:
    """The same voters, battles and votes in a database of version 0002 of the schema."""
    engine = create_engine(f"sqlite:///{old}")
    with engine.connect() as connection:
        config = AlembicConfig()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.commit()
    engine.dispose()
    with closing(sqlite3.connect(old)) as db, db:
        db.execute("ATTACH ? AS newer", (str(new),))
        for table in ("voters", "conversations", "turns", "answers", "votes"):
            columns = ", ".join(row[1] for row in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")


async def test_a_database_of_the_version_before_is_migrated_and_its_votes_are_filled_in(tmp_path: Path) -> None:
    votes = [Cast(f"v{n % 3}", choice=CHOICES[n % 4], answer_a=LEAK if n == 4 else "**Yes**") for n in range(9)]
    (tmp_path / "new").mkdir()
    async with station(tmp_path / "new") as polls:
        await polls.casts(*votes)
        before = await polls.counts()
        older(tmp_path / "new" / "arena.db", tmp_path / "arena.db")
    async with station(tmp_path) as polls:
        assert (await polls.store.box.without_ballot()).waiting == len(votes)
        assert await polls.store.box.fill() == len(votes)
        assert await polls.counts() == before
        assert await polls.sql("SELECT count(*) FROM answers WHERE bold = 1") == [(8,)]
        assert (await polls.store.box.verify()).is_clean


async def test_votes_cast_without_an_appraiser_wait_and_two_who_fill_at_once_fill_once(tmp_path: Path) -> None:
    async with station(tmp_path) as polls:
        plain = await open_store(polls.config.database_url)
        for _ in range(5):
            battle = await polls.answered(Cast())
            await plain.cast_vote(battle.id, "ann", "a")
        await plain.close()
        assert await polls.counts() == {}
        await asyncio.gather(polls.store.box.fill(), polls.store.box.fill())
        assert await polls.counts() == {(AURORA, BOREALIS, 0): 5}
        assert (await polls.store.box.verify()).is_clean


# Killed


async def test_a_server_killed_among_votes_leaves_votes_and_counts_that_agree(tmp_path: Path) -> None:
    arena = scripted(counted(5, "a"), counted(5, "b"), words_per_second=400)
    acknowledged: list[str] = []
    async with serve(tmp_path, arena) as served, asyncio.TaskGroup() as crowd:
        for _ in range(10):
            crowd.create_task(_plays_on(served, acknowledged))
    async with station(tmp_path) as polls:
        assert (await polls.store.box.verify()).is_clean
        votes = kept(tmp_path, "SELECT count(*) FROM votes")[0][0]
        assert sum((await polls.counts()).values()) == votes >= len(acknowledged) >= 25


async def _plays_on(served: Served, acknowledged: list[str]) -> None:
    """Battle after battle, until the server is gone: it is killed after the 25th vote."""
    async with served.guest() as guest:
        with suppress(httpx.TransportError):
            while True:
                await guest.begins()
                await guest.reads()
                await guest.votes("a")
                acknowledged.append(guest.key)
                if len(acknowledged) == 25:
                    served.process.kill()
