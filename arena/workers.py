"""Programs of our own that read what strangers send: a process for each file, so many at once, ended in time.

A worker is told no secret and has nothing open but its input and output. What it limits itself to is its own
affair.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from arena.errors import Unavailable
from arena.words import _

WAITING = 8  # files in line for each that is being read; more are refused
_NEEDED = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")  # of the environment: no key is handed on
_PIECE = 65_536  # bytes


class Died(Exception):
    """A worker came to an early end: it had too little memory, ran into a limit, crashed or said too much."""


class Workers:
    """Workers that run one script."""

    def __init__(self, script: Path, at_once: int) -> None:
        self._script = script
        self._at_once = at_once
        self._places = asyncio.Semaphore(at_once)
        self._waiting = 0

    async def ask(self, data: bytes, *numbers: int, seconds: float, most: int) -> bytes:
        """What the script, given these numbers, says about a file: `most` bytes within so many seconds.

        Raises `Unavailable` where too many wait already, `TimeoutError`, `Died`.
        """
        if self._waiting >= WAITING * self._at_once:
            raise Unavailable(_("Many files are being read right now. Please try again in a moment."))
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            async with _process(self._script, numbers) as worker, asyncio.timeout(seconds):
                return await _talk(worker, data, most)
        finally:
            self._places.release()


async def _talk(worker: asyncio.subprocess.Process, data: bytes, most: int) -> bytes:
    assert worker.stdin is not None
    assert worker.stdout is not None
    with suppress(ConnectionError):  # it died before it had read all
        worker.stdin.write(data)
        await worker.stdin.drain()
    worker.stdin.close()
    said = bytearray()
    while piece := await worker.stdout.read(_PIECE):
        said += piece
        if len(said) > most:
            raise Died
    if await worker.wait():
        raise Died
    return bytes(said)


@asynccontextmanager
async def _process(script: Path, numbers: tuple[int, ...]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker, which is gone when the context ends, however it ends."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(script),
        *map(str, numbers),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _NEEDED if name in os.environ},
        cwd="/",
        start_new_session=True,
    )
    try:
        yield worker
    finally:
        if worker.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)  # `worker.kill()` would take its end from asyncio
            await asyncio.shield(worker.wait())
