"""A hosted HTTP service behind its key: a connection pool, foreign errors translated, its words fit for a log.

Knows neither prompts nor any wire format; the clients beside it do. The key goes where a client puts it and
nowhere else: whatever a service says is quoted without it, and foreign errors, which hold our headers or the
service's words, are not chained to ours. The environment's proxies and certificates (HTTPS_PROXY, NO_PROXY,
SSL_CERT_FILE) are honoured.
"""

import ssl
from asyncio import get_running_loop, timeout
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache

import aiohttp
import httpx

from arena.config import Hosted
from arena.errors import (
    BackendBroken,
    BackendBusy,
    BackendError,
    BackendRefused,
    BackendTimeout,
    BackendUnreachable,
    ConfigError,
)
from arena.patience import Patience
from arena.providers.keys import key_of
from arena.providers.transport import Client

MESSAGE_CHARACTERS = 400

_FOREIGN_ERRORS = (httpx.HTTPError, aiohttp.ClientError, OSError)
"""What the transports raise. httpx-aiohttp passes some of aiohttp's errors on as they are."""

# Shorter than the five seconds after which uvicorn, and so vLLM's server, hangs up on an idle connection:
# a POST that crosses the hang-up is lost.
_IDLE_SECONDS = 4.0


class Service:
    """One service and its pool, which lives from `open` or the first request to `close`."""

    def __init__(self, settings: Hosted, environ: Mapping[str, str]) -> None:
        self._key = key_of(settings, environ)
        # Every key so far, and headers that may well be one: to be kept out of the log.
        self._secrets = {secret for secret in (self._key(), *settings.headers.values()) if secret}
        self._settings = settings
        self._base = _base(settings)
        self._http: httpx.AsyncClient | None = None
        self._in_flight = 0

    @property
    def key(self) -> str | None:
        """The key as it is now. Raises `BackendRefused` where its file has become unreadable."""
        key = self._key()
        if key:
            self._secrets.add(key)
        return key

    def open(self) -> httpx.AsyncClient:
        """The pool, made in the running loop."""
        if self._http is None:
            seconds = self._settings.connect_seconds
            self._http = Client(
                verify=_certificates(),
                limits=httpx.Limits(
                    max_connections=self._settings.max_connections, keepalive_expiry=_IDLE_SECONDS
                ),
                # A silence is timed by us: aiohttp's own timer is set anew with every few bytes that come.
                timeout=httpx.Timeout(None, connect=seconds, pool=seconds),
            )
        return self._http

    async def close(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    @asynccontextmanager
    async def post(
        self, path: str, body: bytes, headers: Mapping[str, str], query: Mapping[str, str] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """The response, whatever its status, as soon as its headers are here. Leaving the block hangs up."""
        limit = self._settings.max_connections
        if self._in_flight >= limit:
            raise self.error(BackendBusy, f"all {limit} connections are in use (max_connections)")
        self._in_flight += 1
        try:
            async with aclosing(await self._send(path, body, headers, query)) as response:
                yield response
        finally:
            self._in_flight -= 1

    async def chunks(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Raises `BackendTimeout` after a silence, `BackendBroken` where it breaks off.

        The silence is timed here: our transport times none. aiohttp 3.14, used where a proxy is, neither wakes nor
        times out a reader who waits while framing turns to garbage, and tells a later one by a RuntimeError.
        """
        body = response.aiter_bytes() if "content-encoding" in response.headers else aiter(_raw(response))
        silence, now = self._settings.read_seconds, get_running_loop().time
        patience = Patience()
        try:
            while (chunk := await patience.wait(anext(body, None), now() + silence)) is not None:
                yield chunk
            return
        except (*_FOREIGN_ERRORS, RuntimeError) as exc:
            failure = self._cut_off(exc)
        finally:
            patience.close()
        raise failure  # not chained: it may hold what the service said

    async def read(self, response: httpx.Response, limit: int) -> bytes:
        """The body, or its first `limit` bytes. Raises as `chunks` does."""
        body = bytearray()
        async with aclosing(self.chunks(response)) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) >= limit:
                    break
        return bytes(body[:limit])

    def error(self, kind: type[BackendError], words: str) -> BackendError:
        """An error of that kind, in words for the operator, which may quote the service.

        This is the one door to the log: the key is taken out, the rest put on one line and cut.
        """
        for secret in sorted(self._secrets, key=len, reverse=True):  # one may be the beginning of another
            words = words.replace(secret, "[key]")
        words = "".join(c if c.isprintable() else " " for c in " ".join(words.split()))
        cut = words if len(words) <= MESSAGE_CHARACTERS else f"{words[:MESSAGE_CHARACTERS]}…"
        return kind(f"{self._settings.name}: {cut}")

    async def _send(
        self, path: str, body: bytes, headers: Mapping[str, str], query: Mapping[str, str] | None
    ) -> httpx.Response:
        request = self._request(path, body, {**_HEADERS, **headers, **self._settings.headers}, query)
        try:
            async with timeout(self._settings.read_seconds) as silence:
                return await self.open().send(request, stream=True)
        except _FOREIGN_ERRORS as exc:
            failure = self._unanswered(exc, is_silent=silence.expired())
        raise failure  # not chained: aiohttp's errors hold the headers we sent

    def _request(
        self, path: str, body: bytes, headers: Mapping[str, str], query: Mapping[str, str] | None
    ) -> httpx.Request:
        """Raises `BackendRefused` where a setting does not fit into an address or a header."""
        try:
            url = self._base.copy_with(path=self._base.path.rstrip("/") + path).copy_merge_params(query or {})
            return self.open().build_request("POST", url, content=body, headers=headers)
        except (httpx.InvalidURL, UnicodeEncodeError) as exc:
            failure = self.error(BackendRefused, f"no request can be made of its settings: {exc}")
        raise failure  # not chained: it may hold a header

    def _unanswered(self, exc: Exception, *, is_silent: bool) -> BackendError:
        """Nothing readable came back."""
        cause = _cause(exc)
        if is_silent:
            return self.error(BackendTimeout, f"no answer within {self._settings.read_seconds:g} s")
        if isinstance(cause, httpx.LocalProtocolError):
            return self.error(BackendRefused, f"no request can be made of its settings: {cause}")
        if isinstance(cause, aiohttp.ClientResponseError):
            return self.error(BackendBroken, f"does not speak HTTP: {cause.message}")
        if isinstance(cause, httpx.RemoteProtocolError):
            return self.error(BackendBroken, f"does not speak HTTP: {cause}")
        return self.error(BackendUnreachable, str(cause) or type(cause).__name__)

    def _cut_off(self, exc: Exception) -> BackendError:
        """The body did not come to its end."""
        cause = _cause(exc)
        if isinstance(cause, TimeoutError):
            return self.error(BackendTimeout, f"silent for {self._settings.read_seconds:g} s")
        return self.error(BackendBroken, f"the answer broke off: {cause}")


# Compression saves nothing on tokens and costs time on each.
_HEADERS = {
    "content-type": "application/json",
    "accept": "text/event-stream, application/json",
    "accept-encoding": "identity",
}


def _raw(response: httpx.Response) -> httpx.AsyncByteStream:
    """The body as it was sent, without the layers that would decode it: an answer is some hundred reads."""
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return response.stream


@cache
def _certificates() -> ssl.SSLContext:
    """The authorities that are trusted. To read them takes some ten milliseconds: once for all services."""
    return httpx.create_ssl_context()


def _cause(exc: Exception) -> BaseException:
    """aiohttp's own error, which tells more: httpx-aiohttp calls a refused connection a timeout."""
    return exc.__cause__ if isinstance(exc.__cause__, aiohttp.ClientError) else exc


def by_status(status: int) -> type[BackendError]:
    """Which error an HTTP status is, where the body does not say more. Redirects are not followed: refused."""
    match status:
        case 408 | 504 | 524:
            return BackendTimeout
        case 409 | 425 | 429 | 503 | 529:
            return BackendBusy
        case _ if status >= 500:
            return BackendUnreachable
    return BackendRefused


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """In how many seconds to ask again (RFC 9110, section 10.2.3: seconds or a date); `None` where unsaid."""
    said = headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said[:9])
    try:
        return max(0.0, (parsedate_to_datetime(said) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):  # TypeError: a date without a time zone
        return None


def _base(settings: Hosted) -> httpx.URL:
    where = f'providers ("{settings.name}").base_url'
    try:
        url = httpx.URL(settings.base_url)
    except httpx.InvalidURL as exc:
        raise ConfigError(f"{where}: is not a URL: {exc}. Change the value.") from exc
    if not url.host:
        raise ConfigError(f"{where}: names no host. Change the value.")
    if url.userinfo:
        raise ConfigError(f"{where}: holds a user or a password. Name a variable in api_key_env instead.")
    return url
