"""A router over backends that answer when the test says so, and what comes of a request."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Coroutine, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from arena.backend import Delta, Message, Status, Usage
from arena.config import parse
from arena.errors import BackendError
from arena.providers.script import Cue, CuedBackend
from arena.router import BackendState, Event, Handed, Observer, Router, Waiting

CHAT = (Message("user", "Why?"),)
PATIENCE = 10  # seconds: after these, what a test waits for will not come

T = TypeVar("T")
Table = dict[str, Any]


def soon(awaited: Awaitable[T]) -> Coroutine[Any, Any, T]:
    """What is awaited, or `TimeoutError` where it does not come."""
    return asyncio.wait_for(awaited, PATIENCE)


class House:
    """A router over cued backends: `models` are names, each with its backends; `settings` are those of all models.

    The other tables are as in config.toml; `backends` has the settings of backends, by name, `ids` the model id of
    each model.
    """

    def __init__(
        self,
        models: dict[str, list[str]],
        luck: int = 1,
        *,
        limits: Table | None = None,
        router: Table | None = None,
        backends: Mapping[str, Table] | None = None,
        ids: Mapping[str, str] | None = None,
        observer: Observer | None = None,
        **settings: Any,
    ) -> None:
        names = list(dict.fromkeys(name for found in models.values() for name in found))
        tables = {
            "providers": [{"name": name, "format": "script"} | (backends or {}).get(name, {}) for name in names],
            "models": [
                {"name": name, "backends": found} | ({"model_id": ids[name]} if ids else {}) | settings
                for name, found in models.items()
            ],
            "limits": limits or {},
            "router": router or {},
        }
        self.under_way: dict[asyncio.Task[Heard], Heard] = {}
        self.backends = {name: CuedBackend(name) for name in names}
        config = parse(tables, Path("config.toml"), {})
        self.router = Router(config, self.backends, random.Random(luck), observer)

    def become(self, **statuses: Status) -> None:
        for name, status in statuses.items():
            self.backends[name].become(status)

    def asks(self, model: str = "one") -> "asyncio.Task[Heard]":
        """A request for the model, under way."""
        heard = Heard()
        task = asyncio.create_task(self.hears(model, heard=heard))
        self.under_way[task] = heard
        return task

    def state(self, name: str) -> BackendState:
        """What an operator sees of this backend."""
        return next(state for state in self.router.backends() if state.name == name)

    async def hears(self, model: str = "one", prompt: str = "Why?", heard: "Heard | None" = None) -> "Heard":
        """The answer of the model, to its end."""
        heard = heard or Heard()
        try:
            async with aclosing(self.router.stream(model, (Message("user", prompt),))) as events:
                async for event in events:
                    heard.take(event)
        except BackendError as exc:
            heard.error = exc
        return heard

    async def asked(self) -> str:
        """The name of the backend that the next request is handed to; it answers at once."""
        task = self.asks()
        async with first(self.backends) as (name, cue):
            cue.end()
        await soon(task)
        return name


class Heard:
    """What came of one request."""

    def __init__(self) -> None:
        self.backends: list[str] = []
        self.ahead: list[int] = []
        self.moved = asyncio.Event()
        """Set once it has been told another position than its first."""
        self.text = ""
        self.usage: Usage | None = None
        self.error: BackendError | None = None

    def take(self, event: Event) -> None:
        match event:
            case Waiting(ahead):
                self.ahead.append(ahead)
                if len(self.ahead) > 1:
                    self.moved.set()
            case Handed(backend):
                self.backends.append(backend)
            case Delta(text):
                self.text += text
            case Usage():
                self.usage = event


@asynccontextmanager
async def first(backends: dict[str, CuedBackend]) -> AsyncIterator[tuple[str, Cue]]:
    """The backend that is asked first, and its cue."""
    waits = {asyncio.create_task(backend.asked()): name for name, backend in backends.items()}
    done, others = await asyncio.wait(waits, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    assert len(done) == 1, "not exactly one backend was asked"
    (found,) = done
    yield waits[found], found.result()
