"""model -> backend: who can be drawn, which backend is asked, and what happens when it fails."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from arena.backend import READY, Backend, Delta, Message, Prompt, Status, Usage
from arena.config import parse
from arena.errors import (
    BackendBroken,
    BackendBusy,
    BackendError,
    BackendRefused,
    BackendTimeout,
    BackendUnreachable,
    ContentFiltered,
    PromptTooLong,
    Unavailable,
)
from arena.router import Handed, Router
from tests.routing import CHAT, House, first, soon

LOADING = Status("loading", "reading weights", 0.5)
WAITING = Status("waiting")
FAILED = Status("failed", "no such folder")
BRIEF = 0.05  # seconds: a time limit that a test waits for


# Who can be drawn


def test_only_models_that_are_up_are_drawn() -> None:
    house = House({"one": ["x"], "two": ["y"], "three": ["z"], "four": ["w"]})
    house.become(y=LOADING, w=FAILED)
    for _ in range(50):
        pair = house.router.draw()
        assert pair is not None
        assert {pair.a, pair.b} == {"one", "three"}
        assert pair.probability == 1


@pytest.mark.parametrize(
    ("statuses", "shown"),
    [
        ((FAILED, READY), READY),
        ((LOADING, READY), READY),
        ((FAILED, LOADING), LOADING),
        ((WAITING, LOADING), LOADING),
        ((FAILED, WAITING), WAITING),
        ((FAILED, FAILED), FAILED),
    ],
)
def test_a_model_is_as_far_as_the_closest_of_its_backends(statuses: tuple[Status, Status], shown: Status) -> None:
    house = House({"one": ["x", "y"]})
    for x, y in (statuses, reversed(statuses)):
        house.become(x=x, y=y)
        assert house.router.status("one") == shown
        assert house.router.statuses() == {"one": shown}


def test_models_that_share_a_backend_come_up_together() -> None:
    house = House({"one": ["x"], "two": ["x"]})
    house.become(x=LOADING)
    assert not house.router.can_draw
    house.become(x=READY)
    assert house.router.weights() == {"one": 1.0, "two": 1.0}
    assert house.router.can_draw


def test_nothing_is_drawn_while_models_are_loading() -> None:
    house = House({"one": ["x"], "two": ["y"]})
    house.become(y=WAITING)
    assert house.router.draw() is None
    assert house.router.is_loading


def test_a_draw_that_can_never_come_is_refused() -> None:
    house = House({"one": ["x"], "two": ["y"]})
    house.become(y=FAILED)
    with pytest.raises(Unavailable, match="fewer than two models are up"):
        house.router.draw()
    assert not house.router.is_loading


def test_nobody_waits_for_a_single_model_that_is_still_loading() -> None:
    house = House({"one": ["x"], "two": ["y"]})
    house.become(x=LOADING, y=FAILED)
    with pytest.raises(Unavailable):
        house.router.draw()


def test_nobody_waits_for_a_model_that_is_kept_out_by_its_weight() -> None:
    house = House({"one": ["x"], "two": ["y"]}, weight=0)
    house.become(x=LOADING)
    with pytest.raises(Unavailable):
        house.router.draw()


async def test_a_waiting_draw_comes_when_the_second_model_is_up() -> None:
    house = House({"one": ["x"], "two": ["y"]})
    house.become(y=LOADING)
    waiting = asyncio.create_task(house.router.wait_to_draw())
    await asyncio.wait([waiting], timeout=0.01)
    assert not waiting.done()
    house.become(y=READY)
    pair = await soon(waiting)
    assert {pair.a, pair.b} == {"one", "two"}


async def test_a_waiting_draw_is_refused_when_the_second_model_fails_to_load() -> None:
    house = House({"one": ["x"], "two": ["y"]})
    house.become(y=LOADING)
    waiting = asyncio.create_task(house.router.wait_to_draw())
    await asyncio.wait([waiting], timeout=0.01)
    house.become(y=FAILED)
    with pytest.raises(Unavailable):
        await soon(waiting)


# What a backend is asked


async def test_an_answer_passes_from_the_backend_as_it_comes() -> None:
    house = House({"one": ["x"]})
    async with aclosing(house.router.stream("one", CHAT)) as events:
        assert await anext(events) == Handed("x")
        waiting = asyncio.create_task(anext(events))
        cue = await soon(house.backends["x"].asked())
        cue.say("Because.", reasoning="Hm.")
        assert await soon(waiting) == Delta("Because.", "Hm.")
        cue.end(Usage(3, 1, "stop", "r-1"))
        assert await anext(events) == Usage(3, 1, "stop", "r-1")
        assert await anext(events, None) is None


async def test_a_backend_is_told_the_models_system_prompt_sampling_and_name() -> None:
    sampling: dict[str, Any] = {"temperature": 0.3, "top_p": 0.9, "max_tokens": 7, "stop": ["##"], "seed": 5}
    house = House({"one": ["x"]}, system_prompt="Be brief.", model_id="m-1", **sampling)
    await house.asked()
    (prompt,) = house.backends["x"].prompts
    assert prompt.messages == (Message("system", "Be brief."), *CHAT)
    assert asdict(prompt.sampling) == sampling | {"stop": ("##",), "extra": {}}
    assert prompt.model_id == "m-1"


async def test_a_model_without_a_system_prompt_sends_none() -> None:
    house = House({"one": ["x"]})
    await house.asked()
    assert house.backends["x"].prompts[0] == Prompt(CHAT)


async def test_a_model_that_has_left_the_configuration_is_unreachable() -> None:
    heard = await House({"one": ["x"]}).hears("bygone")
    assert isinstance(heard.error, BackendUnreachable)
    assert "bygone: is no longer in the configuration" in str(heard.error)


async def test_a_model_none_of_whose_backends_is_ready_is_unreachable() -> None:
    house = House({"one": ["x", "y"]})
    house.become(x=FAILED, y=LOADING)
    heard = await soon(house.hears())
    assert isinstance(heard.error, BackendUnreachable)
    assert heard.backends == []


# Which backend is asked


async def test_requests_go_round_the_backends_while_none_is_free() -> None:
    house = House({"one": ["x", "y", "z"]})
    tasks = [house.asks() for _ in range(9)]
    cues = [await soon(backend.asked()) for backend in house.backends.values() for _ in range(3)]
    assert [len(backend.prompts) for backend in house.backends.values()] == [3, 3, 3]
    for cue in cues:
        cue.end()
    await soon(asyncio.gather(*tasks))


async def test_ties_are_broken_at_random() -> None:
    asked = {await House({"one": ["x", "y", "z"]}, luck).asked() for luck in range(30)}
    assert asked == {"x", "y", "z"}


async def test_a_backend_that_is_not_ready_is_not_asked() -> None:
    house = House({"one": ["x", "y"]})
    house.become(x=LOADING)
    assert {await house.asked() for _ in range(10)} == {"y"}


async def test_load_is_counted_by_backend_not_by_model() -> None:
    house = House({"one": ["x", "y"], "two": ["x"]})
    task = house.asks("two")
    cue = await soon(house.backends["x"].asked())
    assert {await house.asked() for _ in range(10)} == {"y"}
    cue.end()
    await soon(task)


@pytest.fixture
async def half_busy() -> AsyncIterator[House]:
    """A model whose backend `y` is busy with one request, so that any leak at `x` sends the next ones to `y`."""
    house = House({"one": ["x", "y"], "other": ["y"]})
    task = house.asks("other")
    cue = await soon(house.backends["y"].asked())
    yield house
    cue.end()
    await soon(task)


async def test_a_backend_is_free_again_after_an_answer(half_busy: House) -> None:
    for _ in range(10):
        assert await half_busy.asked() == "x"


async def test_a_backend_is_free_again_after_a_failure(half_busy: House) -> None:
    for _ in range(10):
        task = half_busy.asks()
        cue = await soon(half_busy.backends["x"].asked())
        cue.fail(ContentFiltered("no"))
        assert (await soon(task)).backends == ["x"]


async def test_a_backend_is_free_again_after_an_answer_was_cancelled(half_busy: House) -> None:
    for _ in range(10):
        task = half_busy.asks()
        cue = await soon(half_busy.backends["x"].asked())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await soon(task)
        assert cue.cancelled.is_set()


async def test_a_backend_is_free_again_after_a_reader_left_in_the_middle(half_busy: House) -> None:
    for _ in range(10):
        async with aclosing(half_busy.router.stream("one", CHAT)) as events:
            assert await anext(events) == Handed("x")
            waiting = asyncio.create_task(anext(events))
            cue = await soon(half_busy.backends["x"].asked())
            cue.say("Because")
            await soon(waiting)
        assert cue.cancelled.is_set()


# Failing


@pytest.mark.parametrize("error", [BackendUnreachable, BackendBusy, BackendTimeout, BackendRefused, BackendBroken])
async def test_a_backend_that_fails_before_its_first_token_is_left_for_the_next(error: type[BackendError]) -> None:
    house = House({"one": ["x", "y"]})
    task = house.asks()
    async with first(house.backends) as (failing, cue):
        cue.fail(error("down"))
    async with first(house.backends) as (answering, cue):
        cue.say("Because.")
        cue.end()
    heard = await soon(task)
    assert heard.backends == [failing, answering]
    assert {failing, answering} == {"x", "y"}
    assert (heard.text, heard.error) == ("Because.", None)


async def test_each_backend_is_tried_once_and_the_last_failure_is_the_answers() -> None:
    house = House({"one": ["x", "y", "z"]})
    task = house.asks()
    for number in range(3):
        async with first(house.backends) as (_, cue):
            cue.fail(BackendBusy(f"failure {number}"))
    heard = await soon(task)
    assert sorted(heard.backends) == ["x", "y", "z"]
    assert str(heard.error) == "failure 2"


async def test_a_failure_after_the_first_token_is_the_answers() -> None:
    house = House({"one": ["x", "y"]})
    task = house.asks()
    async with first(house.backends) as (name, cue):
        cue.say("Beca")
        cue.fail(BackendUnreachable("gone"))
    heard = await soon(task)
    assert heard.backends == [name]
    assert (heard.text, str(heard.error)) == ("Beca", "gone")


async def test_a_first_thought_is_a_first_token() -> None:
    house = House({"one": ["x", "y"]})
    task = house.asks()
    async with first(house.backends) as (name, cue):
        cue.say(reasoning="Hm.")
        cue.fail(BackendUnreachable("gone"))
    assert (await soon(task)).backends == [name]


@pytest.mark.parametrize("error", [ContentFiltered, PromptTooLong])
async def test_what_another_backend_would_refuse_too_stays_where_it_is(error: type[BackendError]) -> None:
    house = House({"one": ["x", "y"]})
    task = house.asks()
    async with first(house.backends) as (name, cue):
        cue.fail(error("no"))
    heard = await soon(task)
    assert heard.backends == [name]
    assert isinstance(heard.error, error)


async def test_a_failure_does_not_move_to_a_backend_that_is_still_loading() -> None:
    house = House({"one": ["x", "y"]})
    house.become(y=LOADING)
    task = house.asks()
    (await soon(house.backends["x"].asked())).fail(BackendBusy("full"))
    heard = await soon(task)
    assert heard.backends == ["x"]
    assert isinstance(heard.error, BackendBusy)


async def test_an_error_that_no_backend_should_raise_is_not_swallowed() -> None:
    tables = {"providers": [{"name": "x", "format": "script"}], "models": [{"name": "one", "backends": ["x"]}]}
    router = Router(parse(tables, Path("config.toml"), {}), {"x": Careless()}, random.Random(1))
    with pytest.raises(ZeroDivisionError):
        async for _ in router.stream("one", CHAT):
            pass


class Careless(Backend):
    """A backend that breaks its contract."""

    name = "x"

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta | Usage, None]:
        yield Usage(prompt_tokens=1 // 0)


# Time limits


@pytest.mark.parametrize(
    "settings",
    [{"limits": {"first_token_seconds": BRIEF}}, {"first_token_seconds": BRIEF}],
    ids=["limit", "model"],
)
async def test_a_backend_that_stays_silent_is_left_for_the_next(settings: dict[str, Any]) -> None:
    house = House({"one": ["x", "y"]}, **settings)
    task = house.asks()
    async with first(house.backends) as (silent, cue):
        await soon(cue.cancelled.wait())
    async with first(house.backends) as (answering, cue):
        cue.end()
    heard = await soon(task)
    assert heard.backends == [silent, answering]
    assert heard.error is None


async def test_a_model_whose_only_backend_stays_silent_times_out() -> None:
    house = House({"one": ["x"]}, first_token_seconds=BRIEF)
    heard = await soon(house.hears())
    assert isinstance(heard.error, BackendTimeout)
    assert (await soon(house.backends["x"].asked())).cancelled.is_set()


@pytest.mark.parametrize(
    "settings", [{"limits": {"answer_seconds": BRIEF}}, {"answer_seconds": BRIEF}], ids=["limit", "model"]
)
async def test_an_answer_that_takes_too_long_ends_where_it_is(settings: dict[str, Any]) -> None:
    house = House({"one": ["x", "y"]}, **settings)
    task = house.asks()
    async with first(house.backends) as (name, cue):
        cue.say("Because")
        await soon(cue.cancelled.wait())
    heard = await soon(task)
    assert isinstance(heard.error, BackendTimeout)
    assert (heard.backends, heard.text) == ([name], "Because")


async def test_after_the_first_token_only_the_whole_answer_is_timed() -> None:
    house = House({"one": ["x"]}, first_token_seconds=BRIEF)
    task = house.asks()
    cue = await soon(house.backends["x"].asked())
    cue.say("Well")
    await soon(cue.heard())
    await asyncio.wait([task], timeout=2 * BRIEF)
    cue.say(", because.")
    cue.end()
    assert (await soon(task)).text == "Well, because."


async def test_a_models_own_limit_takes_the_place_of_the_general_one() -> None:
    house = House({"one": ["x"]}, limits={"first_token_seconds": BRIEF}, first_token_seconds=60)
    task = house.asks()
    cue = await soon(house.backends["x"].asked())
    await asyncio.wait([task], timeout=2 * BRIEF)
    cue.end()
    assert (await soon(task)).error is None
