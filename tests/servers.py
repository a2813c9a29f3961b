"""Real servers in a test's own event loop: an ASGI app behind uvicorn, or a conversation over a bare socket."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(app: ASGIApp, *, graceful_seconds: int = 1) -> AsyncIterator[str]:
    """The base URL of `app`, which runs its lifespan and is down again when the block is left.

    These are the steps of `uvicorn.Server.serve` without its signal handlers and its tick of a tenth of a second.
    Requests still running `graceful_seconds` after the block are cancelled, and waited for.
    """
    settings = uvicorn.Config(
        app,
        port=0,
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=graceful_seconds,
    )
    settings.load()
    server = uvicorn.Server(settings)
    server.lifespan = settings.lifespan_class(settings)
    try:
        await server.startup()
    except SystemExit as exc:
        raise RuntimeError("the app did not start; its log says why") from exc
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        await server.shutdown()
        await asyncio.gather(*server.server_state.tasks, return_exceptions=True)


@asynccontextmanager
async def conversing(conversation: Conversation) -> AsyncIterator[str]:
    """The base URL of a server that holds `conversation` with each client, byte for byte, and then hangs up."""
    open_now: set[asyncio.Task[None] | None] = set()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.add(asyncio.current_task())
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await conversation(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        tasks = [task for task in open_now if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """The body of the HTTP request that a bare socket receives."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:-2])
    return await reader.readexactly(int(fields[b"content-length"]))


def nowhere() -> str:
    """A base URL where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"
