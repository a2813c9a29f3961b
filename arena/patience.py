"""Ends a wait that takes too long, at next to no cost where waits are many and nearly all are short.

`asyncio.timeout` sets and takes back a timer for each wait: once for every few tokens of every answer. Here one
timer serves them all. It is looked at only when it rings, and then set again for as long as the present wait may
still take. Between two waits it cancels nothing, so it may live across the `yield`s of an asynchronous generator
(PEP 789).
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

REST_SECONDS = 1.0  # until the timer looks again when it rings between two waits


class Patience:
    """The waits of one task. Close it at the end."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None  # that waits now
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False

    async def wait(self, coming: Awaitable[T], deadline: float) -> T:
        """What is coming, or `TimeoutError` once the loop's clock shows `deadline`, which only ever moves on."""
        self._deadline = deadline
        self._task = asyncio.current_task()
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._ring)
        try:
            return await coming
        except asyncio.CancelledError as exc:
            if self._is_over and self._task is not None and self._task.uncancel() == 0:
                raise TimeoutError from exc
            raise
        finally:
            self._task = None

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        now = self._loop.time()
        if self._task is not None and now >= self._deadline:
            self._is_over = True
            self._task.cancel()
            return
        again = self._deadline if self._deadline > now else now + REST_SECONDS
        self._timer = self._loop.call_at(again, self._ring)
