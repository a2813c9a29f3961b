"""What a vote would have to wait for is done when the answers end: its ballot lies ready, and is the same."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from arena.appraisal import Appraisal
from arena.conversation import Conversation, Pair, Vote
from arena.errors import StoreError
from arena.store import casting
from tests.ballots import Cast, Station, station
from tests.house import House, Visitor

BALLOT = "SELECT a, b, outcome, voter, day, category_set, is_leak, probability, looks FROM ballots ORDER BY id"
KINDS = [
    Cast(),
    Cast(choice="both_bad", answer_a="# Yes\n\n- one\n- two", answer_b="**No**", probability=0.125),
    Cast(prompt="Warum ist der Himmel blau und nicht grün?", choice="tie"),
    Cast(answer_b="I am Borealis Nine, and I say no."),
    Cast(prompt="Are you Aurora Prime?", choice="b"),
]


@pytest.fixture
async def polls(tmp_path: Path) -> AsyncIterator[Station]:
    async with station(tmp_path) as found:
        yield found


def appraises_no_more(polls: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_conversation: Conversation) -> Appraisal:
        raise AssertionError("this has been foreseen")

    monkeypatch.setattr(polls.store.box.appraiser, "conversation", refuse)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_foreseen_vote_is_stored_as_any_other(
    polls: Station, kind: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    await polls.casts(kind)  # by which its names and categories get their numbers
    one = await polls.answered(kind)
    appraises_no_more(polls, monkeypatch)
    await polls.store.cast_vote(one.id, kind.voter, kind.choice)
    first, second = await polls.sql(BALLOT)
    assert first == second
    monkeypatch.undo()
    assert (await polls.store.box.verify()).is_clean
    assert sum((await polls.counts()).values()) == (0 if first[6] else 2)


async def test_a_battle_over_http_is_foreseen(
    house: House, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await visitor.plays()
    await visitor.votes("a")
    await visitor.plays()
    await visitor.waits()

    def refuse(_conversation: Conversation) -> Appraisal:
        raise AssertionError("this has been foreseen")

    monkeypatch.setattr(house.context.store.box.appraiser, "conversation", refuse)
    assert (await visitor.votes("a")).status_code == 303
    assert await house.sql("SELECT sum(wins_a) FROM counts WHERE category = 'all'") == [(2,)]


async def test_what_was_foreseen_of_earlier_answers_is_not_the_ballot_of_later_ones(polls: Station) -> None:
    await polls.casts(Cast(answer_a="**one**"), Cast(answer_a="two"))
    battle = await polls.answered(Cast(answer_a="**one**"))
    again = await polls.store.regenerate(battle.id, "ann", "a")
    said = again.last.answers["a"]
    assert said.version == 2
    await polls.store.finish_answer(battle.id, 1, replace(said, state="done", text="two"))
    await polls.store.cast_vote(battle.id, "ann", "a")
    *_, last = await polls.sql("SELECT looks FROM ballots ORDER BY id")
    assert last[0].startswith("3 0 0 0")
    assert (await polls.store.box.verify()).is_clean


async def test_who_is_set_aside_meanwhile_is_not_counted(polls: Station) -> None:
    await polls.casts(Cast("bob"), Cast("ann"))
    battle = await polls.answered(Cast("ann"))
    await polls.store.box.set_aside("ann", "for a test")
    await polls.store.cast_vote(battle.id, "ann", "a")
    assert sum((await polls.counts()).values()) == 1
    assert (await polls.store.box.verify()).is_clean


async def test_a_vote_that_could_not_be_stored_is_stored_when_it_comes_again(polls: Station) -> None:
    await polls.casts(Cast())
    battle = await polls.answered(Cast())
    await polls.sql("CREATE TRIGGER full BEFORE INSERT ON votes BEGIN SELECT raise(ABORT, 'full'); END")
    with pytest.raises(StoreError, match="full"):
        await polls.store.cast_vote(battle.id, "ann", "a")
    await polls.sql("DROP TRIGGER full")
    await polls.store.cast_vote(battle.id, "ann", "a")
    assert sum((await polls.counts()).values()) == 2
    assert (await polls.store.box.verify()).is_clean


async def test_a_number_that_is_rolled_back_has_not_been_foreseen(polls: Station) -> None:
    """The first vote for a name gives it its number, which is not on disk until the vote is."""
    box = polls.store.box
    waiting = await polls.answered(Cast(b="Cirrus"))
    first = await box.cast(replace(waiting, vote=Vote("a", 1, datetime.now(UTC))))
    with suppress(StoreError):
        async with box.write() as db:
            await box._numbers.find(db, [first])
            box.foresee(waiting)
            raise StoreError("the disk is full")
    await polls.casts(Cast(b="Dunes"))
    await polls.store.cast_vote(waiting.id, "ann", "a")
    assert await polls.counts() == {("Aurora Prime", "Dunes", 0): 1, ("Aurora Prime", "Cirrus", 0): 1}
    assert (await box.verify()).is_clean


async def test_only_the_latest_are_kept_in_memory(polls: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(casting, "FORESEEN", 3)
    await polls.casts(Cast())
    battles = [await polls.answered(Cast()) for _ in range(5)]
    assert [bool(polls.store.box._foreseen.take(battle)) for battle in battles] == [False, False, True, True, True]
    for battle in battles:
        await polls.store.cast_vote(battle.id, "ann", "a")
    assert sum((await polls.counts()).values()) == 6


async def test_a_battle_that_cannot_be_voted_on_is_not_foreseen(polls: Station) -> None:
    await polls.casts(Cast())
    begun = await polls.store.open_conversation("ann", "Why?", Pair("Aurora Prime", "Borealis Nine", 0.5))
    polls.store.booth.foresee(begun)
    assert polls.store.box._foreseen.take(begun) is None
