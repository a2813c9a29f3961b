"""Names that wait to be asked for: votes taken back, turns voted on, and what counts in the end."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from arena.conversation import CHOICES
from arena.store import recount
from tests.house import MODELS, House, Visitor, logged, names, open_house

WAITING: dict[str, Any] = {
    "blind": {"reveal": "on_request"},
    "leaderboard": {"refresh_seconds": 0.001, "min_votes": 1},
}
LONG_AGO = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An arena in which names wait to be asked for."""
    async with open_house(tmp_path, **WAITING) as found:
        yield found


def leaks(visitor: Visitor) -> list[str]:
    """Names that have reached the visitor."""
    received = b"\n".join(visitor.received).lower()
    return [name for name in names(visitor.house.config) if name.lower().encode() in received]


async def undo(visitor: Visitor) -> int:
    return (await visitor.posts(f"{visitor.path}/vote/undo")).status_code


async def reveal(visitor: Visitor) -> int:
    return (await visitor.posts(f"{visitor.path}/reveal")).status_code


async def asks_on(visitor: Visitor, prompt: str = "And then?") -> None:
    await visitor.hears(await visitor.asks(prompt))


async def board(house: House) -> Any:
    """What everybody can read of the standings, by somebody else."""
    async with house.visitor() as reader:
        found = json.loads((await reader.gets("/leaderboard.json")).text)
        cards = (await reader.gets("/models")).text
    return {name: value for name, value in found.items() if name != "computed_at"}, cards


async def votes(house: House) -> list[tuple[Any, ...]]:
    return await house.sql("SELECT turn, choice, ballot IS NOT NULL FROM votes")


async def later_votes(house: House) -> list[tuple[Any, ...]]:
    return await house.sql("SELECT turn, choice FROM turn_votes ORDER BY turn")


async def counted(house: House) -> int:
    """How many votes are on the board, however often one was put there."""
    ((count,),) = await house.sql(
        "SELECT coalesce(sum(wins_a + wins_b + ties + both_bad), 0) FROM counts WHERE category = 'all'"
    )
    return int(count)


async def is_clean(house: House) -> bool:
    return (await house.context.store.box.verify()).is_clean


async def age(house: House) -> None:
    """Let the votes that are there be a day old."""
    await house.sql(f"UPDATE votes SET created_at = '{LONG_AGO:%Y-%m-%d %H:%M:%S.%f}'")


# Hidden


async def test_after_a_vote_the_names_wait_until_they_are_asked_for(visitor: Visitor) -> None:
    await visitor.plays()
    assert (await visitor.votes("a")).status_code == 303
    page = await visitor.sees()
    assert "You voted: A is better" in page
    assert "Show the names" in page
    assert not leaks(visitor)
    assert await reveal(visitor) == 303
    page = await visitor.sees()
    assert all(name in page for name in MODELS)


async def test_no_name_leaves_the_server_through_votes_undone_turns_voted_on_and_refusals(
    visitor: Visitor,
) -> None:
    await visitor.plays()
    await reveal(visitor)
    for choice in CHOICES:
        await visitor.votes(choice)
        await visitor.votes("b")
        await undo(visitor)
        await undo(visitor)
    await visitor.votes("tie")
    await visitor.posts(f"{visitor.path}/remarks", reasons_a="Correct")
    cues = await visitor.asks("And then?")
    await reveal(visitor)
    async with visitor.watches() as stream:
        await visitor.hears(cues)
        await stream.to_the_end()
    await visitor.votes("a")
    await visitor.posts(f"{visitor.path}/regenerate")
    await visitor.sees()
    await visitor.gets(f"{visitor.path}/answers/1/a/1")
    assert not leaks(visitor)


async def test_the_board_does_not_move_before_the_names_are_out(house: House, visitor: Visitor) -> None:
    async with house.visitor() as earlier:
        await earlier.plays()
        await earlier.votes("a")
        await reveal(earlier)
    before = await board(house)
    await visitor.plays("Another prompt", "A longer answer than the one before it.")
    await visitor.votes("b")
    await asks_on(visitor)
    await visitor.votes("a")
    assert await board(house) == before
    await reveal(visitor)
    assert await board(house) != before
    assert await counted(house) == 2


async def test_a_vote_whose_names_are_hidden_is_no_vote_that_waits_for_an_older_version(
    house: House, visitor: Visitor
) -> None:
    await visitor.plays()
    await visitor.votes("a")
    store = house.context.store
    assert await store.box.without_ballot() == type(await store.box.without_ballot())(0, 0)
    assert await store.box.fill() == 0
    assert await store.count_votes() == 0
    assert [vote async for vote in store.votes()] == []
    assert (await store.box.verify(repair=True)).votes == 0
    assert await votes(house) == [(1, "a", 0)]
    await reveal(visitor)
    assert await store.count_votes() == 1


# Taken back


async def test_a_vote_that_is_undone_leaves_nothing_and_another_one_counts(house: House, visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("a")
    assert await undo(visitor) == 303
    assert await votes(house) == []
    assert "Which answer is better?" in await visitor.sees()
    await visitor.votes("both_bad")
    await reveal(visitor)
    assert await votes(house) == [(1, "both_bad", 1)]
    assert await counted(house) == 1
    assert await is_clean(house)


async def test_to_delete_one_conversation_counts_no_vote_of_another(house: House, visitor: Visitor) -> None:
    await visitor.plays("To be deleted?")
    other = visitor.path
    await visitor.plays()
    await visitor.votes("a")
    before = await board(house)
    assert (await visitor.posts(f"{other}/delete")).status_code == 303
    assert await board(house) == before
    assert await undo(visitor) == 303
    assert (await votes(house), await counted(house)) == ([], 0)
    assert await is_clean(house)


async def test_a_vote_that_has_its_ballot_already_stands(house: House, visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("a")
    assert await house.context.store.booth.settle(LONG_AGO, datetime.now(UTC)) == 1
    assert await undo(visitor) == 409
    assert await votes(house) == [(1, "a", 1)]
    assert await is_clean(house)


async def test_a_vote_that_was_cast_again_is_not_counted_as_it_was_before(house: House, visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("a")
    store = house.context.store
    ((voter,),) = await house.sql("SELECT voter_id FROM votes")
    earlier = await store.conversation(visitor.key, voter)
    await undo(visitor)
    await visitor.votes("b")
    await recount.give(store.box, [earlier])
    assert await votes(house) == [(1, "b", 0)]
    await reveal(visitor)
    assert await counted(house) == 1
    assert await is_clean(house)


async def test_of_a_vote_and_a_deletion_at_once_every_vote_that_is_kept_is_counted(
    house: House, visitor: Visitor
) -> None:
    for _ in range(10):
        await visitor.plays()
        await asyncio.gather(visitor.posts(f"{visitor.path}/delete"), visitor.votes("a"))
    assert await house.sql("SELECT count(*) FROM votes WHERE ballot IS NULL") == [(0,)]
    assert await is_clean(house)


async def test_answers_after_a_vote_that_counts_move_no_speed_while_the_names_are_hidden(
    house: House, visitor: Visitor
) -> None:
    await visitor.plays()
    await visitor.votes("a")
    store = house.context.store
    assert await store.booth.settle(LONG_AGO, datetime.now(UTC)) == 1
    before = await store.box.speeds()
    assert {speed.answers for speed in before.values()} == {1}
    await asks_on(visitor)
    assert await store.box.speeds() == before


async def test_a_vote_stands_once_its_time_is_over(house: House, visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("a")
    assert "Undo the vote" in await visitor.sees()
    await age(house)
    assert "Undo the vote" not in await visitor.sees()
    assert await undo(visitor) == 409
    assert await votes(house) == [(1, "a", 0)]


async def test_a_vote_stands_once_the_names_are_out_or_the_battle_goes_on(house: House, visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("a")
    await asks_on(visitor)
    assert await undo(visitor) == 409
    await visitor.votes("b")
    assert await undo(visitor) == 303
    await reveal(visitor)
    assert await undo(visitor) == 409
    assert await votes(house) == [(1, "a", 1)]
    assert await later_votes(house) == []


async def test_where_names_are_out_with_the_vote_it_is_final(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        await visitor.plays()
        await visitor.votes("a")
        assert "/vote/undo" not in await visitor.sees()
        assert await undo(visitor) == 409
        assert await reveal(visitor) == 303
        assert await votes(house) == [(1, "a", 1)]
        assert await counted(house) == 1


# Turns


async def test_every_turn_can_be_voted_on_and_the_first_vote_counts(house: House, visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("a")
    await asks_on(visitor)
    await visitor.votes("b")
    await asks_on(visitor, "And after that?")
    await visitor.votes("tie")
    page = await visitor.sees()
    assert page.count("You voted:") == 4  # one a turn, and the last again where one goes on
    await reveal(visitor)
    assert await votes(house) == [(1, "a", 1)]
    assert await later_votes(house) == [(2, "b"), (3, "tie")]
    assert await counted(house) == 1
    assert await is_clean(house)


async def test_a_turn_without_a_vote_may_come_before_the_one_that_counts(house: House, visitor: Visitor) -> None:
    await visitor.plays()
    await asks_on(visitor)
    await visitor.votes("b")
    await reveal(visitor)
    assert await votes(house) == [(2, "b", 1)]


async def test_what_came_after_the_vote_is_not_what_it_is_about(house: House, visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("a")
    await asks_on(visitor, "```python\nprint(1)\n```")
    await reveal(visitor)
    categories = {name for (name,) in await house.sql("SELECT category FROM counts")}
    assert "turns:one" in categories
    assert not categories & {"turns:many", "code"}
    assert await is_clean(house)


async def test_answers_that_were_voted_on_stay_as_they_are(visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("a")
    for way in ("regenerate", "prompt"):
        reply = await visitor.posts(f"{visitor.path}/{way}", prompt="In other words?")
        assert (reply.status_code, "You have voted on these answers" in reply.text) == (409, True)
    await undo(visitor)
    cue = await visitor.regenerates("a")
    cue.say("Another answer.")
    cue.end()
    await visitor.waits()
    assert "Another answer." in await visitor.sees()


async def test_the_same_vote_again_changes_nothing_and_another_one_is_refused(
    house: House, visitor: Visitor
) -> None:
    await visitor.plays()
    assert [(await visitor.votes(choice)).status_code for choice in ("a", "a", "b")] == [303, 303, 409]
    await asks_on(visitor)
    assert [(await visitor.votes(choice)).status_code for choice in ("b", "b", "a")] == [303, 303, 409]
    assert (await votes(house), await later_votes(house)) == ([(1, "a", 0)], [(2, "b")])


async def test_nothing_more_is_asked_or_voted_on_once_the_names_are_out(visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("a")
    await asks_on(visitor)
    await reveal(visitor)
    assert (await visitor.votes("b")).status_code == 409
    assert (await visitor.posts(f"{visitor.path}/turns", prompt="More?")).status_code == 409


# Asked for


async def test_names_are_not_shown_before_a_vote_nor_while_answers_are_written(visitor: Visitor) -> None:
    await visitor.plays()
    reply = await visitor.posts(f"{visitor.path}/reveal")
    assert (reply.status_code, "Please vote first" in reply.text) == (409, True)
    await visitor.votes("a")
    cues = await visitor.asks("And then?")
    reply = await visitor.posts(f"{visitor.path}/reveal")
    assert (reply.status_code, "still being written" in reply.text) == (409, True)
    await visitor.hears(cues)
    assert [await reveal(visitor), await reveal(visitor)] == [303, 303]


async def test_nobody_else_can_undo_a_vote_or_ask_for_the_names(house: House, visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("a")
    async with house.visitor() as stranger:
        stranger.path = visitor.path
        assert [await undo(stranger), await reveal(stranger)] == [404, 404]
    assert await votes(house) == [(1, "a", 0)]


async def test_a_battle_keeps_the_way_it_was_opened_with(tmp_path: Path) -> None:
    async with open_house(tmp_path, **WAITING) as house, house.visitor() as visitor:
        await visitor.plays()
        await visitor.votes("a")
    async with open_house(tmp_path) as house, house.visitor(visitor) as back:
        assert "Show the names" in await back.sees()
        await reveal(back)
        assert await counted(house) == 1


async def test_the_vote_of_somebody_set_aside_in_the_meantime_does_not_count(
    house: House, visitor: Visitor
) -> None:
    await visitor.plays()
    await visitor.votes("a")
    ((voter,),) = await house.sql("SELECT voter_id FROM votes")
    await house.context.store.box.set_aside(voter, "because")
    await reveal(visitor)
    assert (await votes(house), await counted(house)) == ([(1, "a", 1)], 0)
    assert await is_clean(house)


async def test_whatever_is_asked_at_once_a_vote_counts_once_or_not_at_all(house: House, visitor: Visitor) -> None:
    for _ in range(5):
        await visitor.plays()
        doings = [visitor.votes("a"), visitor.votes("b"), undo(visitor), reveal(visitor), visitor.votes("a")]
        await asyncio.gather(*doings, reveal(visitor), undo(visitor))
        await visitor.votes("tie")
        await asyncio.gather(*(reveal(visitor) for _ in range(5)))
    assert len(await votes(house)) == await counted(house) == 5
    assert await is_clean(house)


# Counted at last


@asynccontextmanager
async def patient(folder: Path, seconds: float) -> AsyncIterator[House]:
    """An arena that waits so long for somebody to ask for the names."""
    blind = {"reveal": "on_request", "undo_seconds": min(10.0, seconds), "count_after_seconds": seconds}
    async with open_house(folder, **WAITING | {"blind": blind}) as house:
        yield house


@pytest.fixture
def talkative(caplog: pytest.LogCaptureFixture) -> None:
    """The log says what goes well, too."""
    caplog.set_level(logging.INFO, "arena")


@pytest.mark.usefixtures("talkative")
async def test_a_vote_whose_names_nobody_asks_for_counts_after_a_while(tmp_path: Path) -> None:
    async with patient(tmp_path, 0.2) as house, house.visitor() as visitor:
        await visitor.plays()
        async with logged("names nobody asked for are counted"):
            await visitor.votes("a")
        assert await votes(house) == [(1, "a", 1)]
        assert "Show the names" in await visitor.sees()
        assert not leaks(visitor)
        assert await undo(visitor) == 409
        await asks_on(visitor)
        await reveal(visitor)
        assert await counted(house) == 1
        assert await is_clean(house)


@pytest.mark.usefixtures("talkative")
async def test_a_vote_waits_its_time_across_a_restart(tmp_path: Path) -> None:
    async with patient(tmp_path, 1000) as house, house.visitor() as visitor:
        await visitor.plays()
        await visitor.votes("a")
    async with patient(tmp_path, 1000) as house:
        await house.context.boards.filled()
        assert await votes(house) == [(1, "a", 0)]
        await age(house)
    async with logged("1 votes whose names nobody asked for are counted"), patient(tmp_path, 1000) as house:
        await house.context.boards.filled()
    assert await counted(house) == 1


# Other ways to talk


async def named(visitor: Visitor, **form: str) -> None:
    """A conversation with models that are known by name, answered."""
    reply = await visitor.posts("/conversations", prompt="Why?", **form)
    assert reply.status_code == 303, reply.text
    visitor.path = reply.headers["location"]


async def test_votes_of_models_side_by_side_are_kept_and_never_counted(house: House, visitor: Visitor) -> None:
    await named(visitor, mode="side_by_side", a=MODELS[0], b=MODELS[1])
    await visitor.hears(await visitor.cues())
    assert (await visitor.votes("a")).status_code == 303
    assert await undo(visitor) == 409
    await asks_on(visitor)
    assert [(await visitor.votes(choice)).status_code for choice in ("tie", "b")] == [303, 409]
    assert (await votes(house), await later_votes(house)) == ([(1, "a", 0)], [(2, "tie")])
    assert await counted(house) == 0
    assert (await house.context.store.box.without_ballot()).not_blind == 1


async def test_there_is_nothing_to_vote_on_with_one_model(house: House, visitor: Visitor) -> None:
    await named(visitor, mode="direct", model=MODELS[0])
    cue = await house.backends["aurora"].asked()
    cue.say("Because.")
    cue.end()
    await visitor.waits()
    reply = await visitor.votes("a")
    assert (reply.status_code, "nothing to compare" in reply.text) == (409, True)
