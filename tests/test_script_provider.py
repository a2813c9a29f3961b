"""The script backends: what a demonstration recites, and what a test holds in its hand."""

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.backend import Backend, Delta, Message, Prompt, Status, Usage
from arena.config import Script
from arena.errors import BACKEND_ERRORS, BackendBusy, BackendError, BackendTimeout
from arena.providers.script import CuedBackend, ScriptBackend, words

PROMPT = Prompt(
    (
        Message("system", "Be brief."),
        Message("user", "Earlier question"),
        Message("assistant", "Earlier answer"),
        Message("user", "What is {prompt}?"),
    )
)


async def heard_from(backend: Backend, prompt: Prompt = PROMPT) -> tuple[list[str], Usage | None]:
    """The pieces and the ending of one answer."""
    pieces, usage = [], None
    async for item in backend.stream(prompt):
        assert usage is None, "something came after the usage"
        if isinstance(item, Delta):
            pieces.append(item.text)
        else:
            usage = item
    return pieces, usage


def reading(backend: Backend) -> "asyncio.Task[tuple[list[str], Usage | None]]":
    return asyncio.create_task(heard_from(backend))


async def test_an_answer_is_recited_word_by_word_and_ends_with_its_usage() -> None:
    pieces, usage = await heard_from(ScriptBackend(Script(name="s", answer="one  two\n\nthree\n")))
    assert pieces == ["one", "  two", "\n\nthree\n"]
    assert usage == Usage(prompt_tokens=9, completion_tokens=3, finish_reason="stop")


@given(st.text(" \n\tab{}é", max_size=40))
def test_the_words_of_any_text_joined_are_the_text(text: str) -> None:
    assert "".join(words(text)) == text
    assert len(words(text)) == max(len(text.split()), 1 if text else 0)


async def test_the_last_user_message_takes_the_place_of_prompt_and_nothing_else_does() -> None:
    pieces, _ = await heard_from(ScriptBackend(Script(name="s", answer="{prompt} {name} {}")))
    assert "".join(pieces) == "What is {prompt}? {name} {}"


async def test_an_empty_answer_is_a_usage_alone() -> None:
    assert await heard_from(ScriptBackend(Script(name="s", answer=""))) == ([], Usage(9, 0, "stop"))


async def test_words_come_at_their_pace_and_the_first_after_its_wait() -> None:
    clock = asyncio.get_running_loop().time
    start, times = clock(), []
    script = Script(name="s", answer="a b c", first_token_seconds=0.05, words_per_second=50)
    async with aclosing(ScriptBackend(script).stream(PROMPT)) as items:
        async for _ in items:
            times.append(clock() - start)
    assert [time >= due for time, due in zip(times, (0.05, 0.07, 0.09), strict=False)] == [True] * 3


async def test_a_fast_script_lets_others_have_their_turn() -> None:
    turns: list[str] = []

    async def note(backend: ScriptBackend) -> None:
        async for _ in backend.stream(PROMPT):
            turns.append(backend.name)

    await asyncio.gather(*(note(ScriptBackend(Script(name=name, answer="x y z"))) for name in "ab"))
    assert turns[:4] == ["a", "b", "a", "b"]


@pytest.mark.parametrize("error", BACKEND_ERRORS, ids=lambda error: error.kind)
async def test_a_script_fails_in_the_way_it_names(error: type[BackendError]) -> None:
    with pytest.raises(error) as raised:
        await heard_from(ScriptBackend(Script(name="s", fail=error.kind)))
    assert type(raised.value) is error


@pytest.mark.parametrize(("fail_after", "said"), [(0, []), (2, ["a", " b"]), (9, ["a", " b", " c"])])
async def test_a_script_fails_after_its_number_of_words(fail_after: int, said: list[str]) -> None:
    script = Script(name="s", answer="a b c", fail="timeout", fail_after=fail_after)
    items = ScriptBackend(script).stream(PROMPT)
    assert [await anext(items) for _ in said] == [Delta(word) for word in said]
    with pytest.raises(BackendTimeout, match=f"fails after {fail_after} words"):
        await anext(items)


async def test_a_cued_answer_comes_when_the_test_says_so() -> None:
    backend = CuedBackend("left")
    reader = reading(backend)
    cue = await backend.asked()
    cue.say("Hello ")
    cue.say("world", reasoning="greeting")
    cue.end()
    assert await reader == (["Hello ", "world"], Usage(finish_reason="stop"))
    assert cue.prompt is PROMPT
    assert list(backend.prompts) == [PROMPT]


async def test_heard_waits_until_the_reader_is_back_for_more() -> None:
    backend = CuedBackend("left")
    shown: list[Delta | Usage] = []

    async def show() -> None:
        async for item in backend.stream(PROMPT):
            await asyncio.sleep(0)
            shown.append(item)

    reader = asyncio.create_task(show())
    cue = await backend.asked()
    for text in ("one", "two", "three"):
        cue.say(text)
        await cue.heard()
        assert shown[-1] == Delta(text)
    cue.end()
    await cue.heard()
    assert shown[-1] == Usage(finish_reason="stop")
    await reader


async def test_each_request_has_its_own_cue_in_the_order_of_asking() -> None:
    backend = CuedBackend("left")
    first, second = reading(backend), reading(backend)
    one, two = await backend.asked(), await backend.asked()
    two.say("second")
    two.end()
    one.say("first")
    one.end()
    assert (await first)[0] == ["first"]
    assert (await second)[0] == ["second"]


async def test_a_cued_answer_can_fail_in_the_middle() -> None:
    backend = CuedBackend("left")
    reader = reading(backend)
    cue = await backend.asked()
    cue.say("half an ans")
    cue.fail(BackendBusy("enough"))
    with pytest.raises(BackendBusy, match="enough"):
        await reader
    assert not cue.cancelled.is_set()
    assert not backend.cancelled


async def test_a_cancelled_reader_is_noticed_and_nobody_waits_for_it() -> None:
    backend = CuedBackend("left")
    reader = reading(backend)
    cue = await backend.asked()
    reader.cancel()
    await cue.cancelled.wait()
    cue.say("to nobody")
    await cue.heard()
    assert list(backend.cancelled) == [PROMPT]


@pytest.mark.parametrize("backend", [CuedBackend("c"), ScriptBackend(Script(name="s"))], ids=["cued", "script"])
async def test_a_reader_who_stops_in_the_middle_counts_as_cancelled(backend: CuedBackend | ScriptBackend) -> None:
    async with aclosing(backend.stream(PROMPT)) as items:
        first = asyncio.ensure_future(anext(items))
        if isinstance(backend, CuedBackend):
            (await backend.asked()).say("word")
        await first
    assert list(backend.cancelled) == [PROMPT]


async def test_a_reader_who_stops_after_the_usage_was_not_cancelled() -> None:
    backend = ScriptBackend(Script(name="s", answer=""))
    async with aclosing(backend.stream(PROMPT)) as items:
        assert isinstance(await anext(items), Usage)
    assert not backend.cancelled


async def test_a_cued_backend_shows_the_status_it_is_given() -> None:
    backend = CuedBackend("left")
    assert backend.status.state == "ready"
    backend.become(Status("loading", "reading weights", 0.4))
    assert backend.status.progress == 0.4


async def test_closing_is_harmless_without_a_start_and_twice() -> None:
    for backend in (CuedBackend("c"), ScriptBackend(Script(name="s"))):
        await backend.close()
        await backend.close()
