"""Waits that end: in time, too late, and when somebody else ends them."""

import asyncio

import pytest

from arena.patience import Patience


async def test_what_comes_in_time_is_given_out() -> None:
    patience = Patience()
    assert await patience.wait(asyncio.sleep(0, "here"), asyncio.get_running_loop().time() + 60) == "here"
    patience.close()


async def test_what_does_not_come_is_given_up_at_the_deadline() -> None:
    loop, patience = asyncio.get_running_loop(), Patience()
    deadline = loop.time() + 0.02
    with pytest.raises(TimeoutError):
        await patience.wait(asyncio.Event().wait(), deadline)
    assert deadline <= loop.time() < deadline + 5
    await asyncio.sleep(0)  # and nothing of the cancellation is left behind


async def test_a_later_deadline_counts_from_the_moment_it_is_set() -> None:
    loop, patience = asyncio.get_running_loop(), Patience()
    await patience.wait(asyncio.sleep(0), loop.time() + 0.01)
    assert await patience.wait(asyncio.sleep(0.05, "late but allowed"), loop.time() + 60)
    patience.close()


async def test_nothing_is_cancelled_between_two_waits() -> None:
    loop, patience = asyncio.get_running_loop(), Patience()
    await patience.wait(asyncio.sleep(0), loop.time() + 0.01)
    await asyncio.sleep(0.05)
    assert await patience.wait(asyncio.sleep(0, "still here"), loop.time() + 60)
    patience.close()


async def test_a_cancellation_from_outside_passes_through() -> None:
    patience = Patience()
    task = asyncio.create_task(patience.wait(asyncio.Event().wait(), asyncio.get_running_loop().time() + 60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    patience.close()
