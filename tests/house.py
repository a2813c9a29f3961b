"""An arena to test against: the real app behind a real server, whose models answer when the test says so."""

import asyncio
import logging
import re
import sqlite3
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from arena import config as configuration
from arena.app import create_app
from arena.config import Config
from arena.conversation import SIDES, Side
from arena.providers.script import Cue, CuedBackend
from arena.views.context import Context
from tests.servers import serving

MODELS = ("Aurora Prime", "Borealis Nine")


def tables(**changes: Any) -> dict[str, Any]:
    """config.toml, decoded, of an arena with two contenders on a backend each; `changes` replace whole tables."""
    backends = [name.split()[0].lower() for name in MODELS]
    return {
        "providers": [{"name": backend, "format": "script"} for backend in backends],
        "models": [
            {
                "name": name,
                "backends": [backend],
                "organisation": f"{name.split()[0]} Works",
                "description": f"The {name.split()[1]} of its kind.",
                "link": f"https://{backend}.example/card",
            }
            for name, backend in zip(MODELS, backends, strict=True)
        ],
        "live": {"flush_ms": 1, "checkpoint_seconds": 0.05},
    } | changes


def configure(folder: Path, **changes: Any) -> Config:
    """The configuration of `tables(**changes)`, as if it lay in `folder`."""
    return configuration.parse(tables(**changes), folder / "config.toml")


@dataclass
class House:
    """A running arena and its cued backends, by name."""

    url: str
    app: Starlette
    config: Config
    backends: dict[str, CuedBackend]

    @property
    def context(self) -> Context:
        found: Context = self.app.state.context
        return found

    @asynccontextmanager
    async def visitor(self, earlier: "Visitor | None" = None) -> AsyncIterator["Visitor"]:
        """A newcomer with cookies of their own; or an `earlier` visitor, back at their battle in another tab."""
        cookies = earlier.http.cookies if earlier else None
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=self.url, timeout=20, limits=limits, cookies=cookies) as http:
            yield Visitor(self, http, earlier.path if earlier else "")

    async def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask or change the database as another program does."""
        return await asyncio.to_thread(self._sql, statement)

    def _sql(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.config.path("arena.db"))) as database, database:
            return database.execute(statement).fetchall()


@dataclass
class Visitor:
    """Somebody who plays a battle over HTTP, as a browser without JavaScript would."""

    house: House
    http: httpx.AsyncClient
    path: str = ""
    received: list[bytes] = field(default_factory=list)

    async def starts(self, prompt: str = "Why is the sky blue?") -> dict[Side, Cue]:
        """Start a battle; returns each side's cue."""
        reply = await self.posts("/conversations", prompt=prompt)
        assert reply.status_code == 303, reply.text
        self.path = reply.headers["location"]
        return await self.cues()

    async def cues(self) -> dict[Side, Cue]:
        """The cues of both sides of the turn that has just been asked."""
        return {side: await self.backend(side).asked() for side in SIDES}

    def backend(self, side: Side) -> CuedBackend:
        """The backend behind a side: what no visitor can know."""
        turn = self.house.context.live.turn(self.key)
        assert turn is not None
        assert turn.conversation.pair is not None
        model = self.house.config.model(turn.conversation.pair.model(side))
        return self.house.backends[model.backends[0]]

    @property
    def key(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    async def asks(self, prompt: str) -> dict[Side, Cue]:
        """Go on with the battle; returns each side's cue."""
        reply = await self.posts(f"{self.path}/turns", prompt=prompt)
        assert reply.status_code == 303, reply.text
        return await self.cues()

    async def regenerates(self, side: Side) -> Cue:
        """Have one side answer again; returns its cue."""
        reply = await self.posts(f"{self.path}/regenerate", side=side)
        assert reply.status_code == 303, reply.text
        return await self.backend(side).asked()

    async def plays(
        self, prompt: str = "Why is the sky blue?", a: str = "Because A.", b: str = "Because B."
    ) -> None:
        """Start a battle and have both sides answer to the end."""
        await self.hears(await self.starts(prompt), a, b)

    async def hears(self, cues: dict[Side, Cue], a: str = "Because A.", b: str = "Because B.") -> None:
        """Have both sides answer to the end."""
        for side, text in zip(SIDES, (a, b), strict=True):
            cues[side].say(text)
            cues[side].end()
        await self.waits()

    async def waits(self) -> None:
        """Until no side of the battle is being written any more."""
        turn = self.house.context.live.turn(self.key)
        if turn is not None and turn.task is not None:
            await turn.task

    async def sees(self) -> str:
        """The battle's page."""
        reply = await self.gets(self.path)
        assert reply.status_code == 200, reply.text
        return reply.text

    async def votes(self, choice: str) -> httpx.Response:
        return await self.posts(f"{self.path}/vote", choice=choice)

    async def gets(self, path: str, **headers: str) -> httpx.Response:
        return self._note(await self.http.get(path, headers=headers))

    async def posts(self, path: str, /, **form: str) -> httpx.Response:
        return self._note(await self.http.post(path, data=form))

    async def sends(self, path: str, body: bytes | AsyncIterable[bytes], **headers: str) -> httpx.Response:
        """Post bytes as they are."""
        fields = {"content-type": "application/x-www-form-urlencoded"} | headers
        return self._note(await self.http.post(path, content=body, headers=fields))

    @asynccontextmanager
    async def watches(self, last_event_id: str = "", page: str = "") -> AsyncIterator["Stream"]:
        """The battle's stream: from where its page is, or from `last_event_id` as after a lost connection.

        `page` is what the browser shows by now; without it the page is loaded.
        """
        page = page or await self.sees()
        found = re.search(r'hx-sse:connect="([^"]+)"', page)
        assert found, "this page has no stream: nothing is being written"
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        async with self.http.stream("GET", unescape(found[1]), headers=headers) as reply:
            assert reply.status_code == 200
            self.received.append(str(reply.headers).encode())
            yield Stream(self, reply, page)

    def _note(self, reply: httpx.Response) -> httpx.Response:
        """Keep every byte that reached the visitor: what blindness is tested against."""
        self.received += [str(reply.headers).encode(), reply.content]
        return reply


@dataclass
class Event:
    """One message of a stream."""

    id: str = ""
    name: str = ""
    data: str = ""


class Stream:
    """A battle's stream, and the page as it stands after each message."""

    def __init__(self, visitor: Visitor, reply: httpx.Response, page: str) -> None:
        self.page = Screen(page)
        self.last_id = ""
        self._visitor = visitor
        self._events = self._read(reply)

    async def next(self) -> Event:
        """The next message, applied to the page. Raises `StopAsyncIteration` at the end of the stream."""
        event = await anext(self._events)
        self.page.apply(event.data)
        self.last_id = event.id or self.last_id
        return event

    async def until(self, words: str) -> None:
        """Read on until the page shows these words."""
        while words not in self.page.text:
            await self.next()

    async def to_the_end(self) -> list[Event]:
        """All that is still to come."""
        events = []
        while True:
            try:
                events.append(await self.next())
            except StopAsyncIteration:
                return events

    async def _read(self, reply: httpx.Response) -> AsyncIterator[Event]:
        event, lines = Event(), list[str]()
        async for line in reply.aiter_lines():
            self._visitor.received.append(line.encode())
            name, _, value = line.partition(": ")
            if name == "id":
                event.id = value
            elif name == "event":
                event.name = value
            elif name == "data":
                lines.append(value)
            elif not line and (lines or event.name):
                event.data = "\n".join(lines)
                yield event
                event, lines = Event(), []


class Screen:
    """What a browser shows: a page, to which the `<hx-partial>`s of a stream are applied as htmx does."""

    _PARTIAL = re.compile(r'<hx-partial hx-target="([^"]+)" hx-swap="([^"]+)">(.*?)</hx-partial>', re.DOTALL)

    def __init__(self, html: str) -> None:
        self.html = html

    @property
    def text(self) -> str:
        """The page without its markup."""
        return unescape(re.sub(r"<[^>]+>", "", self.html))

    def answer(self, side: Side, turn: int = 1) -> str:
        """The text of one answer, white space folded."""
        html = "".join(self.inside(f"t{turn}{side}-{part}") for part in ("blocks", "open"))
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())

    def apply(self, data: str) -> None:
        for target, swap, html in self._PARTIAL.findall(data):
            key, _, is_rest = target.removeprefix("#").partition(" ")
            start, end = self._span(key, is_inner=swap != "outerHTML")
            if is_rest:
                start = end = self.html.index('<span class="rest">', start) + self._rest_length(start)
            if swap == "beforeend":
                start = end
            self.html = self.html[:start] + html + self.html[end:]

    def inside(self, key: str) -> str:
        start, end = self._span(key, is_inner=True)
        return self.html[start:end]

    def _rest_length(self, start: int) -> int:
        begin = self.html.index('<span class="rest">', start)
        return self.html.index("</span>", begin) - begin

    def _span(self, key: str, *, is_inner: bool) -> tuple[int, int]:
        """Where the element of this id begins and ends."""
        opening = re.search(rf'<(\w+)[^>]*\bid="{re.escape(key)}"[^>]*>', self.html)
        assert opening, f"there is no #{key} on the page"
        depth = 1
        for tag in re.finditer(rf"<(/?){opening[1]}\b[^>]*>", self.html[opening.end() :]):
            depth += -1 if tag[1] else 1
            if depth == 0:
                inner = (opening.end(), opening.end() + tag.start())
                return inner if is_inner else (opening.start(), opening.end() + tag.end())
        raise AssertionError(f"#{key} is not closed")


@asynccontextmanager
async def open_house(
    folder: Path, backend: Callable[[str], CuedBackend] = CuedBackend, **changes: Any
) -> AsyncIterator[House]:
    """An arena in `folder`: a second one in the same folder is the same arena after a restart."""
    config = configure(folder, **changes)
    backends = {provider.name: backend(provider.name) for provider in config.providers}
    app = create_app(config, backends)
    async with serving(app) as url:
        yield House(url, app, config, backends)


def names(config: Config) -> Iterator[str]:
    """Every word of the configuration that could tell who is behind a side."""
    for model in config.models:
        yield from (model.name, *model.backends, model.organisation, model.description, model.link)
        yield from filter(None, (model.model_id, model.system_prompt, model.licence))


@asynccontextmanager
async def logged(words: str) -> AsyncIterator[None]:
    """Leaves its block once the log has a line with these words, as an operator sees it."""
    is_there = asyncio.Event()

    class Eye(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if words in record.getMessage():
                is_there.set()

    eye = Eye()
    logging.getLogger("arena").addHandler(eye)
    try:
        yield
        await is_there.wait()
    finally:
        logging.getLogger("arena").removeHandler(eye)


def other(side: Side) -> Side:
    return "b" if side == "a" else "a"
