"""`arena` as a process of its own: started on a free port, listened to, played with, and killed.

What only a real process can show: a kill, a signal, a full disk, an exit status. Its models recite scripts.
"""

import asyncio
import json
import os
import re
import resource
import sqlite3
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from arena import config as configuration
from tests.house import House, Visitor, tables

CHECKOUT = Path(__file__).parent.parent
PATIENCE_SECONDS = 30
"""How long a test waits for a process that does not do what it should."""


def scripted(*answers: str, words_per_second: float | None = None, **changes: Any) -> dict[str, Any]:
    """config.toml, decoded, of an arena whose two models recite these answers at this speed."""
    arena = tables(live={}, server={"port": 0})
    for provider, answer in zip(arena["providers"], answers, strict=True):
        provider |= {"answer": answer}
        if words_per_second:
            provider |= {"words_per_second": words_per_second}
    return arena | changes


def counted(words: int, name: str = "w") -> str:
    """An answer of numbered words, by which a test sees how far it has come: w1 w2 w3 …"""
    return " ".join(f"{name}{number}" for number in range(1, words + 1))


def write_config(folder: Path, decoded: Mapping[str, Any]) -> Path:
    """Write config.toml into `folder`."""
    file = folder / "config.toml"
    file.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in decoded.items()), "utf-8")
    return file


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


@dataclass
class Finished:
    """A command that has come to its end."""

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def complaint(self) -> str:
        """The one line in which a command says why it does not go on."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert self.status == 2
        return lines[0]


async def run(folder: Path, *arguments: str, stdin: bytes = b"", **environ: str) -> Finished:
    """Run `arena …` in `folder` to its end, with `stdin` to read."""
    process = await _start(folder, arguments, environ, out=PIPE)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, err = await process.communicate(stdin)
    finally:
        await _end(process)
    return Finished(process.returncode or 0, out, err.decode())


@dataclass
class Served:
    """A running `arena serve`: what it says on its error output, and where it serves."""

    folder: Path
    process: Process
    said: list[str] = field(default_factory=list)
    url: str = ""
    _reader: asyncio.Task[None] | None = None
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def says(self, words: str) -> str:
        """The first line with these words, as soon as it is said. Fails where the process ends without."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: self._line(words) is not None or self._is_silent)
        line = self._line(words)
        assert line is not None, f"it ended without saying “{words}”:\n" + "\n".join(self.said)
        return line

    async def kill(self) -> None:
        """kill -9, and wait until nothing is left of it."""
        self.process.kill()
        await self.ended()

    async def ended(self) -> int:
        """Its exit status, once it has ended by itself; negative where a signal ended it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            status = await self.process.wait()
            if self._reader:
                await self._reader
        return status

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Let no file of the process grow: what it writes past a file's first byte is refused."""
        limits = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (1, limits[1]))
        yield
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, limits)

    @asynccontextmanager
    async def guest(self, cookies: httpx.Cookies | None = None) -> AsyncIterator["Guest"]:
        """Somebody who plays here: a newcomer, or with `cookies` one who has been here before."""
        house = House(self.url, Starlette(), configuration.read(self.folder / "config.toml"), {})
        async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_SECONDS, cookies=cookies) as http:
            yield Guest(house, http)

    async def listen(self) -> None:
        """Keep what the process says, and learn from it where it serves."""
        self._reader = asyncio.create_task(self._read())
        found = re.search(r"http://\S+$", await self.says("the arena is open"))
        assert found
        self.url = found[0].replace("0.0.0.0", "127.0.0.1")

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            async with self._news:
                self.said.append(line.decode().rstrip("\n"))
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    @property
    def _is_silent(self) -> bool:
        assert self.process.stderr is not None
        return self.process.stderr.at_eof()

    def _line(self, words: str) -> str | None:
        return next((line for line in self.said if words in line), None)


class Guest(Visitor):
    """Somebody who plays with a process, and knows of its battles only what they are shown."""

    async def begins(self, prompt: str = "Why is the sky blue?") -> None:
        """Start a battle."""
        reply = await self.posts("/conversations", prompt=prompt)
        assert reply.status_code == 303, reply.text
        self.path = reply.headers["location"]

    async def reads(self) -> None:
        """Watch the answers to their end, which may have come already."""
        reply = await self.gets(f"{self.path}/events")
        assert "event: done" in reply.text, reply.text

    async def returns(self, served: Served, stack: AsyncExitStack) -> "Guest":
        """The same person, with the same cookies, at another process."""
        guest = await stack.enter_async_context(served.guest(self.http.cookies))
        guest.path = self.path
        return guest


@asynccontextmanager
async def serve(
    folder: Path, decoded: Mapping[str, Any] | None = None, *arguments: str, **environ: str
) -> AsyncIterator[Served]:
    """A running `arena serve` in `folder`, with this configuration or the one that is there; killed at the end."""
    if decoded is not None:
        write_config(folder, decoded)
    process = await _start(folder, ("serve", *arguments), environ, out=DEVNULL)
    served = Served(folder, process)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await served.listen()
            yield served
    except BaseException as exc:
        exc.add_note("\n".join(["The server said:", *served.said]))
        raise
    finally:
        await _end(process)
        await served.ended()


async def _start(folder: Path, arguments: tuple[str, ...], environ: Mapping[str, str], out: int) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "arena", *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **environ},
        stdin=DEVNULL if out == DEVNULL else PIPE,
        stdout=out,
        stderr=PIPE,
    )


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


def kept(folder: Path, question: str, *values: Any) -> list[tuple[Any, ...]]:
    """What the database in `folder` answers, read past the arena."""
    with closing(sqlite3.connect(folder / "arena.db")) as database:
        return database.execute(question, values).fetchall()
