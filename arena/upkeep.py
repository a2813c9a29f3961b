"""What a server does by itself, again and again.

It counts votes whose names nobody asks for, packs ballots for boards to be read from, deletes unsent files. All
begins when the server starts, with what is left over from before.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from arena.config import Config
from arena.errors import StoreError
from arena.store import Store

log = logging.getLogger(__name__)

OVERLAP = timedelta(hours=1)  # of votes that are looked through again, in case the clock has been set back
LONGEST_PAUSE = 10.0  # seconds between two looks at votes
UNSENT_FOR = timedelta(days=1)  # as long files wait for their prompt
SWEEP_SECONDS = 1800.0


class Upkeep:
    """Votes of battles whose names stay hidden, ballots, and files that were handed in and never sent."""

    def __init__(self, config: Config, store: Store) -> None:
        self._wait = timedelta(seconds=config.blind.count_after_seconds)
        self._store = store
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin with all of it, in the background."""
        self._tasks = [asyncio.create_task(self._count_regularly()), asyncio.create_task(self._sweep_regularly())]

    async def close(self) -> None:
        """Stop them: the next start goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def settle(self, now: datetime, after: datetime) -> datetime:
        """Count votes that are due by now, cast since `after`; returns from when on to look next time."""
        before = now - self._wait
        try:
            settled = await self._store.booth.settle(after, before)
        except StoreError as exc:
            log.error("votes whose names nobody asked for could not be counted yet: %s", exc)
            return after
        if settled:
            log.info("%d votes whose names nobody asked for are counted", settled)
        return before - OVERLAP

    async def pack(self) -> None:
        """Pack the ballots that are many enough by now."""
        try:
            if chunks := await self._store.box.pack():
                log.info("%d more parts of the ballots are packed for boards", chunks)
        except StoreError as exc:
            log.error("ballots could not be packed yet, so boards read them more slowly: %s", exc)

    async def sweep(self, now: datetime) -> None:
        """Delete files that have waited for a day by now, and pictures that no conversation has any more."""
        try:
            if count := await self._store.attachments.sweep(now - UNSENT_FOR):
                log.info("%d files that were never sent, and pictures that nobody has, were deleted", count)
        except StoreError as exc:
            log.error("files that were never sent could not be deleted yet: %s", exc)

    async def _count_regularly(self) -> None:
        after = datetime.min.replace(tzinfo=UTC)
        while True:
            after = await self.settle(datetime.now(UTC), after)
            await self.pack()
            await asyncio.sleep(min(LONGEST_PAUSE, self._wait.total_seconds() / 2))

    async def _sweep_regularly(self) -> None:
        while True:
            await self.sweep(datetime.now(UTC))
            await asyncio.sleep(SWEEP_SECONDS)
