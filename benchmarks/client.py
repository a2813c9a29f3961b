"""Drives whole battles against a running arena in front of `benchmarks.upstream`, as cheaply as Python can.

A battle is what a visitor's browser does, without the assets: post the prompt, read the page, watch the
stream to its end, vote, read the page with the names. All start evenly over one second. What came back is
looked at closely only when all are over. Knows nothing of how the server was started.

    python -m benchmarks.client --url http://127.0.0.1:8000 --battles 10 --name "One" --name "Two"
"""

import argparse
import asyncio
import gc
import html
import re
import sys
import time
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import urlsplit

import httptools
import msgspec
import uvloop

from benchmarks.upstream import CLOSING, OPENINGS

GRACE = 0.5
"""Seconds a stream has to end after it said that it is done, before the connection is given up."""

_EVENTS = re.compile(rb'hx-sse:connect="([^"]+)"')
_UNSEEN = re.compile(
    r"<(script|style|template|textarea|title|head)\b.*?</\1>|<!--.*?-->", re.DOTALL | re.IGNORECASE
)
_TAG = re.compile(r"<[^>]*>")

Sink = Callable[[bytes], bool]
"""Takes a piece of a body as it arrives; true once nothing more is wanted."""


class Broken(Exception):
    """A battle that is not whole; the message says where it broke."""


class Sizes(msgspec.Struct):
    """Bytes received, heads and framing included. `other`: replies to the posts, the page after the vote."""

    page: int = 0
    events: int = 0
    other: int = 0


class Battle(msgspec.Struct):
    """What one battle measured. Times run from just before the prompt was posted, connecting included.

    `first_ms` is when one side's first word was here, `both_ms` when both sides' were.
    """

    first_ms: float | None = None
    both_ms: float | None = None
    total_s: float | None = None
    sizes: Sizes = msgspec.field(default_factory=Sizes)
    voted: bool = False
    error: str | None = None


class Report(msgspec.Struct):
    """All battles of one run, and what driving them cost this process."""

    battles: list[Battle]
    cpu_seconds: float


class Reply(msgspec.Struct):
    """A response. `size` is what it took on the wire; `body` stays empty where a sink took it."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = msgspec.field(default_factory=list)
    body: bytes = b""
    size: int = 0

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection, one request at a time."""

    is_open = True

    def __init__(self) -> None:
        self._parser: httptools.HttpResponseParser | None = None
        self._transport: asyncio.Transport | None = None

    async def ask(self, request: bytes, sink: Sink | None) -> Reply:
        """The reply to a request, once all of it is here or the sink wants no more."""
        assert self._transport is not None
        self._sink = sink
        self._reply = Reply()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._enough = False
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)
        await self._over
        return self._reply

    def close(self) -> None:
        self.is_open = False
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._parser and not self._over.done():
            self._over.set_exception(Broken("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._over.done():
            self.close()
            return
        self._reply.size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self.close()
            self._over.set_exception(Broken(f"not HTTP: {exc}"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._reply.headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self._reply.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        if self._sink is None:
            self._reply.body += body
        elif self._sink(body) and not self._enough:
            self._enough = True
            asyncio.get_running_loop().call_later(GRACE, self._give_up, self._over)

    def on_message_complete(self) -> None:
        assert self._parser is not None
        if not self._parser.should_keep_alive():
            self.close()
        if not self._over.done():
            self._over.set_result(None)

    def _give_up(self, over: asyncio.Future[None]) -> None:
        if not over.done():
            over.set_result(None)
            self.close()


class Visitor:
    """Somebody with one connection at a time and a cookie."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._cookies: dict[bytes, bytes] = {}
        self._connection: Connection | None = None

    async def get(self, path: str, sink: Sink | None = None) -> Reply:
        return await self._ask(b"GET %b HTTP/1.1\r\n" % path.encode(), b"", sink)

    async def post(self, path: str, body: bytes, kind: str, sink: Sink | None = None) -> Reply:
        lines = b"POST %b HTTP/1.1\r\ncontent-type: %b\r\ncontent-length: %d\r\n"
        return await self._ask(lines % (path.encode(), kind.encode(), len(body)), body, sink)

    def leave(self) -> None:
        if self._connection:
            self._connection.close()

    async def _ask(self, lines: bytes, body: bytes, sink: Sink | None) -> Reply:
        head = b"%bhost: %b:%d\r\naccept: */*\r\n" % (lines, self._host.encode(), self._port)
        if self._cookies:
            head += b"cookie: %b\r\n" % b"; ".join(b"%b=%b" % pair for pair in self._cookies.items())
        reply = await (await self._connected()).ask(head + b"\r\n" + body, sink)
        for key, value in reply.headers:
            if key.lower() == b"set-cookie":
                name, _, content = value.partition(b";")[0].partition(b"=")
                self._cookies[name] = content
        return reply

    async def _connected(self) -> Connection:
        if self._connection is None or not self._connection.is_open:
            loop = asyncio.get_running_loop()
            _, self._connection = await loop.create_connection(Connection, self._host, self._port)
        return self._connection


class Watch:
    """Looks for the sides' first words, and for the word that ends a stream, in bytes as they arrive."""

    def __init__(self, openings: int, ending: bytes) -> None:
        self.seen: list[float] = []
        self.ended: float | None = None
        self._openings = openings
        self._awaited = [opening.encode() for opening in OPENINGS]
        self._ending = ending
        self._tail = b""

    def __call__(self, data: bytes) -> bool:
        recent = self._tail + data
        if len(self.seen) < self._openings:
            for opening in [opening for opening in self._awaited if opening in recent]:
                self._awaited.remove(opening)
                self.seen.append(time.perf_counter())
        if self.ended is None and self._ending in recent:
            self.ended = time.perf_counter()
        self._tail = recent[-16:]
        return self.ended is not None


FORM = "application/x-www-form-urlencoded"


class Battler:
    """One whole battle: `battle` is filled while it runs, and judged by `check` when all are over."""

    def __init__(self, url: str) -> None:
        self.battle = Battle()
        self._visitor = Visitor(url)
        self._blind = self._named = b""

    async def run(self) -> None:
        try:
            await self._run()
        finally:
            self._visitor.leave()

    async def _run(self) -> None:
        began = time.perf_counter()
        watch = Watch(2, b"event: done")
        posted = await self._visitor.post("/conversations", b"prompt=How+do+ships+find+their+way%3F", FORM)
        self.battle.sizes.other += posted.size
        page = _location(posted, "post of the prompt")
        shown = await self._visitor.get(page)
        self.battle.sizes.page = shown.size
        _expect(shown, 200, "the page")
        self._blind = shown.body
        watch(shown.body)
        if found := _EVENTS.search(shown.body):
            events = await self._visitor.get(html.unescape(found[1].decode()), watch)
            self.battle.sizes.events = events.size
            _expect(events, 200, "the events")
        _note(self.battle, began, watch)
        voted = await self._visitor.post(f"{page}/vote", b"choice=a", FORM)
        self.battle.sizes.other += voted.size
        page = _location(voted, "the vote")
        self.battle.voted = True
        named = await self._visitor.get(page)
        self.battle.sizes.other += named.size
        _expect(named, 200, "the page after the vote")
        self._named = named.body

    def check(self, names: list[str]) -> str | None:
        """Why the battle was not whole, or nothing."""
        after = _visible(self._named)
        if early := [name for name in names if name.encode() in self._blind]:
            return f"the page names {early[0]} before the vote"
        if (shown := sum(name in after for name in names)) != 2:
            return f"{shown} names after the vote"
        if (whole := after.count(CLOSING)) != 2:
            return f"{whole} whole answers after the vote"
        if (sides := sum(opening in after for opening in OPENINGS)) != 2:
            return f"{sides} openings after the vote"
        return None


class Listener:
    """Two streams straight from the upstream: what a battle takes with nothing in between."""

    def __init__(self, url: str, models: list[str]) -> None:
        self.battle = Battle()
        self._sides = [(Visitor(url), model, Watch(1, b"data: [DONE]")) for model in models[:2]]

    async def run(self) -> None:
        began = time.perf_counter()
        both = Watch(2, b"")
        try:
            await asyncio.gather(*(self._listen(*side) for side in self._sides))
        finally:
            for visitor, _, watch in self._sides:
                visitor.leave()
                both.seen += watch.seen
                both.ended = max(both.ended or 0, watch.ended or 0) or None
        both.seen.sort()
        _note(self.battle, began, both)

    async def _listen(self, visitor: Visitor, model: str, watch: Watch) -> None:
        wanted = {"model": model, "stream": True, "messages": [{"role": "user", "content": "How?"}]}
        body = msgspec.json.encode(wanted)
        reply = await visitor.post("/v1/chat/completions", body, "application/json", watch)
        _expect(reply, 200, "a completion")
        self.battle.sizes.events += reply.size

    def check(self, names: list[str]) -> str | None:
        return None if self.battle.both_ms else "no first word"


def _note(battle: Battle, began: float, watch: Watch) -> None:
    battle.total_s = (watch.ended or time.perf_counter()) - began
    if watch.seen:
        battle.first_ms = (watch.seen[0] - began) * 1000
    if len(watch.seen) == 2:
        battle.both_ms = (watch.seen[1] - began) * 1000


def _location(reply: Reply, what: str) -> str:
    _expect(reply, 303, what)
    address = urlsplit((reply.header(b"location") or b"").decode())
    if not address.path:
        raise Broken(f"{what}: no location")
    return address.path


def _expect(reply: Reply, status: int, what: str) -> None:
    if reply.status != status:
        raise Broken(f"{what}: {reply.status}")


def _visible(page: bytes) -> str:
    """The words a page shows, in a row."""
    text = _TAG.sub("", _UNSEEN.sub("", page.decode()))
    return " ".join(html.unescape(text).split())


async def drive(make: Callable[[], Battler | Listener], battles: int, names: list[str], timeout: float) -> Report:
    """Run that many at once, starting evenly over one second, and report on them."""
    visits = [make() for _ in range(battles)]
    began = asyncio.get_running_loop().time() + 0.05
    cpu = time.process_time()
    starts = [began + number / battles for number in range(battles)]
    await asyncio.gather(*(_at(start, visit, timeout) for start, visit in zip(starts, visits, strict=True)))
    cpu = time.process_time() - cpu
    for visit in visits:
        visit.battle.error = visit.battle.error or visit.check(names)
    return Report([visit.battle for visit in visits], cpu)


async def _at(start: float, visit: Battler | Listener, timeout: float) -> None:
    await asyncio.sleep(start - asyncio.get_running_loop().time())
    visit.battle.error = await _failure(visit.run(), timeout)


async def _failure(run: Awaitable[None], timeout: float) -> str | None:
    try:
        await asyncio.wait_for(run, timeout)
    except TimeoutError:
        return f"not over after {timeout:g} s"
    except (Broken, OSError) as exc:
        return str(exc)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client", description="Whole battles, all at once.")
    parser.add_argument("--url", required=True, help="where the arena (or, with --direct, the upstream) is")
    parser.add_argument("--battles", type=int, default=1)
    parser.add_argument("--name", action="append", default=[], help="a contender's name; give all of them")
    parser.add_argument(
        "--direct", action="append", default=[], help="a model id to ask the upstream for; give two"
    )
    parser.add_argument("--timeout", type=float, default=120, help="seconds a battle may take")
    options = parser.parse_args()

    def make() -> Battler | Listener:
        return Listener(options.url, options.direct) if options.direct else Battler(options.url)

    gc.disable()
    report = uvloop.run(drive(make, options.battles, options.name, options.timeout))
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")


if __name__ == "__main__":
    main()
