"""A connection: bytes out, bytes in, plain or under TLS. Knows no HTTP.

The socket is asked first, and the event loop waits only where nothing has come. So what gathers in the kernel
while a reader rests is had for one system call, without a turn of the loop, and what nobody reads holds the
sender up as TCP means it to.
"""

import asyncio
import socket
import ssl
from contextlib import suppress

RECEIVE_BYTES = 64 * 1024
"""What one read brings at most. After so much without a wait, everyone else has a turn."""


class Wire:
    """A connected socket that does not block. Whoever is cancelled while it sends or receives must close it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._received = 0  # bytes since the last wait

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._sock, data)

    async def receive(self) -> bytes:
        """What has come, or what comes next; empty at the end. Raises `OSError`."""
        if self._received >= RECEIVE_BYTES:
            self._received = 0
            await asyncio.sleep(0)
        try:
            data = self._sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            self._received = 0
            data = await asyncio.get_running_loop().sock_recv(self._sock, RECEIVE_BYTES)
        self._received += len(data)
        return data

    @property
    def is_quiet(self) -> bool:
        """Nothing has come that nobody asked for, and the other side has not hung up."""
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def hang_up(self) -> None:
        """End it for both sides. Whoever waits in `receive` is told that this is the end."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Unless what has come was read, the kernel turns the end into a reset, which servers log as an error."""
        with suppress(OSError):
            self._sock.recv(RECEIVE_BYTES)
        self._sock.close()


class SecureWire(Wire):
    """A wire under TLS, once it has shaken hands."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        super().__init__(sock)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    async def shake_hands(self) -> None:
        """Raises `ssl.SSLError` where the other side is not who it should be."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._refill()
            else:
                return await self._flush()

    async def send(self, data: bytes) -> None:
        unsent = memoryview(data)
        while unsent:
            unsent = unsent[self._tls.write(unsent) :]
            await self._flush()

    async def receive(self) -> bytes:
        while True:
            try:
                return self._decrypted()
            except ssl.SSLWantReadError:
                await self._refill()

    def close(self) -> None:
        """Say so first, as RFC 9112, section 9.8, asks, if that takes no wait."""
        with suppress(OSError):
            self._tls.unwrap()
        with suppress(OSError):
            self._sock.send(self._outgoing.read())
        super().close()

    def _decrypted(self) -> bytes:
        """What all whole records hold; empty at the end. Raises `ssl.SSLWantReadError` where there is none."""
        records: list[bytes] = []
        try:
            while record := self._tls.read(RECEIVE_BYTES):
                records.append(record)
        except ssl.SSLError:
            if not records:
                raise
        return b"".join(records)

    async def _refill(self) -> None:
        await self._flush()
        if data := await super().receive():
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await super().send(self._outgoing.read())
