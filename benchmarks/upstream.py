"""A mock of OpenAI's chat completions that costs next to nothing: what the arena is measured against.

Every answer is the same 200 tokens of Markdown, encoded once per model id. One timer serves all streams, each
token is one write, and a stream that is late catches up token by token. `POST /stats` tells how late it was.

A model id may say how it answers: `x@tokens=2000,tps=100,delay=.2,voice=1`. Voices differ in their opening
word only, so that a reader can tell two sides apart.

    python -m benchmarks.upstream --port 0      prints the port it got
"""

import argparse
import asyncio
import functools
import gc
import math
import re
import socket
import time
from dataclasses import dataclass
from itertools import cycle, islice
from typing import cast

import httptools
import msgspec
import uvloop

OPENINGS = ("Lighthouses", "Harbours", "Foghorns", "Buoys")
CLOSING = "paper never runs out of power."

_PROSE = (
    "OPENING guide ships by rhythm as much as by light. Each one repeats its own pattern, so a sailor who "
    "counts the seconds between two flashes knows which coast lies ahead, even when the night hides all "
    "that lies between."
)
_REST = """

## How to read a pattern

1. **Start** a watch at the first flash.
2. Count until the same flash *returns*.
3. Compare this period with the `chart`.

The last step is easily written down:

```python
def period(flashes):
    return flashes[-1] - flashes[0]
```

| Light | Colour | Period |
|---|---|---|
| North Point | white | 10 s |
| Gull Rock | red | 5 s |
| Sand Bar | green | 12 s |

A light that does not match the chart is **not** the light you hoped for, so slow down and take bearings.

"""
_END = "\n\nKeep a second chart aboard: " + CLOSING
_TOKEN = re.compile(r" ?\w+| ?[^\w\s]{1,3}|\s+")


@dataclass(frozen=True)
class Pace:
    """How a model answers: tokens in all and a second, seconds to the first, and which opening word."""

    tokens: int = 200
    tps: float = 50.0
    delay: float = 0.05
    voice: int = 0

    @classmethod
    def of(cls, model: str) -> "Pace":
        """What a model id asks for. Raises `ValueError`."""
        values = dict(pair.split("=", 1) for pair in model.partition("@")[2].split(",") if pair)
        pace = cls(
            tokens=int(values.pop("tokens", cls.tokens)),
            tps=float(values.pop("tps", cls.tps)),
            delay=float(values.pop("delay", cls.delay)),
            voice=int(values.pop("voice", cls.voice)),
        )
        if values:
            raise ValueError(f"a model id cannot set {', '.join(values)}")
        return pace

    @property
    def model(self) -> str:
        """The model id that asks for this pace."""
        return f"bench@tokens={self.tokens},tps={self.tps:g},delay={self.delay:g},voice={self.voice}"

    @property
    def seconds(self) -> float:
        """From the request to the end of the answer."""
        return self.delay + self.tokens / self.tps


def answer(pace: Pace) -> list[str]:
    """The answer's tokens: as many whole texts as fit, then plain prose, then the closing words."""
    opening = OPENINGS[pace.voice % len(OPENINGS)]
    prose = _TOKEN.findall(_PROSE.replace("OPENING", opening))
    text = prose + _TOKEN.findall(_REST)
    end = _TOKEN.findall(_END)
    if pace.tokens <= len(end):
        raise ValueError(f"an answer needs more than {len(end)} tokens")
    texts, left = divmod(pace.tokens - len(end), len(text))
    return text * texts + list(islice(cycle([*prose, " "]), left)) + end


@dataclass(frozen=True)
class Script:
    """What is written for one answer: a piece for each token, and the ending for either kind of request."""

    pace: Pace
    pieces: list[bytes]
    ending: bytes
    ending_with_usage: bytes


HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


@functools.cache
def script(model: str) -> Script:
    """What a model id says, encoded: server-sent events, each in a chunk of its own. Raises `ValueError`."""
    pace = Pace.of(model)
    words = answer(pace)
    pieces = [_choice(model, {"content": word}) for word in words]
    pieces[0] = HEAD + _choice(model, {"role": "assistant", "content": "", "refusal": None}) + pieces[0]
    finish = _choice(model, {}, "stop")
    counts = {
        "prompt_tokens": 20,
        "completion_tokens": len(words),
        "total_tokens": 20 + len(words),
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    done = _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    return Script(pace, pieces, finish + done, finish + _event(model, [], counts) + done)


def _choice(model: str, delta: dict[str, str | None], reason: str | None = None) -> bytes:
    return _event(model, [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}])


def _event(model: str, choices: list[object], usage: object = None) -> bytes:
    event = {
        "id": "chatcmpl-BkQ7mT2nVx0aZ9dLr5cYwE1hJs8Pu",
        "object": "chat.completion.chunk",
        "created": 1750000000,
        "model": model,
        "service_tier": "default",
        "system_fingerprint": "fp_62a23a81ef",
        "choices": choices,
        "usage": usage,
    }
    return _chunk(b"data: " + msgspec.json.encode(event) + b"\n\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Stats(msgspec.Struct):
    """Since the stats were last asked for. Lateness is a token's, against the moment it was due."""

    streams: int = 0
    aborted: int = 0
    tokens: int = 0
    late_ms_mean: float = 0.0
    late_ms_max: float = 0.0
    cpu_seconds: float = 0.0


class Stream:
    """One answer on its way: which token is next and when it is due (milliseconds)."""

    __slots__ = ("due", "ending", "exchange", "pieces", "position", "start", "step")

    def __init__(self, exchange: "Exchange", said: Script, ending: bytes) -> None:
        self.exchange = exchange
        self.pieces = said.pieces
        self.ending = ending
        self.position = 0
        self.step = 1000 / said.pace.tps
        self.start = self.due = _now() + said.pace.delay * 1000

    def advance(self) -> bool:
        """Write what is due. False once nothing is left to write."""
        if self.position == len(self.pieces):
            self.exchange.finish(self.ending)
            return False
        self.exchange.write(self.pieces[self.position])
        self.position += 1
        self.due = self.start + self.position * self.step
        return True


class Wheel:
    """Streams by the millisecond they are due, turned by one timer. A stream moves once a turn at most."""

    def __init__(self) -> None:
        self.stats = Stats()
        self._slots: dict[int, list[Stream]] = {}
        self._turned = 0
        self._cpu = time.process_time()

    def add(self, stream: Stream) -> None:
        self.stats.streams += 1
        if not self._slots:
            self._turned = int(_now())
            self._wait()
        self._put(stream)

    def read(self) -> Stats:
        """The stats so far; they start anew."""
        stats, self.stats = self.stats, Stats()
        stats.late_ms_mean /= max(stats.tokens, 1)
        now = time.process_time()
        stats.cpu_seconds, self._cpu = now - self._cpu, now
        return stats

    def _put(self, stream: Stream) -> None:
        slot = max(math.ceil(stream.due), self._turned + 1)
        self._slots.setdefault(slot, []).append(stream)

    def _wait(self) -> None:
        """Until the next millisecond, or not at all where it has begun."""
        loop = asyncio.get_running_loop()
        if int(_now()) > self._turned:
            loop.call_soon(self._turn)
        else:
            loop.call_later(0.001, self._turn)

    def _turn(self) -> None:
        before, self._turned = self._turned, int(_now())
        for slot in range(before + 1, self._turned + 1):
            for stream in self._slots.pop(slot, ()):
                self._advance(stream)
        if self._slots:
            self._wait()

    def _advance(self, stream: Stream) -> None:
        if stream.exchange.is_closed:
            self.stats.aborted += 1
            return
        late = _now() - stream.due
        if stream.advance():
            self.stats.tokens += 1
            self.stats.late_ms_mean += late
            self.stats.late_ms_max = max(self.stats.late_ms_max, late)
            self._put(stream)


class Exchange(asyncio.Protocol):
    """A connection: requests in, one at a time, streams and plain replies out."""

    is_closed = False
    transport: asyncio.Transport

    def __init__(self, wheel: Wheel) -> None:
        self.wheel = wheel
        self._parser = httptools.HttpRequestParser(self)
        self._url = self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.write = self.transport.write

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    def on_message_begin(self) -> None:
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        match self._parser.get_method(), self._url:
            case b"POST", b"/v1/chat/completions":
                self._complete()
            case b"POST", b"/stats":
                self._reply(b"200 OK", self.wheel.read())
            case b"GET", b"/v1/models":
                self._reply(b"200 OK", {"object": "list", "data": [{"id": "bench", "object": "model"}]})
            case _:
                self._refuse(b"404 Not Found", "there is no such page")

    def finish(self, ending: bytes) -> None:
        self.write(ending)

    def _complete(self) -> None:
        try:
            asked = msgspec.json.decode(self._body, type=Asked)
            said = script(asked.model)
        except (ValueError, msgspec.MsgspecError) as exc:
            self._refuse(b"400 Bad Request", str(exc))
            return
        if not asked.stream:
            self._refuse(b"400 Bad Request", "this mock only streams")
            return
        ending = said.ending_with_usage if asked.stream_options.include_usage else said.ending
        self.wheel.add(Stream(self, said, ending))

    def _refuse(self, status: bytes, message: str) -> None:
        self._reply(status, {"error": {"message": message, "type": "invalid_request_error"}})

    def _reply(self, status: bytes, value: object) -> None:
        body = msgspec.json.encode(value)
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.write(head % (status, len(body)) + body)


class StreamOptions(msgspec.Struct):
    include_usage: bool = False


class Asked(msgspec.Struct):
    """The part of a request that changes what is sent."""

    model: str
    stream: bool = False
    stream_options: StreamOptions = msgspec.field(default_factory=StreamOptions)


def _now() -> float:
    """Milliseconds. Not `loop.time()`, which stands still while the loop is busy."""
    return time.perf_counter() * 1000


LISTENERS = 16
"""uvloop takes one connection a turn from each listener, so that a busy loop would keep newcomers waiting."""


async def serve(host: str, port: int) -> None:
    """Answer until cancelled; the port is printed once connections are taken."""
    loop = asyncio.get_running_loop()
    wheel = Wheel()
    with socket.create_server((host, port), backlog=4096) as listener:
        for _ in range(LISTENERS):
            await loop.create_server(lambda: Exchange(wheel), sock=listener.dup(), backlog=4096)
        print(listener.getsockname()[1], flush=True)
        gc.freeze()
        await loop.create_future()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upstream", description="A mock OpenAI upstream.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()
    uvloop.run(serve(options.host, options.port))


if __name__ == "__main__":
    main()
