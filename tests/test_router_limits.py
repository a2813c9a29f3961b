"""How much a backend takes, who waits for it, in what order, and who is told that there is no room."""

import asyncio
import random

import pytest

from arena.backend import Message, Prompt, Usage
from arena.config import Backed
from arena.errors import BackendBusy, BackendUnreachable, Unavailable
from arena.providers.script import Cue
from arena.router.promises import KEPT_SECONDS, Promises
from arena.router.quota import Quota, prompt_tokens
from arena.router.route import Desk
from tests.routing import Heard, House, soon

ONE = {"max_concurrency": 1}
BRIEF = 0.05


# What a backend takes (`Quota`): no clock but the test's


def test_a_backend_without_limits_always_has_room() -> None:
    quota = Quota(Backed(name="x"))
    for _ in range(10_000):
        assert quota.has_room(1_000_000, now=0)
        quota.take(1_000_000, now=0)
    assert quota.outstanding == 10_000


def test_no_more_requests_are_out_at_once_than_max_concurrency() -> None:
    quota = Quota(Backed(name="x", max_concurrency=2))
    charges = [quota.take(1, 0), quota.take(1, 0)]
    assert not quota.has_room(1, 0)
    quota.give_back(charges[0], None, 1)
    assert quota.has_room(1, 1)


def test_no_more_requests_begin_in_any_minute_than_allowed() -> None:
    quota = Quota(Backed(name="x", requests_per_minute=3))
    for now in (0, 10, 59):
        assert quota.has_room(0, now)
        quota.give_back(quota.take(0, now), None, now)
    assert not quota.has_room(0, 59.9)
    assert quota.has_room(0, 60)
    quota.take(0, 60)
    assert not quota.has_room(0, 69.9)
    assert quota.has_room(0, 70)


def test_a_limit_of_requests_holds_at_random_times() -> None:
    rng, begun, now = random.Random(1), list[float](), 0.0
    quota = Quota(Backed(name="x", requests_per_minute=20))
    for _ in range(2_000):
        now += rng.expovariate(1)
        if quota.has_room(0, now):
            quota.give_back(quota.take(0, now), None, now)
            begun.append(now)
    assert all(later - earlier >= 60 for earlier, later in zip(begun, begun[20:], strict=False))
    assert len(begun) > 0.9 * 20 * now / 60


def test_tokens_are_charged_by_the_prompt_at_first_and_by_the_service_at_the_end() -> None:
    quota = Quota(Backed(name="x", tokens_per_minute=100))
    charge = quota.take(30, now=0)
    assert quota.has_room(70, 0)
    assert not quota.has_room(71, 0)
    quota.give_back(charge, Usage(prompt_tokens=20, completion_tokens=60), now=5)
    assert not quota.has_room(30, 5)
    assert quota.has_room(10, 5), "80 were used, and an answer is expected to take 6"
    assert quota.has_room(30, 60), "the 30 of the prompt were charged at 0, the 50 beyond them at 5"
    assert quota.free(64) > 0


def test_an_estimate_that_was_too_high_is_given_back() -> None:
    quota = Quota(Backed(name="x", tokens_per_minute=100))
    charge = quota.take(100, now=0)
    assert not quota.has_room(50, 1)
    quota.give_back(charge, Usage(prompt_tokens=10, completion_tokens=0), now=1)
    assert quota.has_room(50, 1)


def test_an_answer_is_expected_to_be_as_long_as_the_latest_ones() -> None:
    quota = Quota(Backed(name="x", tokens_per_minute=100_000))
    for _ in range(60):
        quota.give_back(quota.take(10, 0), Usage(prompt_tokens=10, completion_tokens=500), 0)
    assert 490 < quota.take(10, 0).tokens - 10 <= 500


def test_a_request_larger_than_the_whole_limit_has_a_minute_of_its_own() -> None:
    quota = Quota(Backed(name="x", tokens_per_minute=100))
    assert quota.has_room(500, now=0)
    quota.take(500, now=0)
    assert not quota.has_room(1, 59)
    assert quota.has_room(500, 60)


def test_what_rounding_leaves_does_not_keep_a_request_of_the_whole_limit_waiting() -> None:
    rng, now = random.Random(3), 0.0
    for _ in range(50):
        quota = Quota(Backed(name="x", tokens_per_minute=1000))
        for _ in range(200):
            now += rng.random() * 2
            charge = quota.take(rng.randrange(400) / 4, now)
            quota.give_back(charge, Usage(rng.randrange(10, 90), rng.randrange(1, 200)), now)
        assert quota.has_room(5000, now + 61)


def test_a_token_is_about_four_characters_of_the_prompt() -> None:
    assert prompt_tokens(Prompt((Message("system", "x" * 40), Message("user", "y" * 60)))) == 25


def test_a_place_held_for_a_trial_goes_to_nobody_else() -> None:
    quota = Quota(Backed(name="x", max_concurrency=1))
    quota.held += 1
    assert not quota.has_room(0, 0)
    assert quota.has_held_room(0)
    quota.take(0, 0)
    assert not quota.has_held_room(0)


def test_a_promise_that_is_not_kept_lapses() -> None:
    desk = Desk(House({"one": ["x"]}).backends["x"], Quota(Backed(name="x", max_concurrency=1)))
    promises = Promises({"one": [desk]})
    promises.make("one", now=0)
    assert not desk.can_take_one(0, now=0)
    promises.forget(KEPT_SECONDS - 0.1)
    assert desk.promised == 1
    promises.forget(KEPT_SECONDS)
    assert desk.can_take_one(0, now=0)
    assert not promises.keep("one")


# Waiting


async def served(house: House, name: str) -> Cue:
    return await soon(house.backends[name].asked())


async def lines_up(house: House, count: int, model: str = "one") -> "list[asyncio.Task[Heard]]":
    """So many requests for the model, one after the other."""
    tasks = []
    for _ in range(count):
        tasks.append(house.asks(model))
        await asyncio.sleep(0)
    return tasks


async def test_a_request_over_the_limit_waits_and_is_told_how_many_are_ahead() -> None:
    house = House({"one": ["x"]}, backends={"x": ONE})
    tasks = await lines_up(house, 3)
    assert (house.state("x").outstanding, house.state("x").waiting) == (1, 2)
    (await served(house, "x")).end()
    (await served(house, "x")).end()
    (await served(house, "x")).end()
    heard = [await soon(task) for task in tasks]
    assert [h.ahead[:1] for h in heard] == [[], [0], [1]]
    assert (house.state("x").outstanding, house.state("x").waiting) == (0, 0)


async def test_those_who_wait_are_told_when_they_move_up() -> None:
    house = House({"one": ["x"]}, backends={"x": ONE})
    tasks = await lines_up(house, 4)
    cue = await served(house, "x")
    cue.end()
    cue = await served(house, "x")
    await soon(house.under_way[tasks[3]].moved.wait())
    cue.end()
    for _ in range(2):
        (await served(house, "x")).end()
    heard = [await soon(task) for task in tasks]
    assert heard[3].ahead[:2] == [2, 1]


async def test_a_thousand_requests_at_a_backend_of_eight_are_served_in_order_and_never_nine_at_once() -> None:
    house = House({"one": ["x"]}, backends={"x": {"max_concurrency": 8}}, router={"queue_length": 1000})
    tasks = [asyncio.create_task(house.hears("one", f"{number}")) for number in range(1000)]
    order, most = [], 0
    for _ in range(1000):
        cue = await served(house, "x")
        most = max(most, house.state("x").outstanding)
        order.append(int(cue.prompt.messages[-1].content))
        cue.end()
    await soon(asyncio.gather(*tasks))
    assert most == 8
    assert order == list(range(1000))


async def test_whoever_needs_another_backend_is_not_held_up() -> None:
    house = House({"one": ["x"], "two": ["y"]}, backends={"x": ONE})
    tasks = [*await lines_up(house, 2), *await lines_up(house, 1, "two")]
    (await served(house, "y")).end()
    assert (await soon(tasks[2])).error is None
    for _ in range(2):
        (await served(house, "x")).end()
    await soon(asyncio.gather(*tasks))


async def test_nobody_overtakes_who_could_use_the_same_backend() -> None:
    house = House({"both": ["x", "y"], "one": ["x"]}, backends={"x": ONE, "y": ONE})
    busy = await lines_up(house, 2, "both")
    cues = [await served(house, "x"), await served(house, "y")]
    early, late = (await lines_up(house, 1, "both")), (await lines_up(house, 1, "one"))
    cues[0].end()  # x is free: it goes to whoever came first, though only the other one needs x and no other
    again = await served(house, "x")
    again.end()
    assert (await soon(early[0])).backends == ["x"]
    (await served(house, "x")).end()
    cues[1].end()
    await soon(asyncio.gather(*busy, *late))


async def test_a_prompt_that_has_to_wait_for_its_tokens_is_not_overtaken_by_a_shorter_one() -> None:
    house = House({"one": ["x"]}, backends={"x": {"tokens_per_minute": 100}})
    spent = asyncio.create_task(house.hears("one", "a" * 200))
    cue = await served(house, "x")
    cue.end(Usage(50, 0, "stop"))
    await soon(spent)
    long = asyncio.create_task(house.hears("one", "b" * 400))
    await asyncio.sleep(0)
    short = asyncio.create_task(house.hears("one", "c"))
    await asyncio.sleep(0)
    assert (house.state("x").outstanding, house.state("x").waiting) == (0, 2)
    long.cancel()
    (await served(house, "x")).end()
    assert (await soon(short)).error is None


async def test_whoever_waits_too_long_is_told_so() -> None:
    house = House({"one": ["x"]}, backends={"x": ONE}, router={"queue_seconds": BRIEF})
    tasks = await lines_up(house, 2)
    heard = await soon(tasks[1])
    assert isinstance(heard.error, BackendBusy)
    assert "no backend was free in time" in str(heard.error)
    assert house.state("x").waiting == 0
    (await served(house, "x")).end()
    await soon(tasks[0])


async def test_whoever_goes_away_while_waiting_leaves_no_gap() -> None:
    house = House({"one": ["x"]}, backends={"x": ONE})
    tasks = await lines_up(house, 3)
    tasks[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]
    (await served(house, "x")).end()
    (await served(house, "x")).end()
    await soon(asyncio.gather(tasks[0], tasks[2]))
    assert (house.state("x").outstanding, house.state("x").waiting) == (0, 0)


async def test_a_place_is_not_lost_with_someone_who_goes_as_it_is_given_to_them() -> None:
    house = House({"one": ["x"]}, backends={"x": ONE})
    tasks = await lines_up(house, 3)
    cue = await served(house, "x")
    cue.end()
    await tasks[0]  # the place is given to the second, who has not noticed yet
    tasks[1].cancel()
    cue = await served(house, "x")
    if cue.cancelled.is_set() or cue.prompt is not house.backends["x"].prompts[-1]:
        cue = await served(house, "x")  # the second had just begun
    cue.end()
    assert (await soon(tasks[2])).error is None
    assert house.state("x").outstanding == 0


async def test_who_waits_for_a_backend_that_fails_is_told_at_once() -> None:
    house = House({"one": ["x"]}, backends={"x": ONE})
    tasks = await lines_up(house, 2)
    (await served(house, "x")).fail(BackendUnreachable("gone"))
    assert isinstance((await soon(tasks[1])).error, BackendUnreachable)
    assert len(house.backends["x"].prompts) == 1


async def test_who_waits_for_a_backend_that_is_over_its_rate_goes_on_waiting() -> None:
    house = House({"one": ["x"]}, backends={"x": ONE}, router={"backoff_seconds": BRIEF})
    tasks = await lines_up(house, 2)
    (await served(house, "x")).fail(BackendBusy("429"))
    trial = await served(house, "x")
    trial.say("Hello.")
    await trial.cancelled.wait()
    (await served(house, "x")).end()
    assert (await soon(tasks[1])).error is None
    assert isinstance((await soon(tasks[0])).error, BackendBusy)


async def test_time_in_the_queue_counts_towards_no_limit_of_the_answer() -> None:
    house = House({"one": ["x"]}, backends={"x": ONE}, first_token_seconds=0.3, answer_seconds=0.3)
    tasks = await lines_up(house, 2)
    cue = await served(house, "x")
    await asyncio.wait(tasks, timeout=0.2)
    cue.end()
    cue = await served(house, "x")
    await asyncio.wait([tasks[1]], timeout=0.2)
    cue.end()
    assert (await soon(tasks[1])).error is None


# No room


async def test_a_request_beyond_the_bound_is_refused() -> None:
    house = House({"one": ["x"]}, backends={"x": ONE}, router={"queue_length": 2})
    tasks = await lines_up(house, 4)
    heard = await soon(tasks[3])
    assert isinstance(heard.error, BackendBusy)
    assert "router.queue_length" in str(heard.error)
    for _ in range(3):
        (await served(house, "x")).end()
    await soon(asyncio.gather(*tasks))


async def test_a_model_whose_queues_are_full_is_not_drawn() -> None:
    house = House({"one": ["x"], "two": ["y"], "three": ["z"]}, backends={"x": ONE}, router={"queue_length": 1})
    tasks = await lines_up(house, 1)
    assert "one" in house.router.weights()
    tasks += await lines_up(house, 1)
    assert house.router.weights() == {"two": 1, "three": 1}
    for _ in range(2):
        (await served(house, "x")).end()
    await soon(asyncio.gather(*tasks))
    assert "one" in house.router.weights()


async def test_where_too_few_have_room_the_draw_is_refused_as_busy() -> None:
    house = House({"one": ["x"], "two": ["y"]}, backends={"x": ONE}, router={"queue_length": 0})
    tasks = await lines_up(house, 1)
    with pytest.raises(Unavailable, match=r"busy: every place is taken.*try again in a moment"):
        house.router.draw()
    assert house.router.can_draw, "busy is not down"
    with pytest.raises(Unavailable, match="busy"):
        house.router.check_room("two", "one")
    house.router.check_room("two")
    (await served(house, "x")).end()
    await soon(asyncio.gather(*tasks))
    assert house.router.draw()


async def test_a_crowd_that_comes_in_one_moment_is_not_let_in_by_the_same_place() -> None:
    house = House({"one": ["x"], "two": ["y"]}, backends={"x": ONE, "y": ONE}, router={"queue_length": 1})
    for _ in range(2):
        assert house.router.draw()
        with house.router.places("one", "two"):
            pass
    with pytest.raises(Unavailable):
        house.router.draw()
    tasks = [task for model in ("one", "two") for task in await lines_up(house, 2, model)]
    for name in ("x", "y"):
        for _ in range(2):
            (await served(house, name)).end()
    assert all(heard.error is None for heard in await soon(asyncio.gather(*tasks)))


def test_a_place_kept_for_what_was_refused_is_given_up() -> None:
    house = House({"one": ["x"], "two": ["y"]}, backends={"x": ONE}, router={"queue_length": 0})
    with pytest.raises(ZeroDivisionError), house.router.places("one"):
        raise ZeroDivisionError
    assert house.router.draw()


# Which backend


async def test_load_is_relative_to_capacity() -> None:
    house = House({"one": ["x", "y"]}, backends={"x": {"capacity": 3.0}})
    tasks = [house.asks() for _ in range(40)]
    await asyncio.sleep(0)
    assert [house.state(name).outstanding for name in ("x", "y")] == [30, 10]
    for name, count in (("x", 30), ("y", 10)):
        for _ in range(count):
            (await served(house, name)).end()
    await soon(asyncio.gather(*tasks))


async def test_the_lottery_draws_by_capacity_among_those_with_room() -> None:
    house = House(
        {"one": ["x", "y", "z"]},
        router={"policy": "lottery"},
        backends={"x": {"capacity": 3.0}, "z": {"capacity": 1000.0, "max_concurrency": 1}},
    )
    tasks = [house.asks() for _ in range(401)]
    await asyncio.sleep(0)
    x, y, z = (house.state(name).outstanding for name in ("x", "y", "z"))
    assert z == 1
    assert 270 < x < 330
    for name, count in (("x", x), ("y", y), ("z", 1)):
        for _ in range(count):
            (await served(house, name)).end()
    await soon(asyncio.gather(*tasks))
