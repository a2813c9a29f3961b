"""What many pages ask of the whole database, asked at most every few seconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Generic, TypeVar

from arena.store import Speed, Store

Found = TypeVar("Found")


class Kept(Generic[Found]):
    """The answer to a question, asked again only when it is older than `seconds`, and once for all who wait."""

    def __init__(
        self, ask: Callable[[], Awaitable[Found]], seconds: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._now = now
        self._turn = asyncio.Lock()
        self._found: tuple[float, Found] | None = None

    async def get(self) -> Found:
        """What the question brings. Raises what it raises."""
        async with self._turn:
            if self._found is None or self._now() - self._found[0] >= self._seconds:
                self._found = (self._now(), await self._ask())
            return self._found[1]


class Pulse:
    """How quickly models answer, and how many votes each day brings."""

    def __init__(self, store: Store, seconds: float) -> None:
        self.speeds: Kept[dict[str, Speed]] = Kept(store.box.speeds, seconds)
        self.days: Kept[dict[date, int]] = Kept(store.browse.votes_by_day, seconds)
