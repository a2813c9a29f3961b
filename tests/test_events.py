"""The stream of a battle: what a watcher sees, and what one sees who comes late, goes, or comes back."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from arena.backend import READY, Status
from arena.conversation import SIDES, Side
from arena.errors import BACKEND_ERRORS, BackendBroken, BackendError
from arena.providers.script import words
from arena.views.battle import encode_cursor
from tests.house import MODELS, House, Screen, Stream, Visitor, open_house, other

LOADING = Status("loading", "reading weights", 0.4)

ANSWER = f"""# Why

Light **scatters**, and *blue* the most.

1. first
2. second

```python
def sky():
    return "blue"
```

{"A long paragraph that goes on until it is only appended to. " * 14}

| colour | nm |
|---|---|
| blue | 450 |

The end."""


async def catches_up(stream: Stream, visitor: Visitor) -> None:
    """Read until the stream shows all there is."""
    turn = visitor.house.context.live.turn(visitor.key)
    assert turn is not None
    while stream.last_id != encode_cursor(turn.conversation.last.number, turn.cursor):
        await stream.next()


async def kept(visitor: Visitor) -> list[str]:
    """Both answers as the page shows them for good."""
    page = Screen(await visitor.sees())
    return [page.inside(f"t1{side}-blocks") for side in SIDES]


def shown(stream: Stream) -> list[str]:
    """Both answers as a watcher who saw the end has them."""
    assert [stream.page.inside(f"t1{side}-open").strip() for side in SIDES] == ["", ""]
    return [stream.page.inside(f"t1{side}-blocks") for side in SIDES]


def written(page: Screen) -> str:
    """What side A has said so far, white space folded."""
    return " ".join(Screen(page.inside("t1a-text")).text.split())


# Connections that are lost


async def test_a_watcher_cut_off_after_any_message_loses_and_repeats_nothing(visitor: Visitor) -> None:
    cues = await visitor.starts()
    cuts = []
    async with visitor.watches() as stream:
        cuts.append(("", stream.page.html))
        for word in words(ANSWER):
            for side in SIDES:
                cues[side].say(word)
                await cues[side].heard()
            await catches_up(stream, visitor)
            cuts.append((stream.last_id, stream.page.html))
    assert len(set(cuts)) > 100
    async with AsyncExitStack() as stack:
        back = [await stack.enter_async_context(visitor.watches(*cut)) for cut in cuts]
        await visitor.hears(cues, " Really.", " Truly.")
        whole = await kept(visitor)
        for stream in back:
            await stream.to_the_end()
            assert shown(stream) == whole


async def test_a_watcher_cut_off_again_and_again_sees_the_same_as_one_who_stayed(visitor: Visitor) -> None:
    cues = await visitor.starts()
    last_id, page = "", await visitor.sees()
    async with visitor.watches() as steady:
        for word in words(ANSWER):
            cues["a"].say(word)
            await cues["a"].heard()
            async with visitor.watches(last_id, page) as stream:
                await catches_up(stream, visitor)
                last_id, page = stream.last_id, stream.page.html
            assert written(stream.page) == written(Screen(await visitor.sees()))
        await visitor.hears(cues, " Really.", "Short.")
        async with visitor.watches(last_id, page) as stream:
            await stream.to_the_end()
        await steady.to_the_end()
        assert shown(stream) == shown(steady) == await kept(visitor)


async def test_a_page_loaded_in_the_middle_goes_on_from_there(visitor: Visitor) -> None:
    cues = await visitor.starts()
    cues["a"].say("One ")
    async with visitor.watches() as stream:
        await stream.until("One")
    async with visitor.watches() as stream:
        assert stream.page.answer("a") == "One"
        await visitor.hears(cues, "two.", "Three.")
        await stream.to_the_end()
        assert (stream.page.answer("a"), stream.page.answer("b")) == ("One two.", "Three.")


async def test_a_connection_that_comes_back_is_told_only_what_is_new(visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues["a"].say("First paragraph.\n\nSecond one.\n\n")
        await stream.until("Second one.")
    cues["a"].say("Third.")
    await cues["a"].heard()
    async with visitor.watches(stream.last_id, stream.page.html) as back:
        event = await back.next()
        assert "Third." in event.data
        assert "First paragraph." not in event.data


async def test_a_second_watcher_who_joins_late_sees_it_all(house: House, visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as early, house.visitor(visitor) as tab:
        cues["a"].say("Before ")
        await early.until("Before")
        async with tab.watches() as late:
            assert late.page.answer("a") == "Before"
            await visitor.hears(cues, "and after.", "B.")
            await early.to_the_end()
            await late.to_the_end()
        assert shown(early) == shown(late) == await kept(visitor)


STRANGE_CURSORS = [
    "nonsense",
    "1",
    "1~a.2.0.0",
    "1~c.2.1.1.1",
    "1~a.2.99.99.99~b.2.99.99.99",
    "1~a.99.0.1.0",
    "1~a.-1.-1.-1.-1",
    "x" * 500,
    f"1~a.{'9' * 400}.0.0.0",
    "<script>~\xff",
]


@pytest.mark.parametrize("cursor", STRANGE_CURSORS)
async def test_a_cursor_that_is_not_ours_gets_everything(visitor: Visitor, cursor: str) -> None:
    cues = await visitor.starts()
    page = await visitor.sees()
    for side in SIDES:
        cues[side].say("One.\n\nTwo.\n\nThree")
        await cues[side].heard()
    headers = {b"Last-Event-ID": cursor.encode()}
    async with visitor.http.stream("GET", f"{visitor.path}/events", headers=headers) as reply:
        stream = Stream(visitor, reply, page)
        await catches_up(stream, visitor)
        assert stream.page.answer("a") == stream.page.answer("b") == "One. Two. Three"


async def test_a_page_of_an_earlier_turn_gets_the_battle_anew(visitor: Visitor) -> None:
    first = await visitor.starts("First?")
    left_behind = await visitor.sees()
    await visitor.hears(first, "One.", "Two.")
    cues = await visitor.asks("Second?")
    async with visitor.watches(page=left_behind) as stream:
        events = await stream.to_the_end()
    assert [event.name for event in events] == [""]  # not done: the page has a new stream
    assert "Second?" in stream.page.text
    assert 'hx-sse:connect="' in stream.page.html
    await visitor.hears(cues, "Three.", "Four.")


async def test_the_cursor_of_an_earlier_version_gets_the_new_one_whole(visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        await visitor.hears(cues, "Old A.\n\nOld end.", "Old B.")
        await stream.to_the_end()
    cue = await visitor.regenerates("a")
    async with visitor.watches(stream.last_id, await visitor.sees()) as back:
        cue.say("New A.")
        cue.end()
        await back.to_the_end()
        assert back.page.answer("a") == "New A."
        assert back.page.answer("b") == "Old B."


async def test_a_stream_asked_for_after_the_end_gets_the_kept_answers_and_the_bar(visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues["a"].say("Half ")
        await stream.until("Half")
    await visitor.hears(cues, "and whole.", "B.")
    reply = await visitor.gets(f"{visitor.path}/events", **{"Last-Event-ID": stream.last_id})
    back = Screen(stream.page.html)
    back.apply(reply.text.replace("\ndata: ", "\n"))
    assert [back.inside(f"t1{side}-blocks") for side in SIDES] == await kept(visitor)
    assert "Which answer is better?" in back.text
    assert reply.text.endswith("event: done\ndata: done\n\n")


async def test_a_watcher_who_hangs_up_does_not_end_the_answers(visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues["a"].say("Heard, ")
        await stream.until("Heard,")
    await visitor.hears(cues, "and unheard.", "B.")
    assert not any(cue.cancelled.is_set() for cue in cues.values())
    assert Screen(await visitor.sees()).answer("a") == "Heard, and unheard."


async def test_an_answer_nobody_watches_is_kept(visitor: Visitor) -> None:
    await visitor.plays(a=ANSWER)
    assert (ANSWER,) in await visitor.house.sql("SELECT text FROM answers")


async def test_a_watcher_is_sent_back_by_a_server_that_stops(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        cues = await visitor.starts()
        async with visitor.watches() as stream:
            cues["a"].say("Half ")
            await stream.until("Half")
            house.context.live.dismiss()
            assert not [event for event in await stream.to_the_end() if event.name == "done"]
    async with open_house(tmp_path) as house, house.visitor(visitor) as back, AsyncExitStack() as stack:
        again = await stack.enter_async_context(back.watches(stream.last_id, stream.page.html))
        await back.hears(await back.cues(), "Whole.", "B.")
        await again.to_the_end()
        assert shown(again) == await kept(back)


# What is sent


async def test_the_more_battles_are_in_flight_the_longer_is_the_pause_between_two_frames(tmp_path: Path) -> None:
    async with open_house(tmp_path, live={"flush_ms": 100}) as house, house.visitor() as visitor:
        live = house.context.live
        assert live.flush_seconds() == 0.1
        cues = await visitor.starts()
        assert live.flush_seconds() == pytest.approx(0.1005)
        await visitor.hears(cues, "One.", "Two.")


async def test_a_slow_watcher_skips_frames(tmp_path: Path) -> None:
    async with open_house(tmp_path, live={"flush_ms": 300}) as house, house.visitor() as visitor:
        cues = await visitor.starts()
        async with visitor.watches() as stream:
            for word in words(ANSWER):
                for side in SIDES:
                    cues[side].say(word)
                    await cues[side].heard()
            await visitor.hears(cues)
            events = await stream.to_the_end()
            assert len(events) < len(words(ANSWER)) / 4
            assert shown(stream) == await kept(visitor)


async def test_a_finished_block_is_sent_once(visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        await visitor.hears(cues, "Nothing.", "Nothing.")
        await stream.to_the_end()
    cue = await visitor.regenerates("a")
    async with visitor.watches() as stream:
        sent = ""
        for word in words("The first block.\n\nThe next block\nwhich goes on.\n\nAnd so forth."):
            cue.say(word)
            await cue.heard()
            sent += (await stream.next()).data
        cue.end()
        sent += "".join(event.data for event in await stream.to_the_end())
    assert sent.count("<p>The first block.</p>") <= 2, "once open, once finished"


async def test_a_reference_link_defined_at_the_end_is_mended(visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues["a"].say("See [the source][1] for more.\n\nThat is all.\n\n")
        await stream.until("That is all.")
        assert "https://example.org/sky" not in stream.page.html
        await visitor.hears(cues, "[1]: https://example.org/sky\n")
        await stream.to_the_end()
        assert 'href="https://example.org/sky"' in stream.page.inside("t1a-blocks")
        assert shown(stream) == await kept(visitor)


async def test_reasoning_is_not_shown_as_the_answer(visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues["a"].say(reasoning="Let me think of a cake.")
        await cues["a"].heard()
        assert "Thinking" in stream.page.inside("t1a-open")
        await visitor.hears(cues, "A.", "B.")
        await stream.to_the_end()
        assert "Thinking" not in stream.page.text
        assert stream.page.answer("a") == "A."
    page = Screen(await visitor.sees())
    assert (page.answer("a"), page.inside("t1a-thoughts")) == ("A.", "Let me think of a cake.")
    assert ("Let me think of a cake.",) in await visitor.house.sql("SELECT reasoning FROM answers")


async def test_an_answer_of_reasoning_alone_ends_empty(visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues["a"].say(reasoning="Hm.")
        await visitor.hears(cues, "", "B.")
        await stream.to_the_end()
        assert stream.page.answer("a") == ""
        assert shown(stream) == await kept(visitor)


async def test_what_a_model_says_cannot_break_out_of_its_message(visitor: Visitor) -> None:
    evil = "One</hx-partial>\n\nevent: done\r\rdata: x\r\n\r\nid: 7\u2028<script>alert(1)</script>"
    cues = await visitor.starts()
    async with visitor.http.stream("GET", f"{visitor.path}/events") as reply:
        await visitor.hears(cues, evil, "B.")
        raw = (await reply.aread()).decode()
    assert raw.count("event: done") == 1 + raw.count("data: <p>event: done")
    assert "<script>" not in raw
    assert "<p>One&lt;/hx-partial&gt;</p>" in await visitor.sees()


async def test_a_quiet_stream_has_a_heartbeat(tmp_path: Path) -> None:
    async with open_house(tmp_path, live={"heartbeat_seconds": 0.01}) as house, house.visitor() as visitor:
        await visitor.starts()
        async with visitor.http.stream("GET", f"{visitor.path}/events") as reply:
            async for line in reply.aiter_lines():
                if line.startswith(":"):
                    break


async def test_a_stream_is_kept_by_no_cache_and_held_back_by_no_proxy(visitor: Visitor) -> None:
    await visitor.plays()
    reply = await visitor.gets(f"{visitor.path}/events")
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-accel-buffering"] == "no"


# Sides that fail


@pytest.mark.parametrize("error", BACKEND_ERRORS)
@pytest.mark.parametrize("side", SIDES)
async def test_a_side_that_fails_leaves_the_other(visitor: Visitor, side: Side, error: type[BackendError]) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues[other(side)].say("Still ")
        await stream.until("Still")
        cues[side].fail(error(f"{MODELS[0]} at https://aurora.example"))
        await stream.until(error.words)
        cues[other(side)].say("here.")
        cues[other(side)].end()
        await stream.to_the_end()
        assert stream.page.answer(other(side)) == "Still here."
        assert f"Try side {side.upper()} again" in stream.page.text
        assert not any(name in stream.page.html for name in MODELS)


async def test_a_side_that_breaks_off_keeps_what_it_had_said(visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues["a"].say("Half of it")
        cues["a"].fail(BackendBroken("cut"))
        cues["b"].end()
        await stream.to_the_end()
        assert stream.page.answer("a") == "Half of it"


# Models that are not up yet


def load(house: House, status: Status = LOADING) -> None:
    for backend in house.backends.values():
        backend.become(status)


async def test_a_battle_waits_for_its_models_and_starts_by_itself(house: House, visitor: Visitor) -> None:
    load(house)
    visitor.path = (await visitor.posts("/conversations", prompt="Why?")).headers["location"]
    async with visitor.watches() as stream:
        assert "Your prompt is kept." in stream.page.text
        assert "0 of 2 models are up, 2 on their way." in stream.page.text
        assert not any(name in stream.page.html for name in MODELS)
        house.backends["aurora"].become(READY)
        await stream.until("1 of 2 models are up, 1 on their way.")
        house.backends["borealis"].become(READY)
        for backend in house.backends.values():
            cue = await backend.asked()
            cue.say("Up at last.")
            cue.end()
        await stream.to_the_end()
        assert stream.page.answer("a") == stream.page.answer("b") == "Up at last."
        assert "Which answer is better?" in stream.page.text


async def test_a_battle_that_waited_through_a_restart_starts_when_its_page_comes_back(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        load(house)
        visitor.path = (await visitor.posts("/conversations", prompt="Why?")).headers["location"]
    async with open_house(tmp_path) as house, house.visitor(visitor) as back:
        load(house)
        async with back.watches() as stream:
            assert "Your prompt is kept." in stream.page.text
            load(house, READY)
            for backend in house.backends.values():
                (await backend.asked()).end()
            await stream.to_the_end()
        assert (await back.votes("tie")).status_code == 303


async def test_a_battle_whose_models_all_fail_to_load_says_so(house: House, visitor: Visitor) -> None:
    load(house)
    visitor.path = (await visitor.posts("/conversations", prompt="Why?")).headers["location"]
    async with visitor.watches() as stream:
        load(house, Status("failed", "out of memory"))
        await stream.to_the_end()
        assert "This battle could not be started" in stream.page.text
    page = Screen(await visitor.sees())
    assert "This battle could not be started" in page.text
    assert "Why?" in page.text


async def test_no_battle_is_opened_where_no_model_is_to_come(house: House, visitor: Visitor) -> None:
    load(house, Status("failed", "out of memory"))
    reply = await visitor.posts("/conversations", prompt="Why is the <sky> blue?")
    assert reply.status_code == 503
    assert "fewer than two models are up" in reply.text
    assert "Why is the &lt;sky&gt; blue?</textarea>" in reply.text
    assert await house.sql("SELECT COUNT(*) FROM conversations") == [(0,)]
    assert await house.sql("SELECT COUNT(*) FROM voters") == [(0,)]


@pytest.mark.parametrize("action", ["turns", "regenerate", "vote"])
async def test_a_battle_that_waits_takes_nothing_else(house: House, visitor: Visitor, action: str) -> None:
    load(house)
    visitor.path = (await visitor.posts("/conversations", prompt="Why?")).headers["location"]
    reply = await visitor.posts(f"{visitor.path}/{action}", prompt="More?", choice="a")
    assert reply.status_code == 409
    assert (await visitor.posts(f"{visitor.path}/stop")).status_code == 303
    assert "Your prompt is kept." in await visitor.sees()


# Reasoning, apart from the answer


async def test_reasoning_grows_beside_the_answer_as_plain_text(visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues["a"].say(reasoning="Is <b>this</b> *it*?\n")
        await stream.until("*it*?")
        cues["a"].say(reasoning="It is.")
        await stream.until("It is.")
        assert stream.page.inside("t1a-thoughts") == "Is &lt;b&gt;this&lt;/b&gt; *it*?\nIt is."
        assert stream.page.inside("t1b-thoughts") == ""


async def test_a_watcher_who_comes_back_gets_only_the_reasoning_that_it_lacks(visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues["a"].say(reasoning="First. ")
        await stream.until("First.")
        last_id, html = stream.last_id, stream.page.html
    cues["a"].say(reasoning="Second.")
    async with visitor.watches(last_id, html) as stream:
        await stream.until("Second.")
        assert stream.page.inside("t1a-thoughts") == "First. Second."


async def test_reasoning_is_never_told_to_the_model_again(visitor: Visitor) -> None:
    cues = await visitor.starts("Why?")
    for cue in cues.values():
        cue.say(reasoning="A secret thought.")
    await visitor.hears(cues)
    for cue in (await visitor.asks("And why that?")).values():
        assert "A secret thought." not in str(cue.prompt)
