"""Battles under `[blind] pace = "even"`: nothing that is shown tells which side is the faster."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from arena.app import create_app
from arena.backend import Usage
from arena.conversation import SIDES, Answer, Side
from arena.errors import BackendTimeout
from arena.live.pace import AT_ONCE, Course, PacedSide, Pacer
from arena.live.side import LiveSide
from arena.providers.script import ScriptBackend
from tests.house import MODELS, House, Screen, Visitor, configure, open_house, other, tables
from tests.servers import serving

EVEN: dict[str, Any] = {"blind": {"pace": "even"}}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, **EVEN) as found:
        yield found


def said(page: Screen, side: Side) -> str:
    """What stands on this side, without its markup."""
    return Screen(page.inside(f"t1{side}-blocks") + page.inside(f"t1{side}-open")).text.strip()


def seen(page: Screen) -> list[str]:
    return [said(page, side) for side in SIDES]


async def steps(visitor: Visitor, count: int = 3) -> None:
    """Until so many more steps have been shown."""
    turn = visitor.house.context.live.turn(visitor.key)
    assert turn is not None
    assert turn.pacer is not None
    step, taken = turn.pacer.step, asyncio.Event()

    def counted(now: float) -> bool:
        nonlocal count
        count -= 1
        if count == 0:
            taken.set()
        return step(now)

    turn.pacer.step = counted  # type: ignore[method-assign]
    await taken.wait()
    turn.pacer.step = step  # type: ignore[method-assign]


# What is shown while both are written


@pytest.mark.parametrize("fast", SIDES)
async def test_the_faster_side_shows_as_many_characters_as_the_slower_has(visitor: Visitor, fast: Side) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues[fast].say("abcdefghij " * 20)
        cues[other(fast)].say("Slow.")
        await stream.until("Slow.")
        assert said(stream.page, fast) == "abcde"
        cues[other(fast)].say("Slow.")
        await stream.until("Slow.Slow.")
        assert said(stream.page, fast) == "abcdefghij"
        assert sorted(seen(Screen(await visitor.sees()))) == ["Slow.Slow.", "abcdefghij"]
        await visitor.hears(cues, "", "")


async def test_a_stream_that_has_nothing_to_show_yet_has_a_heartbeat(tmp_path: Path) -> None:
    live = {"flush_ms": 1, "heartbeat_seconds": 0.4}
    async with open_house(tmp_path, **EVEN, live=live) as house, house.visitor() as visitor:
        cues = await visitor.starts()
        async with visitor.watches() as stream:
            cues["a"].say("Quick as I am.")
            cues["b"].say(reasoning="Hm.")
            reading = asyncio.create_task(stream.to_the_end())
            async with asyncio.timeout(8):
                while b": still here" not in visitor.received:
                    await steps(visitor)
            await visitor.hears(cues, "", "There.")
            await reading


@pytest.mark.parametrize("fast", SIDES)
async def test_both_sides_think_until_both_have_something_to_say(visitor: Visitor, fast: Side) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues[fast].say(reasoning="Hm, let me see.")
        cues[fast].say("Quick as I am.")
        await cues[fast].heard()
        await steps(visitor)
        page = Screen(await visitor.sees())
        assert page.text.count("Thinking…") == 2
        assert "Hm, let me see." not in page.text
        cues[other(fast)].say("At last.")
        await stream.until("At last.")
        assert stream.page.inside(f"t1{fast}-thoughts") == "Hm, let me see."
        assert "Thinking" not in stream.page.text
        await visitor.hears(cues, "", "")


async def test_a_side_that_waits_in_line_makes_both_wait(tmp_path: Path) -> None:
    providers = [dict(one) for one in tables()["providers"]]
    providers[0]["max_concurrency"] = 1
    async with open_house(tmp_path, providers=providers, **EVEN) as house, house.visitor() as first:
        cues = await first.starts()
        async with house.visitor() as second:
            reply = await second.posts("/conversations", prompt="Why?")
            second.path = reply.headers["location"]
            free = next(side for side in SIDES if second.backend(side).name != providers[0]["name"])
            cue = await second.backend(free).asked()
            cue.say("I was not in line.")
            async with second.watches() as stream:
                while stream.page.text.count("Waiting, next in line…") < 2:
                    await stream.next()
                assert "I was not" not in stream.page.text
                await first.hears(cues)
                late = await second.backend(other(free)).asked()
                late.say("I was.")
                await stream.until("I was.")
                await second.hears({free: cue, other(free): late}, "", "")


@pytest.mark.parametrize("fast", SIDES)
async def test_an_end_is_shown_and_kept_only_when_both_are_over(visitor: Visitor, fast: Side) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues[other(fast)].say("S" * 30)
        cues[fast].say("Quick.")
        cues[fast].end()
        await stream.until("S" * 30)
        await steps(visitor)
        page = Screen(await visitor.sees())
        assert said(page, fast) == "Quick."
        assert page.html.count('data-ended=""') == 2
        assert await visitor.house.sql("SELECT DISTINCT state FROM answers") == [("streaming",)]
        for side in SIDES:
            assert (await visitor.posts(f"{visitor.path}/regenerate", side=side)).status_code == 409
        assert (await visitor.votes("a")).status_code == 409
        cues[other(fast)].end()
        await stream.to_the_end()
        assert await visitor.house.sql("SELECT DISTINCT state FROM answers") == [("done",)]
    assert "Which answer is better?" in await visitor.sees()


@pytest.mark.parametrize("fast", SIDES)
async def test_the_version_page_and_the_saved_text_know_what_is_shown(visitor: Visitor, fast: Side) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues[fast].say("Hidden for now, as the other is slow.", reasoning="Quick thought.")
        cues[other(fast)].say("Slow.")
        await stream.until("Slow.")
        kept = list[tuple[str]]()
        while ("Slow.",) not in kept:
            kept = await visitor.house.sql("SELECT text FROM answers")
        assert sorted(kept) == [("Hidde",), ("Slow.",)]
        page = (await visitor.gets(f"{visitor.path}/answers/1/{fast}/1")).text
        assert "Hidde" in page
        assert "Hidden" not in page
        await visitor.hears(cues, "", "")


SENTENCE = "One two three four five six seven eight nine ten and so on to the end of it. "


@pytest.mark.parametrize("speeds", [(400, 30), (30, 400)])
async def test_two_streams_at_different_speeds_are_alike_in_every_frame(
    tmp_path: Path, speeds: tuple[int, int]
) -> None:
    """Both models say words of the same length, so that equal pace is equal text."""
    answers = (SENTENCE * 2, SENTENCE)
    providers = [
        {**one, "answer": answer, "words_per_second": speed, "first_token_seconds": 20 / speed}
        for one, answer, speed in zip(tables()["providers"], answers, speeds, strict=True)
    ]
    config = configure(tmp_path, providers=providers, **EVEN)
    backends = {one.name: ScriptBackend(one) for one in config.providers}  # type: ignore[arg-type]
    app = create_app(config, backends)
    async with serving(app) as url, House(url, app, config, {}).visitor() as visitor:
        reply = await visitor.posts("/conversations", prompt="Why?")
        visitor.path = reply.headers["location"]
        frames = 0
        async with visitor.watches() as stream:
            while "Which answer is better?" not in stream.page.text:
                await stream.next()
                a, b = (len(text) for text in seen(stream.page))
                short = len(SENTENCE.strip())
                assert abs(min(a, short) - min(b, short)) <= 1, "a space at the end is not shown"
                ended = [stream.page.inside("battle").count(f'data-ended="{side}"') for side in SIDES]
                frames += 0 < min(a, b) < short and ended == [0, 0]
        assert frames > 1
        assert {len(text) for text in seen(stream.page)} == {short, 2 * short + 1}


# After the end of one


def test_a_side_goes_on_as_fast_as_the_other_was_when_that_is_over() -> None:
    sides: dict[Side, LiveSide] = {side: _paced(side) for side in SIDES}
    pacer = Pacer(sides)
    slow, fast = sides["a"], sides["b"]
    assert isinstance(slow, PacedSide)
    assert isinstance(fast, PacedSide)
    fast.hear("f" * 1000, "")
    slow.hear("s" * 100, "")
    slow.course.over_since, slow.course.rate = 50.0, 20.0
    fast.course.over_since = 10.0
    for now, length in ((50.0, 100), (51.0, 120), (60.0, 300), (60.06, 301), (94.9, 998)):
        pacer.step(now)
        assert (len(slow.rendering.text), len(fast.rendering.text)) == (100, length)
        assert not fast.may_end.is_set()
    pacer.step(95.1)
    assert len(fast.rendering.text) == 1000
    assert slow.may_end.is_set()
    assert fast.may_end.is_set()


def test_an_answer_that_was_kept_is_taken_to_be_written_once_more() -> None:
    kept = _answer("a", text="x" * 300, first_token_ms=1000.0, thought_ms=4000.0, duration_ms=8000.0)
    course = Course.again(kept, now=100.0)
    assert [course.reach(now) for now in (100, 105, 106, 108)] == [0, 0, 100, 300]
    for nothing in (_answer("a"), _answer("a", text="x", duration_ms=0.0)):
        assert Course.again(nothing, now=100.0).reach(101.0) == AT_ONCE


async def test_a_side_that_is_written_again_comes_no_faster_than_the_other_was(visitor: Visitor) -> None:
    await visitor.plays(a="A" * 50, b="B" * 50)
    await visitor.house.sql("UPDATE answers SET first_token_ms = 0, duration_ms = 3600000 WHERE side = 'b'")
    cue = await visitor.regenerates("a")
    async with visitor.watches():
        cue.say("Quick again.")
        cue.end()
        await steps(visitor, 20)
        page = Screen(await visitor.sees())
        assert "Quick" not in page.text
        assert 'data-ended=""' in page.html
        await visitor.posts(f"{visitor.path}/stop")


@pytest.mark.parametrize("side", SIDES)
async def test_a_side_that_fails_releases_the_other(visitor: Visitor, side: Side) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues[other(side)].say("All of it, at its own pace.")
        cues[side].fail(BackendTimeout(f"{MODELS[0]} is slow"))
        await stream.until("All of it, at its own pace.")
        assert BackendTimeout.words not in stream.page.text
        cues[other(side)].end()
        await stream.to_the_end()
        assert BackendTimeout.words in stream.page.text


async def test_a_stop_keeps_what_is_shown_on_both_sides(visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues["a"].say("Far ahead of the other one.", reasoning="Quick thought.")
        cues["a"].end()
        cues["b"].say("Slow.")
        await stream.until("Slow.")
        await visitor.posts(f"{visitor.path}/stop")
        await stream.to_the_end()
        assert seen(stream.page) == ["Far a", "Slow."]
    assert seen(Screen(await visitor.sees())) == ["Far a", "Slow."]
    assert await visitor.house.sql("SELECT state, text FROM answers ORDER BY side") == [
        ("stopped", "Far a"),
        ("stopped", "Slow."),
    ]


async def test_one_side_stopped_by_itself_is_shown_as_stopped_and_the_other_goes_on(visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues["a"].say("Far ahead of the other one.")
        cues["b"].say("Slow.")
        await stream.until("Slow.")
        await visitor.posts(f"{visitor.path}/stop", side="a")
        await stream.until("You stopped this answer.")
        cues["b"].say(" It is.")
        await stream.until("Slow. It is.")
        assert said(stream.page, "a") == "Far a"
        cues["b"].end()
        await stream.to_the_end()
        assert seen(stream.page) == ["Far a", "Slow. It is."]


async def test_a_restart_in_the_middle_writes_both_again(tmp_path: Path) -> None:
    async with open_house(tmp_path, **EVEN) as house, house.visitor() as visitor:
        cues = await visitor.starts()
        cues["a"].say("Done, but not shown.")
        cues["a"].end()
        await cues["a"].heard()
    async with open_house(tmp_path, **EVEN) as house, house.visitor(visitor) as back:
        assert "Done" not in await back.sees()
        await back.hears(await back.cues(), "A.", "B.")
        assert seen(Screen(await back.sees())) == ["A.", "B."]


# What is measured, and when it is told


@pytest.mark.parametrize(("pace", "before"), [("own", True), ("even", False)])
async def test_how_long_a_side_thought_is_told_before_the_vote_only_where_paces_differ_anyway(
    tmp_path: Path, pace: str, before: bool
) -> None:
    async with open_house(tmp_path, blind={"pace": pace}) as house, house.visitor() as visitor:
        cues = await visitor.starts()
        async with visitor.watches() as stream:
            cues["a"].say(reasoning="Hm.")
            await cues["a"].heard()
            cues["a"].say("So.")
            cues["b"].say("Yes.")
            await stream.until("So.")
            await stream.until("Yes")
            assert ("Thought for 1 s" in stream.page.text) is before
            await visitor.hears(cues, "", "")
            await stream.to_the_end()
            assert ("Thought for 1 s" in stream.page.text) is before
        assert ("Thought for 1 s" in await visitor.sees()) is before
        await visitor.votes("a")
        page = Screen(await visitor.sees())
        assert page.inside("t1a-thought") == "Thought for 1 s"
        assert page.inside("t1b-thought") == "Reasoning"


async def test_the_times_that_are_kept_are_the_models_own(visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues["a"].say("Quick.")
        cues["a"].end(Usage(3, 2, finish_reason="stop"))
        await cues["a"].heard()
        await steps(visitor, 50)
        await visitor.hears(cues, "", "Slow.")
        await stream.to_the_end()
    a, b = await visitor.house.sql("SELECT duration_ms, first_token_ms FROM answers ORDER BY side")
    assert a[0] < b[0]
    assert a[1] < b[1]


async def test_each_side_has_its_own_pace_unless_config_says_otherwise(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        cues = await visitor.starts()
        turn = house.context.live.turn(visitor.key)
        assert turn is not None
        assert turn.pacing is None
        async with visitor.watches() as stream:
            cues["a"].say("Quick.")
            await stream.until("Quick.")
            await visitor.hears(cues, "", "Slow.")


def _answer(side: Side, **values: Any) -> Answer:
    return Answer(side, 1, MODELS[0], "done", **values)


def _paced(side: Side) -> PacedSide:
    return PacedSide(_answer(side))
