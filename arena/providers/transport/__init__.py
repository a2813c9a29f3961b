"""HTTP/1.1 for httpx, made for answers that come word by word to a reader who rests in between. Follows RFC 9112.

The transport knows no proxies, no limit to its connections, no timeout but that of connecting, and no request
body but bytes: who uses it sees to these. Nothing is ever sent twice.
"""

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import httpx
from httpx_aiohttp import HttpxAiohttpClient

from arena.providers.transport.dialer import Dialer, Origin
from arena.providers.transport.pool import Pool
from arena.providers.transport.reply import Reply
from arena.providers.transport.wire import Wire

_LINE_BREAK = re.compile(rb"[\r\n\0]")


class Client(HttpxAiohttpClient):
    """httpx with this transport, and with aiohttp's where a proxy of the environment stands between."""

    def _init_transport(self, *_: object, **settings: Any) -> httpx.AsyncBaseTransport:
        limits: httpx.Limits = settings["limits"]
        return Transport(httpx.create_ssl_context(settings["verify"]), limits.keepalive_expiry or 0)


class Transport(httpx.AsyncBaseTransport):
    """Its connections live in the loop that made it. One that is idle is kept for `idle_seconds`."""

    def __init__(self, context: ssl.SSLContext, idle_seconds: float) -> None:
        context.set_alpn_protocols(["http/1.1"])
        self._pool = Pool(Dialer(context), idle_seconds)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises `httpx.ConnectError`, `ConnectTimeout`, `ReadError`; `RemoteProtocolError` if it is no HTTP."""
        message, origin = _message(request), Origin.of(request.url)
        wire = await self._pool.lend(origin, request.extensions.get("timeout", {}).get("connect"))
        exchange = Exchange(self._pool, origin, wire, request.method)
        with ExitStack() as on_failure:
            on_failure.callback(exchange.close)
            reply = await exchange.ask(message)
            on_failure.pop_all()
        return httpx.Response(
            reply.status,
            headers=reply.headers,
            stream=exchange,
            extensions={"http_version": reply.version, "reason_phrase": reply.reason},
        )

    async def aclose(self) -> None:
        self._pool.close()


class Exchange(httpx.AsyncByteStream):
    """A request and its response on a wire, which is given back by `close`. Iterate it once for the body."""

    def __init__(self, pool: Pool, origin: Origin, wire: Wire, method: str) -> None:
        self._pool = pool
        self._origin = origin
        self._wire = wire
        self._reply = Reply(method)
        self._is_sent = False
        self._is_closed = False

    async def ask(self, message: bytes) -> Reply:
        """The reply, once its head is here. A refusal may come before all is sent, which then fails."""
        try:
            await self._wire.send(message)
            self._is_sent = True
        except OSError:
            pass
        while not self._reply.has_head:
            await self._advance()
        return self._reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as it comes; also what came of it before a failure."""
        while True:
            if body := self._reply.take():
                yield body
            if self._reply.is_whole:
                return
            try:
                await self._advance()
            except httpx.TransportError:
                if body := self._reply.take():
                    yield body
                raise

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        """Hang up, unless all was said: then the wire may rest."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._is_sent and self._reply.is_reusable:
            self._pool.rest(self._origin, self._wire)
        else:
            self._pool.drop(self._wire)

    async def _advance(self) -> None:
        try:
            data = await self._wire.receive()
        except OSError as exc:
            raise httpx.ReadError(str(exc)) from exc
        if data:
            self._reply.feed(data)
        else:
            self._reply.end()


def _message(request: httpx.Request) -> bytes:
    """The request as it is sent; httpx has set `Host` and `Content-Length`."""
    try:
        body = request.content
    except httpx.RequestNotRead:
        raise httpx.UnsupportedProtocol("a request body that is a stream") from None
    head = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    head += [b"%b: %b" % field for field in request.headers.raw]
    if any(_LINE_BREAK.search(line) for line in head):
        raise httpx.LocalProtocolError("a header field holds a line break")
    return b"\r\n".join((*head, b"", body))
