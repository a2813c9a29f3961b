"""Many small writes of one kind in one transaction: those that come while one is being committed go together next.

A commit waits for the disk. With a hundred answers ending in the same second, one at a time would make the last of
them wait for all the others.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from arena.errors import StoreError

Row = dict[str, Any]


class Batch:
    """Collects rows and hands them to `write` together, which commits them or raises `StoreError` for all."""

    def __init__(self, write: Callable[[list[Row]], Awaitable[None]]) -> None:
        self._write = write
        self._waiting: list[tuple[Row, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, row: Row) -> None:
        """Returns when the row is on disk. Raises `StoreError`."""
        kept = asyncio.get_running_loop().create_future()
        self._waiting.append((row, kept))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        await kept

    async def close(self) -> None:
        """Wait until all that was added is written."""
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def _write_all(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting, []
            try:
                await self._write([row for row, _ in together])
            except StoreError as exc:
                _tell(together, exc)
            else:
                _tell(together, None)


def _tell(rows: list[tuple[Row, "asyncio.Future[None]"]], problem: StoreError | None) -> None:
    """Let everybody who still waits know how it went."""
    for _, kept in rows:
        if kept.done():
            continue
        if problem is None:
            kept.set_result(None)
        else:
            kept.set_exception(problem)
