"""What a visitor sees while the models are busy, and what becomes of answers that nobody watches."""

import asyncio
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from arena.config import Live
from arena.conversation import SIDES
from tests.house import House, Screen, Visitor, open_house, tables


def narrow(**router: Any) -> dict[str, Any]:
    """An arena whose backends take one request at a time."""
    providers = [provider | {"max_concurrency": 1} for provider in tables()["providers"]]
    return {"providers": providers, "router": router}


async def begins(visitor: Visitor) -> None:
    """Start a battle, without waiting for a backend to be asked."""
    reply = await visitor.posts("/conversations", prompt="Why?")
    assert reply.status_code == 303, reply.text
    visitor.path = reply.headers["location"]


# Waiting


async def test_a_visitor_sees_how_many_are_ahead_until_it_is_their_turn(tmp_path: Path) -> None:
    async with (
        open_house(tmp_path, **narrow()) as house,
        house.visitor() as first,
        house.visitor() as second,
        house.visitor() as third,
    ):
        cues = await first.starts()
        await begins(second)
        await begins(third)
        async with third.watches() as stream:
            await stream.until("Waiting, 1 ahead…")
            assert Screen(await second.sees()).text.count("Waiting, next in line…") == 2
            await first.hears(cues)
            await stream.until("Waiting, next in line…")
            cues = await second.cues()
            for side in SIDES:
                cues[side].say("Mine")
                cues[side].end()
            await stream.until("Thinking…")
            cues = await third.cues()
            for side in SIDES:
                cues[side].say(f"Because {side}.")
                cues[side].end()
            await stream.to_the_end()
            assert "Waiting" not in stream.page.text
            assert [stream.page.answer(side) for side in SIDES] == ["Because a.", "Because b."]


async def test_a_stream_cut_off_while_waiting_goes_on_where_it_was(tmp_path: Path) -> None:
    async with open_house(tmp_path, **narrow()) as house, house.visitor() as first, house.visitor() as second:
        cues = await first.starts()
        await begins(second)
        async with second.watches() as stream:
            await stream.until("Waiting, next in line…")
        async with second.watches(stream.last_id, stream.page.html) as stream:
            await first.hears(cues)
            await second.hears(await second.cues(), "A.", "B.")
            await stream.to_the_end()
            assert [stream.page.answer(side) for side in SIDES] == ["A.", "B."]


async def test_the_time_in_the_queue_is_not_counted_as_the_models(tmp_path: Path) -> None:
    async with open_house(tmp_path, **narrow()) as house, house.visitor() as first, house.visitor() as second:
        cues = await first.starts()
        await begins(second)
        begun = monotonic()
        async with second.watches() as stream:
            await stream.until("next in line")
            while monotonic() - begun < 0.5:
                await house.sql("SELECT 1")
        await first.hears(cues)
        await second.hears(await second.cues())
        [(longest,)] = await house.sql(
            f"SELECT max(duration_ms) FROM answers WHERE conversation_id = '{second.key}'"
        )
        assert longest < 500


async def test_where_the_queues_are_full_no_battle_is_opened(tmp_path: Path) -> None:
    async with open_house(tmp_path, **narrow(queue_length=0)) as house, house.visitor() as one:
        cues = await one.starts()
        reply = await one.posts("/conversations", prompt="And <me>?")
        assert reply.status_code == 503
        assert "The arena is busy" in reply.text
        assert "try again in a moment" in reply.text
        assert "And &lt;me&gt;?</textarea>" in reply.text
        assert await house.sql("SELECT COUNT(*) FROM conversations") == [(1,)]
        await one.hears(cues)
        await one.starts()


@pytest.mark.parametrize("action", ["turns", "regenerate"])
async def test_where_the_queue_is_full_a_battle_does_not_go_on(tmp_path: Path, action: str) -> None:
    async with (
        open_house(tmp_path, **narrow(queue_length=0)) as house,
        house.visitor() as one,
        house.visitor() as two,
    ):
        await one.plays()
        cues = await two.starts()
        reply = await one.posts(f"{one.path}/{action}", prompt="And the sea?")
        assert reply.status_code == 503
        assert "The arena is busy" in reply.text
        assert await house.sql("SELECT COUNT(*) FROM turns") == [(2,)]
        assert await house.sql("SELECT COUNT(*) FROM answers") == [(4,)]
        await two.hears(cues)
        assert (await one.posts(f"{one.path}/{action}", prompt="And the sea?")).status_code == 303


async def test_a_visitor_who_stops_while_waiting_gives_up_the_place(tmp_path: Path) -> None:
    async with open_house(tmp_path, **narrow()) as house, house.visitor() as first, house.visitor() as second:
        cues = await first.starts()
        await begins(second)
        await second.posts(f"{second.path}/stop")
        assert "before it said anything" in await second.sees()
        await first.hears(cues)
        assert all(state.waiting == state.outstanding == 0 for state in house.context.router.backends())


# Nobody watches


def brief(seconds: float) -> dict[str, Any]:
    return {"live": {"flush_ms": 1, "checkpoint_seconds": 0.02, "cancel_when_unwatched_after": seconds}}


async def test_an_answer_that_nobody_watches_is_stopped_after_a_while_and_its_text_kept(tmp_path: Path) -> None:
    async with open_house(tmp_path, **brief(0.3)) as house, house.visitor() as visitor:
        begun = monotonic()
        cues = await visitor.starts()
        for side in SIDES:
            cues[side].say(f"Half of {side.upper()}")
        await asyncio.gather(*(cue.cancelled.wait() for cue in cues.values()))
        assert monotonic() - begun >= 0.3
        await visitor.waits()
        states = await house.sql("SELECT state, text, finish_reason FROM answers ORDER BY side")
        assert states == [("stopped", "Half of A", "unwatched"), ("stopped", "Half of B", "unwatched")]
        page = await visitor.sees()
        assert page.count("stopped, because nobody was looking") == 2
        assert (await visitor.votes("a")).status_code == 303


async def test_a_watched_answer_is_not_stopped(tmp_path: Path) -> None:
    async with open_house(tmp_path, **brief(0.1)) as house, house.visitor() as visitor:
        cues = await visitor.starts()
        async with visitor.watches() as stream:
            begun = monotonic()
            while monotonic() - begun < 0.4:
                await house.sql("SELECT 1")
            await visitor.hears(cues, "Slowly.", "Slowly.")
            await stream.to_the_end()
        assert await house.sql("SELECT DISTINCT state FROM answers") == [("done",)]


async def test_a_page_that_refreshes_itself_counts_as_watching(tmp_path: Path) -> None:
    async with open_house(tmp_path, **brief(0.3)) as house, house.visitor() as visitor:
        cues = await visitor.starts()
        begun = monotonic()
        while monotonic() - begun < 0.8:
            await visitor.sees()
        await visitor.hears(cues)
        assert await house.sql("SELECT DISTINCT state FROM answers") == [("done",)]


async def test_with_zero_an_answer_is_kept_to_its_end_whoever_watches(tmp_path: Path) -> None:
    async with open_house(tmp_path, **brief(0)) as house, house.visitor() as visitor:
        cues = await visitor.starts()
        begun = monotonic()
        while monotonic() - begun < 0.2:
            await house.sql("SELECT 1")
        await visitor.hears(cues)
        assert await house.sql("SELECT DISTINCT state FROM answers") == [("done",)]


async def test_nobody_watches_from_the_last_watcher_on(house: House, visitor: Visitor) -> None:
    cues = await visitor.starts()
    turn = house.context.live.turn(visitor.key)
    assert turn is not None
    now = monotonic()
    assert 59 < turn.unwatched_seconds(now + 60) <= 61
    async with visitor.watches() as stream:
        cues["a"].say("Well,")
        await stream.until("Well,")
        assert turn.unwatched_seconds(now + 3600) == 0


def test_the_default_is_a_minute() -> None:
    assert Live().cancel_when_unwatched_after == 60
