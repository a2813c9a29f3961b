"""When a backend is left alone, for how long, and how it comes back."""

import asyncio
import random

import pytest

from arena.backend import READY, Status, Usage
from arena.config import Routing
from arena.errors import (
    BACKEND_ERRORS,
    BackendBroken,
    BackendBusy,
    BackendError,
    BackendRefused,
    BackendTimeout,
    BackendUnreachable,
    ContentFiltered,
    ParametersRefused,
    PromptTooLong,
    Unavailable,
)
from arena.providers.script import Cue
from arena.router.health import Health
from tests.routing import House, soon

QUICK = {"backoff_seconds": 0.01}
OURS = (BackendUnreachable, BackendBusy, BackendTimeout, BackendRefused, BackendBroken, BackendError)
THE_PROMPTS = (ContentFiltered, PromptTooLong)
TOLD_ALONE = (ParametersRefused,)  # the visitor is told so; a backend's health knows it as a refusal


def health(first: float = 0.5, longest: float = 4.0) -> Health:
    return Health(Routing(backoff_seconds=first, backoff_max_seconds=longest), random.Random(1))


# How long (`Health`): no clock but the test's


def test_every_failure_is_either_ours_or_the_prompts() -> None:
    assert {*OURS, *THE_PROMPTS, *TOLD_ALONE} == set(BACKEND_ERRORS)


@pytest.mark.parametrize("error", OURS)
def test_one_failure_before_the_first_token_takes_a_backend_out(error: type[BackendError]) -> None:
    found = health()
    assert found.fail(error("no"), 0, has_spoken=False)
    assert found.is_out


@pytest.mark.parametrize("error", OURS)
def test_it_takes_two_in_a_row_after_the_first_token(error: type[BackendError]) -> None:
    found = health()
    assert not found.fail(error("cut"), 0, has_spoken=True)
    found.succeed()
    assert not found.fail(error("cut"), 0, has_spoken=True)
    assert found.fail(error("cut"), 0, has_spoken=True)


@pytest.mark.parametrize("error", THE_PROMPTS)
def test_what_is_the_prompts_matter_never_counts(error: type[BackendError]) -> None:
    found = health()
    assert not any(found.fail(error("no"), 0, has_spoken=False) for _ in range(100))
    assert not found.is_out


def test_the_wait_doubles_up_to_its_maximum_and_is_a_little_shorter_by_chance() -> None:
    found, waits = health(0.5, 4), []
    for _ in range(2000):
        found.leave(BackendUnreachable("gone"), 100)
        waits.append(found.until - 100)
    for wait, full in zip(waits, [0.5, 1, 2, 4, 4, 4], strict=False):
        assert 0.8 * full <= wait <= full
    assert max(waits) <= 4
    assert len(set(waits)) > 1000


def test_by_default_a_backend_is_tried_again_within_four_seconds() -> None:
    assert Routing().backoff_max_seconds == 4


def test_a_refusal_is_for_people_to_mend_and_is_tried_again_less_often() -> None:
    found = health()
    for _ in range(20):
        found.leave(BackendRefused("wrong key"), 0)
    assert 48 <= found.until <= 60


@pytest.mark.parametrize(("asked", "expected"), [(17, 17), (86_400, 600)])
def test_a_retry_after_is_honoured_within_reason(asked: float, expected: float) -> None:
    found, error = health(), BackendBusy("429")
    error.retry_after = asked
    found.fail(error, 100, has_spoken=False)
    assert found.until == 100 + expected


def test_a_short_retry_after_does_not_shorten_the_wait() -> None:
    found, error = health(), BackendBusy("429")
    error.retry_after = 0.001
    found.fail(error, 0, has_spoken=False)
    assert found.until >= 0.4


def test_requests_that_fail_while_it_is_out_are_the_same_trouble() -> None:
    found, late = health(), BackendBusy("429")
    found.fail(BackendUnreachable("gone"), 0, has_spoken=False)
    until = found.until
    assert not found.fail(BackendUnreachable("gone"), 0.1, has_spoken=False)
    assert found.until == until
    late.retry_after = 9
    found.fail(late, 1, has_spoken=False)
    assert found.until == 10


def test_one_that_passes_its_trials_and_fails_its_work_is_left_alone_longer_and_longer() -> None:
    found, waits = health(), []
    for _ in range(4):
        found.fail(BackendTimeout("silent"), 0, has_spoken=False)
        waits.append(found.until)
        found.come_back()
    assert waits == sorted(waits)
    assert waits[-1] > 3
    found.succeed()
    found.fail(BackendTimeout("silent"), 0, has_spoken=False)
    assert found.until <= 0.5


# How it comes back


async def fails(house: House, error: BackendError, model: str = "one", name: str = "x") -> None:
    """A request for the model that fails at this backend."""
    task = house.asks(model)
    (await soon(house.backends[name].asked())).fail(error)
    await soon(task)


async def trial(house: House, name: str = "x") -> Cue:
    return await soon(house.backends[name].asked())


async def passes(house: House, name: str = "x") -> None:
    """Answer a trial."""
    cue = await trial(house, name)
    cue.say("Hello.")
    await soon(cue.cancelled.wait())


async def test_a_model_whose_backends_are_all_out_leaves_the_draw_and_comes_back_by_one_trial() -> None:
    house = House({"one": ["x"], "two": ["y"], "three": ["z"]}, router=QUICK)
    await fails(house, BackendUnreachable("gone"))
    assert "one" not in house.router.weights()
    assert house.state("x").out_until > 0
    assert house.state("x").out_for == ("one",)
    await passes(house)
    assert "one" in house.router.weights()
    assert (house.state("x").out_until, house.state("x").out_for) == (0, ())
    assert await house.asked() == "x"
    assert len(house.backends["x"].prompts) == 3


async def test_a_model_that_is_out_is_no_model_to_wait_for() -> None:
    house = House({"one": ["x"], "two": ["y"]}, router=QUICK)
    await fails(house, BackendUnreachable("gone"))
    assert not house.router.can_draw
    assert not house.router.will_draw
    with pytest.raises(Unavailable, match="fewer than two models are up"):
        house.router.draw()
    drawing = asyncio.create_task(house.router.wait_to_draw())  # a battle that is open already waits
    await passes(house)
    assert await soon(drawing)


async def test_no_request_is_sent_to_a_backend_that_is_out_not_even_to_find_out() -> None:
    house = House({"one": ["x", "y"]}, router={"backoff_seconds": 60.0, "backoff_max_seconds": 60.0})
    task = house.asks()
    name = await _first_fails(house)
    cue = await soon(house.backends["y" if name == "x" else "x"].asked())
    cue.end()
    await soon(task)
    for _ in range(20):
        assert await house.asked() != name
    assert len(house.backends[name].prompts) == 1


async def _first_fails(house: House) -> str:
    """Fail whichever backend is asked first; its name."""
    waits = {asyncio.create_task(backend.asked()): name for name, backend in house.backends.items()}
    done, others = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    (task,) = done
    task.result().fail(BackendUnreachable("gone"))
    return waits[task]


async def test_a_battle_of_a_model_that_is_out_fails_at_once() -> None:
    house = House({"one": ["x"]}, router=QUICK)
    await fails(house, BackendUnreachable("gone"))
    heard = await soon(house.hears())
    assert isinstance(heard.error, BackendUnreachable)
    assert heard.backends == []


async def test_a_trial_that_fails_is_followed_by_the_next_one() -> None:
    house = House({"one": ["x"]}, router=QUICK)
    await fails(house, BackendUnreachable("gone"))
    for number in range(3):
        (await trial(house)).fail(BackendUnreachable(f"still gone {number}"))
    cue = await trial(house)
    state = house.state("x")
    assert (state.requests, state.failures) == (1, {"unreachable": 1}), "trials are not counted"
    assert state.last_error == "still gone 2"
    cue.end()
    await soon(cue.heard())
    assert "one" in house.router.weights()
    assert await house.asked() == "x"


@pytest.mark.parametrize("error", THE_PROMPTS)
async def test_a_trial_that_is_declined_was_answered(error: type[BackendError]) -> None:
    house = House({"one": ["x"], "two": ["y"]}, router=QUICK)
    await fails(house, BackendUnreachable("gone"))
    cue = await trial(house)
    cue.fail(error("no"))
    await soon(cue.heard())
    assert house.router.can_draw


async def test_a_trial_asks_for_a_few_tokens_only() -> None:
    house = House({"one": ["x"]}, router=QUICK, max_tokens=900, model_id="m-1")
    await fails(house, BackendUnreachable("gone"))
    prompt = (await trial(house)).prompt
    assert [message.content for message in prompt.messages] == ["Hi"]
    assert (prompt.sampling.max_tokens, prompt.model_id) == (16, "m-1")
    await house.router.close()


async def test_after_a_refusal_the_trial_asks_exactly_as_the_contender_does() -> None:
    house = House({"one": ["x"]}, router=QUICK, max_tokens=900, temperature=0.3)
    await fails(house, BackendRefused("no such parameter"))
    sampling = (await trial(house)).prompt.sampling
    assert (sampling.max_tokens, sampling.temperature) == (900, 0.3)
    await house.router.close()


async def test_a_trial_ends_with_the_router() -> None:
    house = House({"one": ["x"]}, router=QUICK)
    await fails(house, BackendUnreachable("gone"))
    cue = await trial(house)
    await house.router.close()
    assert cue.cancelled.is_set()


async def test_a_trial_takes_a_place_like_any_request() -> None:
    house = House({"one": ["x"], "two": ["x"]}, router=QUICK, backends={"x": {"max_concurrency": 1}})
    await fails(house, BackendTimeout("silent"))
    cue = await trial(house)
    assert house.state("x").outstanding == 1
    cue.say("Hello.")
    await soon(cue.cancelled.wait())
    assert house.state("x").outstanding == 0


async def test_an_engine_that_is_not_up_is_not_tried() -> None:
    house = House({"one": ["x"]}, router=QUICK)
    await fails(house, BackendUnreachable("died"))
    house.become(x=Status("failed", "out of memory"))
    while house.state("x").last_error != "x: out of memory":  # noqa: ASYNC110 - nobody is told of a trial
        await asyncio.sleep(0)
    assert len(house.backends["x"].prompts) == 1
    house.become(x=READY)
    await passes(house)


# Whose fault it was


def services() -> House:
    """A service with three contenders: two with the same model id, one with another."""
    return House(
        {"one": ["x"], "two": ["x"], "other": ["x"]}, router=QUICK, ids={"one": "m", "two": "m", "other": "n"}
    )


async def test_a_backend_that_fails_is_out_for_all_contenders_with_that_model() -> None:
    house = services()
    await fails(house, BackendUnreachable("gone"))
    assert house.router.weights() == {"other": 1}
    assert house.state("x").out_for == ("one", "two")


async def test_a_refusal_takes_out_the_contender_alone() -> None:
    house = services()
    await fails(house, BackendRefused("temperature must be 1"))
    assert set(house.router.weights()) == {"two", "other"}
    assert house.state("x").out_for == ("one",)


async def test_an_answer_resets_the_count_of_those_that_broke_off() -> None:
    house = House({"one": ["x"]}, router=QUICK)
    for _ in range(3):
        for fate in (BackendBroken("cut"), Usage(finish_reason="stop")):
            task = house.asks()
            cue = await soon(house.backends["x"].asked())
            cue.say("Half")
            cue.fail(fate) if isinstance(fate, BackendError) else cue.end(fate)
            await soon(task)
        assert "one" in house.router.weights()


async def test_what_an_operator_sees_of_a_backend() -> None:
    house = House({"one": ["x"], "two": ["x"]}, router=QUICK)
    task = house.asks()
    cue = await soon(house.backends["x"].asked())
    cue.say("Well")
    await soon(cue.heard())
    state = house.state("x")
    assert (state.outstanding, state.requests, state.models) == (1, 1, ("one", "two"))
    assert state.first_token_ms is not None
    cue.fail(BackendBroken("https://x: cut"))
    await soon(task)
    state = house.state("x")
    assert (state.outstanding, state.failures, state.last_error) == (0, {"broken": 1}, "https://x: cut")
    assert state.last_error_at is not None
    assert state.last_error_at.tzinfo is not None
