"""Fake hosted services on real sockets, and what a reader hears of them through their clients."""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from arena.backend import Backend, Image, Message, Prompt, Usage
from arena.config import Hosted, OpenAI, Provider
from arena.errors import BackendError
from arena.providers import make
from tests.servers import conversing, read_request, serving

KEY = "sk-planted/4f9d+8a=1"
HELLO = Prompt((Message("system", "Be kind."), Message("user", "Grüße, 世界 🦜")), model_id="tiny-1")
DOT = Image("image/png", b"\x89PNG.")
LOOK = Prompt((Message("user", "What is this?", (DOT,)),), model_id="tiny-1")

STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def event(**fields: Any) -> bytes:
    """An event of a stream, with these fields as its JSON."""
    return b"data: " + json.dumps(fields, ensure_ascii=False).encode() + b"\n\n"


def typed(name: str, **fields: Any) -> bytes:
    """An event that repeats its name in its JSON, as the Responses and Messages APIs have it."""
    return b"event: " + name.encode() + b"\n" + event(type=name, **fields)


@dataclass(slots=True)
class Heard:
    """One answer, as its reader got it."""

    text: str = ""
    reasoning: str = ""
    pieces: int = 0
    usage: Usage | None = None


async def hear(client: Backend, prompt: Prompt = HELLO, heard: Heard | None = None) -> Heard:
    """Read an answer to its end, into `heard` where that is given."""
    heard = heard or Heard()
    async with aclosing(client.stream(prompt)) as items:
        async for item in items:
            assert heard.usage is None, "something came after the usage"
            if isinstance(item, Usage):
                heard.usage = item
            else:
                heard.text += item.text
                heard.reasoning += item.reasoning
                heard.pieces += 1
    return heard


@dataclass
class Endpoint:
    """A fake service. It answers every request alike and keeps what it was sent."""

    respond: Callable[[Request], Awaitable[Response] | Response]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        self.bodies.append(json.loads(await request.body()))
        self.requests.append(request)
        response = self.respond(request)
        await (response if isinstance(response, Response) else await response)(scope, receive, send)

    @property
    def urls(self) -> list[str]:
        """Path and query of every request."""
        return [str(request.url).removeprefix(str(request.base_url).rstrip("/")) for request in self.requests]


def stream_of(*events: bytes, media_type: str = "text/event-stream", **headers: str) -> Response:
    """A response that streams these bytes."""

    async def body() -> AsyncIterator[bytes]:
        for chunk in events:
            yield chunk

    return StreamingResponse(body(), media_type=media_type, headers=headers)


def streaming(*events: bytes, media_type: str = "text/event-stream", **headers: str) -> Endpoint:
    """A service that streams these bytes."""
    return Endpoint(lambda _: stream_of(*events, media_type=media_type, **headers))


def refusing(status: int, content: Any, **headers: str) -> Endpoint:
    """A service that answers with an error."""
    return Endpoint(lambda _: JSONResponse(content, status, headers))


def in_turn(*responses: Callable[[], Response]) -> Endpoint:
    """A service that answers each request with the next of these, and the last one ever after."""
    left = list(responses)
    return Endpoint(lambda _: (left.pop(0) if len(left) > 1 else left[0])())


Settings = Callable[[str], Provider]
"""The settings of a client, for a service at this URL."""


def settings_of(kind: type[Hosted] = OpenAI, path: str = "/v1", **changes: Any) -> Settings:
    """Settings of that kind, with a planted key."""
    return lambda url: kind(name="hosted", base_url=url + path, api_key_env="PLANTED", **changes)  # type: ignore[return-value]


@asynccontextmanager
async def connected(
    server: AbstractAsyncContextManager[str], settings: Settings | None = None, **changes: Any
) -> AsyncIterator[Backend]:
    """A client of the service that `server` starts; both are closed again."""
    async with server as base_url:
        client = make((settings or settings_of(**changes))(base_url), {"PLANTED": KEY})
        try:
            yield client
        finally:
            await client.close()


async def hear_from(
    app: ASGIApp, prompt: Prompt = HELLO, settings: Settings | None = None, **changes: Any
) -> Heard:
    """Ask a service once, and read its answer to the end."""
    async with connected(serving(app), settings, **changes) as client:
        return await hear(client, prompt)


async def error_of(
    app: ASGIApp,
    expected: type[BackendError],
    prompt: Prompt = HELLO,
    settings: Settings | None = None,
    **changes: Any,
) -> BackendError:
    """The failure of the one question that a service is asked."""
    with pytest.raises(BackendError) as raised:
        await hear_from(app, prompt, settings, **changes)
    assert type(raised.value) is expected, raised.value
    return raised.value


async def failure_of(
    app: ASGIApp, expected: type[BackendError], settings: Settings | None = None, **changes: Any
) -> str:
    """What the operator reads about the failure."""
    return str(await error_of(app, expected, HELLO, settings, **changes))


def bare(
    *pieces: bytes, then: Callable[[asyncio.StreamWriter], None] | None = None
) -> AbstractAsyncContextManager[str]:
    """A server that reads a request, sends these bytes as they are, and hangs up."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if then is not None:
            then(writer)

    return conversing(converse)


def silent(*pieces: bytes) -> AbstractAsyncContextManager[str]:
    """A server that sends this much and then nothing more."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.writelines(pieces)
        await reader.read()

    return conversing(converse)


def reset(writer: asyncio.StreamWriter) -> None:
    """Drop the connection without a word of farewell."""
    writer.transport.abort()


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def everything_told_by(error: BaseException) -> str:
    """All that a log, a debugger or a bug report would print of an error and of those behind it."""
    told = "".join(traceback.format_exception(error))
    behind: BaseException | None = error
    while behind is not None:
        told += str(behind) + repr(behind) + repr(vars(behind))
        behind = behind.__cause__ or behind.__context__
    return told
