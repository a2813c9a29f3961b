"""Makes wires to where a URL points: looks hosts up, tries their addresses, shakes hands. Knows no HTTP."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

import httpx
from aiohappyeyeballs import AddrInfoType, start_connection

from arena.providers.transport.wire import SecureWire, Wire

NEXT_ADDRESS_SECONDS = 0.25  # RFC 8305, section 8: the Connection Attempt Delay
LOOKUP_SECONDS = 10.0  # so long an address is believed: a crowd that comes at once asks for it once

_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where a connection leads."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: httpx.URL) -> "Origin":
        if url.scheme not in _PORTS:
            raise httpx.UnsupportedProtocol(f"{url.scheme!r} is neither http nor https")
        return cls(url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme])

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class Dialer:
    """Dials, and remembers for a while where a host is."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._looking_up = asyncio.Lock()
        self._known: dict[Origin, tuple[float, Sequence[AddrInfoType]]] = {}

    async def dial(self, origin: Origin, seconds: float | None) -> Wire:
        """A wire to there. Raises `httpx.ConnectError`, or `httpx.ConnectTimeout` after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                return await self._wire(origin)
        except TimeoutError as exc:
            raise httpx.ConnectTimeout(f"Cannot connect to host {origin}: it takes too long") from exc
        except (OSError, RuntimeError, UnicodeError) as exc:  # RuntimeError: uvloop's, for some an OSError
            raise httpx.ConnectError(f"Cannot connect to host {origin}: {exc}") from exc

    async def _wire(self, origin: Origin) -> Wire:
        addresses = await self._addresses(origin)
        sock = await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS)
        with ExitStack() as on_failure:
            on_failure.callback(sock.close)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = await self._secured(sock, origin) if origin.scheme == "https" else Wire(sock)
            on_failure.pop_all()
        return wire

    async def _secured(self, sock: socket.socket, origin: Origin) -> SecureWire:
        wire = SecureWire(sock, self._context, origin.host.rstrip("."))
        await wire.shake_hands()
        return wire

    async def _addresses(self, origin: Origin) -> Sequence[AddrInfoType]:
        """One lookup at a time: who waited for it finds what it found."""
        loop = asyncio.get_running_loop()
        async with self._looking_up:
            until, addresses = self._known.get(origin, (0.0, ()))
            if loop.time() >= until:
                addresses = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
                self._known[origin] = loop.time() + LOOKUP_SECONDS, addresses
        return addresses
