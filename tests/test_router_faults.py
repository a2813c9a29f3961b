"""Backends that die, fall silent or talk rubbish, on real sockets: what the router makes of them."""

import asyncio
import json
import random
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import msgspec
import pytest

from arena import providers
from arena.app import create_app
from arena.backend import Message
from arena.config import Config, parse
from arena.errors import BackendBroken, BackendError, BackendTimeout, BackendUnreachable
from arena.router import Router
from tests.memory import forget_peak, peak
from tests.routing import Heard
from tests.servers import Conversation, read_request, serving

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
DONE = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
RECOVERY_SECONDS = 5


def said(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


class Service:
    """A server on a port of its own that can be killed, and started again on the same port."""

    def __init__(self, converse: Conversation) -> None:
        self.converse = converse
        self.asked = 0
        self.in_flight = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", self.port, backlog=1000)
        self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """As a kill -9 does: nobody listens any more, and every connection is reset."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.asked += 1
        self.in_flight += 1
        try:
            await self.converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.in_flight -= 1
            self._writers.discard(writer)
            writer.close()


async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(HEAD + said("Hello ") + said("there.") + DONE)
    await writer.drain()


def holding(gate: asyncio.Event) -> Conversation:
    """Takes every request, and answers once the gate is open."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await gate.wait()
        writer.write(HEAD + said("Hello ") + said("there.") + DONE)
        await writer.drain()

    return converse


async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    await reader.read()


def saying(content: bytes) -> Conversation:
    """Answers everything with these bytes."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(content)
        await writer.drain()

    return converse


def configure(services: Sequence[Service], folder: Path = Path(), **tables: Any) -> Config:
    """One model with all these services, and two bystanders that recite."""
    names = [f"s{number}" for number, _ in enumerate(services)]
    settings = {
        "providers": [
            *(
                {"name": n, "format": "openai", "base_url": s.base_url}
                for n, s in zip(names, services, strict=True)
            ),
            {"name": "parrot", "format": "script"},
        ],
        "models": [
            {"name": "one", "backends": names, "model_id": "m"},
            {"name": "two", "backends": ["parrot"]},
            {"name": "three", "backends": ["parrot"]},
        ],
    }
    return parse(settings | tables, folder / "config.toml", {})


@asynccontextmanager
async def routing(*conversations: Conversation, **tables: Any) -> AsyncIterator[tuple[Router, list[Service]]]:
    """A router over real OpenAI clients of these services."""
    async with AsyncExitStack() as stack:
        services = [Service(converse) for converse in conversations]
        for service in services:
            await service.start()
            stack.push_async_callback(service.kill)
        config = configure(services, **tables)
        clients = {provider.name: providers.make(provider, {}) for provider in config.providers}
        for client in clients.values():
            stack.push_async_callback(client.close)
        router = Router(config, clients, random.Random(1))
        stack.push_async_callback(router.close)
        yield router, services


async def hears(router: Router, model: str = "one") -> Heard:
    heard = Heard()
    try:
        async for event in router.stream(model, (Message("user", "Why?"),)):
            heard.take(event)
    except BackendError as exc:
        heard.error = exc
    return heard


async def until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for what has no event of its own: bytes on their way through sockets, a router's trials."""
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


# Killed


async def test_of_three_backends_one_is_killed_under_fifty_battles_and_no_side_fails(tmp_path: Path) -> None:
    gate = asyncio.Event()
    services = [Service(holding(gate)) for _ in range(3)]
    for service in services:
        await service.start()
    config = configure(services, tmp_path)
    config = msgspec.structs.replace(config, models=config.models[:2])
    app = create_app(config)
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as http:
        replies = await asyncio.gather(*(http.post("/conversations", data={"prompt": "Why?"}) for _ in range(50)))
        assert {reply.status_code for reply in replies} == {303}
        await until(lambda: sum(service.asked for service in services) == 50)
        had = services[0].in_flight
        await services[0].kill()
        await until(lambda: sum(service.asked for service in services) == 50 + had)
        gate.set()
        live = app.state.context.live
        keys = [reply.headers["location"].rsplit("/", 1)[-1] for reply in replies]
        await until(lambda: not any(live.turn(key) for key in keys))
    with closing(sqlite3.connect(tmp_path / "arena.db")) as database:
        states = database.execute("SELECT state, error, count(*) FROM answers GROUP BY state, error").fetchall()
    assert states == [("done", None, 100)]
    assert had >= 16
    for service in services:
        await service.kill()


async def test_of_three_backends_one_is_killed_under_fifty_requests_and_none_fails() -> None:
    gate = asyncio.Event()
    async with routing(*[holding(gate)] * 3) as (router, services):
        tasks = [asyncio.create_task(hears(router)) for _ in range(50)]
        await until(lambda: sum(service.asked for service in services) == 50)
        shares = [service.in_flight for service in services]
        await services[0].kill()
        await until(lambda: sum(service.asked for service in services) == 50 + shares[0])
        gate.set()
        heard = await asyncio.gather(*tasks)
        assert [h.error for h in heard] == [None] * 50
        assert {h.text for h in heard} == {"Hello there."}
        assert sorted(shares) == [16, 17, 17]
        assert sum(len(h.backends) == 2 for h in heard) == shares[0], "those it had were moved, once each"
        assert router.backends()[0].failures == {"unreachable": shares[0]}
        assert (await hears(router)).backends != ["s0"]


async def test_what_a_killed_backend_had_begun_to_say_fails_with_its_text_and_nothing_else_does() -> None:
    gate = asyncio.Event()

    async def begins(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(HEAD + said("Hello "))
        await gate.wait()
        writer.write(said("there.") + DONE)
        await writer.drain()

    async with routing(begins, begins, begins) as (router, services):
        listeners = [Heard() for _ in range(50)]

        async def listens(heard: Heard) -> None:
            try:
                async for event in router.stream("one", (Message("user", "Why?"),)):
                    heard.take(event)
            except BackendError as exc:
                heard.error = exc

        tasks = [asyncio.create_task(listens(heard)) for heard in listeners]
        await until(lambda: all(heard.text for heard in listeners))
        await services[0].kill()
        await until(lambda: router.backends()[0].outstanding == 0)
        gate.set()
        await asyncio.gather(*tasks)
        for heard in listeners:
            if heard.backends == ["s0"]:
                assert isinstance(heard.error, BackendBroken)
                assert heard.text == "Hello "
            else:
                assert (heard.text, heard.error) == ("Hello there.", None)
        assert router.backends()[0].out_for == ("one",)


async def test_all_down_the_model_leaves_the_draw_within_one_failure_each_and_is_back_within_five_seconds() -> (
    None
):
    async with routing(answers, answers, answers) as (router, services):
        assert (await hears(router)).error is None
        for service in services:
            await service.kill()
        for _ in services:
            await hears(router)
            if "one" not in router.weights():
                break
        assert "one" not in router.weights()
        assert sum(sum(state.failures.values()) for state in router.backends()) == 3
        begun = monotonic()
        heard = await hears(router)
        assert isinstance(heard.error, BackendUnreachable)
        assert monotonic() - begun < 0.5, "nobody waits to find out"
        await until(lambda: all(state.out_until > 3 for state in router.backends()[:3]))  # the longest back-off
        begun = monotonic()
        await services[0].start()
        await until(lambda: "one" in router.weights())
        assert monotonic() - begun < RECOVERY_SECONDS
        heard = await hears(router)
        assert (heard.backends, heard.error) == (["s0"], None)


# Silent


async def test_a_backend_that_accepts_and_never_answers_is_left_for_another() -> None:
    async with routing(never_answers, answers, limits={"first_token_seconds": 0.2}) as (router, _):
        heard = [await hears(router) for _ in range(8)]
        assert all((h.text, h.error) == ("Hello there.", None) for h in heard)
        assert sum("s0" in h.backends for h in heard) == 1, "one failed request takes it out"
        assert router.backends()[0].failures == {"timeout": 1}


async def test_a_backend_of_one_token_a_minute_fails_the_side_and_its_text_is_kept() -> None:
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(HEAD + said("Well"))
        await asyncio.wait([asyncio.ensure_future(reader.read())], timeout=60)

    async with routing(slowly, limits={"answer_seconds": 0.3}) as (router, services):
        heard = await hears(router)
        assert isinstance(heard.error, BackendTimeout)
        assert heard.text == "Well"
        await until(lambda: services[0].in_flight == 0)


# Limits


async def test_a_backend_of_eight_never_has_nine_connections() -> None:
    most = 0

    async def counts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most
        most = max(most, service.in_flight)
        await answers(reader, writer)

    service = Service(counts)
    await service.start()
    tables = {
        "providers": [
            {"name": "s", "format": "openai", "base_url": service.base_url, "max_concurrency": 8},
            {"name": "parrot", "format": "script"},
        ],
        "models": [{"name": "one", "backends": ["s"], "model_id": "m"}],
        "router": {"queue_length": 1000},
    }
    config = parse(tables, Path("config.toml"), {})
    clients = {provider.name: providers.make(provider, {}) for provider in config.providers}
    router = Router(config, clients, random.Random(1))
    heard = await asyncio.gather(*(hears(router) for _ in range(1000)))
    assert all(h.error is None for h in heard)
    assert 1 < most <= 8
    assert service.asked == 1000
    await clients["s"].close()
    await router.close()
    await service.kill()


# Rubbish


PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\nconnection: close\r\n\r\n"
RUBBISH = {
    "garbage": HEAD + b"data: {not json\n\n" + DONE,
    "ten megabytes in one chunk": HEAD + b"data: " + b"x" * 10_000_000 + b"\n\n" + DONE,
    "wrong content type": PLAIN % b"image/png" + b"\x89PNG" + b"\0" * 1000,
    "a page of a proxy": PLAIN % b"text/html" + b"<h1>Sign in</h1>" + b" " * 1_000_000,
}


@pytest.mark.parametrize("content", RUBBISH.values(), ids=RUBBISH)
async def test_rubbish_is_one_clear_failure_and_the_next_backend_answers(content: bytes) -> None:
    async with routing(saying(content), answers) as (router, _):
        forget_peak()
        before = peak()
        heard = [await hears(router) for _ in range(8)]
        assert all((h.text, h.error) == ("Hello there.", None) for h in heard)
        state = router.backends()[0]
        assert state.failures == {"broken": 1}
        assert state.last_error is not None
        assert len(state.last_error) < 500
        assert peak() - before < 60_000  # kilobytes


@pytest.mark.parametrize("content", RUBBISH.values(), ids=RUBBISH)
async def test_rubbish_from_the_only_backend_fails_the_side(content: bytes) -> None:
    async with routing(saying(content)) as (router, _):
        heard = await hears(router)
        assert isinstance(heard.error, BackendBroken)
        assert "one" not in router.weights()
