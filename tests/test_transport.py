"""The transport against servers on real sockets, byte for byte: framing, reuse, failures, hang-ups, TLS."""

import asyncio
import gc
import gzip
import inspect
import re
import socket
import ssl
import subprocess
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop

from arena.providers.transport import Client, Transport
from arena.providers.transport.dialer import Origin
from arena.providers.transport.reply import HEAD_BYTES, Reply
from arena.providers.transport.wire import RECEIVE_BYTES
from tests.servers import Conversation, conversing, nowhere, read_request

KEY = "sk-planted/4f9d+8a=1"
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
HELLO = OK + b"content-length: 5\r\n\r\nhello"


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_left_open() -> Iterator[None]:
    """A socket that nobody closed warns when it is collected, and a warning is an error."""
    yield
    gc.collect()


@dataclass
class Script:
    """A server that answers the nth request of a connection with the nth of these, and then hangs up."""

    answers: tuple[bytes, ...]
    waits: bool = False
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        for answer in self.answers:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            self.requests.append(head + await reader.readexactly(int(length[1]) if length else 0))
            writer.write(answer)
            await writer.drain()
            self.answered.set()
        if self.waits:
            await reader.read()
            self.ended.set()


def says(*answers: bytes) -> Script:
    return Script(answers)


def says_and_waits(*answers: bytes) -> Script:
    """It leaves the hanging up to the client."""
    return Script(answers, waits=True)


@asynccontextmanager
async def client_of(conversation: Conversation, idle_seconds: float = 4.0) -> AsyncIterator[httpx.AsyncClient]:
    transport = Transport(ssl.create_default_context(), idle_seconds)
    async with conversing(conversation) as url, httpx.AsyncClient(transport=transport, base_url=url) as client:
        yield client


async def body_from(conversation: Conversation) -> bytes:
    async with client_of(conversation) as client:
        return (await client.post("/")).content


async def failure_from(conversation: Conversation, kind: type[httpx.TransportError]) -> str:
    with pytest.raises(httpx.TransportError) as raised:
        await body_from(conversation)
    assert type(raised.value) is kind
    return str(raised.value)


# Requests


async def test_a_request_is_sent_as_httpx_built_it() -> None:
    server = says(HELLO)
    async with client_of(server) as client:
        await client.post("/a?b=c", content=b"body", headers={"X-Key": KEY})
        host = client.base_url.netloc
    lines = server.requests[0].split(b"\r\n")
    assert lines[0] == b"POST /a?b=c HTTP/1.1"
    assert {b"Host: " + host, b"Content-Length: 4", f"X-Key: {KEY}".encode()} <= set(lines)
    assert lines[-2:] == [b"", b"body"]


async def test_a_header_that_would_begin_another_is_not_sent_nor_shown() -> None:
    async with client_of(says(HELLO)) as client:
        with pytest.raises(httpx.LocalProtocolError) as raised:
            await client.post("/", headers={"authorization": f"{KEY}\r\nX: y"})
    assert KEY not in str(raised.value)


async def test_a_body_that_is_a_stream_is_not_supported() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"

    async with client_of(says(HELLO)) as client:
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.post("/", content=body())


async def test_a_scheme_other_than_http_is_not_supported() -> None:
    async with client_of(says(HELLO)) as client:
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.post("ftp://127.0.0.1/")


async def test_a_refusal_is_read_although_the_request_was_not() -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.transport.abort()

    async with client_of(converse) as client:
        assert (await client.post("/", content=b"x" * 20_000_000)).status_code == 413


@pytest.mark.parametrize(
    ("url", "host", "shown"),
    [
        ("http://[::1]:8080/", "::1", "[::1]:8080"),
        ("https://a.example", "a.example", "a.example:443"),
        ("http://grüße.example", "xn--gre-6ka8l.example", "xn--gre-6ka8l.example:80"),
    ],
)
def test_an_address_is_dialled_without_its_brackets_and_shown_with_them(url: str, host: str, shown: str) -> None:
    origin = Origin.of(httpx.URL(url))
    assert (origin.host, str(origin)) == (host, shown)


# Responses

FRAMED = {
    "length": HELLO,
    "chunks": CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    "chunks with extensions, blanks and trailers": CHUNKED + b"5;a=b\r\nhello\r\n0  \r\nx: y\r\n\r\n",
    "until the end": OK + b"\r\nhello",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nhello",
    "bare line feeds": b"HTTP/1.1 200 OK\ncontent-length: 5\n\nhello",
    "no reason": b"HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello",
    "100 before it": b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO,
    "102 and 103 before it": b"HTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 Hints\r\nlink: </x>\r\n\r\n" + HELLO,
}
framings = pytest.mark.parametrize("sent", FRAMED.values(), ids=FRAMED.keys())


@framings
async def test_a_body_is_read_however_it_is_framed(sent: bytes) -> None:
    async with client_of(says(sent)) as client:
        response = await client.post("/")
    assert (response.status_code, response.content) == (200, b"hello")
    assert not {"link", "x"} & response.headers.keys()


@framings
async def test_a_response_that_comes_byte_by_byte_is_the_same(sent: bytes) -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for at in range(len(sent)):
            writer.write(sent[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0)

    assert await body_from(converse) == b"hello"


@framings
def test_a_response_cut_at_any_byte_is_the_same(sent: bytes) -> None:
    for cut in range(1, len(sent)):
        reply = Reply("POST")
        reply.feed(sent[:cut])
        reply.feed(sent[cut:])
        if not reply.is_whole:
            reply.end()
        assert (reply.status, reply.take(), reply.is_whole) == (200, b"hello", True), cut


@pytest.mark.parametrize("status", [204, 304])
async def test_some_statuses_have_no_body_whatever_they_say(status: int) -> None:
    server = says(b"HTTP/1.1 %d X\r\ncontent-length: 5\r\n\r\n" % status, HELLO)
    async with client_of(server) as client:
        assert (await client.post("/")).content == b""
        assert (await client.post("/")).content == b"hello"
    assert server.connections == 1


async def test_an_answer_to_head_has_no_body_whatever_it_says() -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK + b"content-length: 5\r\n\r\n")

    async with client_of(converse) as client:
        for _ in range(2):
            response = await client.head("/")
            assert (response.content, response.headers["content-length"]) == (b"", "5")


async def test_version_and_reason_are_told() -> None:
    async with client_of(says(b"HTTP/1.0 200 So it is\r\n\r\n")) as client:
        response = await client.post("/")
    assert (response.http_version, response.reason_phrase) == ("HTTP/1.0", "So it is")


async def test_headers_that_stand_twice_are_both_kept() -> None:
    async with client_of(says(OK + b"a: 1\r\nA: 2\r\ncontent-length: 0\r\n\r\n")) as client:
        assert (await client.post("/")).headers.get_list("a") == ["1", "2"]


async def test_an_encoded_body_is_left_to_httpx() -> None:
    body = gzip.compress(b"hello")
    head = OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with client_of(says(head + body, head + body)) as client:
        async with client.stream("POST", "/") as response:
            assert b"".join([piece async for piece in response.aiter_raw()]) == body
        async with client.stream("POST", "/") as response:
            assert b"".join([piece async for piece in response.aiter_bytes()]) == b"hello"


# What a reader who rests gets


async def test_what_comes_while_the_reader_rests_is_one_read() -> None:
    said, rested = asyncio.Event(), asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(CHUNKED + b"1\r\n0\r\n")
        await rested.wait()
        for token in b"12345":
            writer.write(b"1\r\n%c\r\n" % token)
            await writer.drain()
        said.set()
        await reader.read()

    async with client_of(converse) as client, client.stream("POST", "/") as response:
        body = aiter(response.aiter_raw())
        assert await anext(body) == b"0"
        rested.set()
        await said.wait()
        assert await anext(body) == b"12345"


async def test_a_large_body_is_never_held_whole() -> None:
    piece = b"x" * 65_536

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK + b"content-length: %d\r\n\r\n" % (800 * len(piece)))
        for _ in range(800):
            writer.write(piece)
            await writer.drain()

    async with client_of(converse) as client, client.stream("POST", "/") as response:
        tracemalloc.start()
        try:
            read = 0
            async for chunk in response.aiter_raw():
                read += len(chunk)
                await asyncio.sleep(0.0001)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert read == 800 * len(piece)
    assert peak < 2_000_000


async def test_a_body_that_comes_faster_than_it_is_read_leaves_the_others_their_turn() -> None:
    size, turns = 8 * 1024 * 1024, 0

    def blast(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(OK + b"content-length: %d\r\n\r\n" % size + b"x" * size)

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    with socket.create_server(("127.0.0.1", 0)) as listener:
        blasting = asyncio.create_task(asyncio.to_thread(blast, listener))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = httpx.AsyncClient(transport=Transport(ssl.create_default_context(), 4.0))
        async with client, client.stream("POST", url) as response:
            others = asyncio.create_task(take_turns())
            async for _ in response.aiter_raw():
                time.sleep(0.001)  # noqa: ASYNC251 - a reader at work, while more comes
        others.cancel()
        await blasting
    assert turns >= size / RECEIVE_BYTES / 2


async def test_five_hundred_streams_run_at_once() -> None:
    many, here, everybody_is_here = 500, 0, asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal here
        await read_request(reader)
        writer.write(CHUNKED + b"2\r\nHi\r\n")
        here += 1
        if here == many:
            everybody_is_here.set()
        await everybody_is_here.wait()
        writer.write(b"1\r\n!\r\n0\r\n\r\n")

    async with client_of(converse) as client, asyncio.timeout(60):
        client.timeout = httpx.Timeout(None)
        answers = await asyncio.gather(*(client.post("/") for _ in range(many)))
    assert {answer.content for answer in answers} == {b"Hi!"}


# Connections


async def test_requests_one_after_the_other_share_a_connection() -> None:
    server = says(HELLO, CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", HELLO)
    async with client_of(server) as client:
        for _ in range(3):
            assert (await client.post("/")).content == b"hello"
    assert server.connections == 1


@pytest.mark.parametrize(
    "first",
    [
        OK + b"content-length: 5\r\nconnection: close\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        HELLO + b"more",
        HELLO + HELLO,
        CHUNKED + b"5\r\nhello\r\n0\r\n\r\n0\r\n\r\n",
    ],
    ids=["close", "HTTP/1.0", "left over", "an answer nobody asked for", "a second end"],
)
async def test_a_connection_that_cannot_carry_another_request_is_not_kept(first: bytes) -> None:
    server = says_and_waits(first)
    async with client_of(server, idle_seconds=60) as client, asyncio.timeout(5):
        for connections in (1, 2):
            assert (await client.post("/")).content == b"hello"
            assert server.connections == connections
            await server.ended.wait()


async def test_what_comes_on_an_idle_connection_ends_it() -> None:
    asked, sent = asyncio.Event(), asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(HELLO)
        await asked.wait()
        writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        sent.set()
        await reader.read()

    async with client_of(converse) as client:
        assert (await client.post("/")).content == b"hello"
        asked.set()
        await sent.wait()
        assert (await client.post("/")).content == b"hello"


async def test_an_idle_connection_that_the_server_closed_is_not_used() -> None:
    server = says(HELLO)
    async with client_of(server) as client:
        for _ in range(3):
            assert (await client.post("/")).content == b"hello"
            await asyncio.sleep(0.01)  # the server's farewell is on its way
    assert server.connections == 3


async def test_a_request_is_never_sent_twice() -> None:
    requests = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        writer.write(HELLO)
        await read_request(reader)
        requests += 1

    async with client_of(converse) as client:
        await client.post("/")
        with pytest.raises(httpx.ReadError, match="hung up without an answer"):
            await client.post("/")
    assert requests == 1


async def test_a_connection_that_is_idle_too_long_is_closed() -> None:
    server = says_and_waits(HELLO)
    async with client_of(server, idle_seconds=0.02) as client, asyncio.timeout(5):
        await client.post("/")
        await server.ended.wait()
        assert (await client.post("/")).content == b"hello"
    assert server.connections == 2


async def test_a_response_left_before_its_end_hangs_up() -> None:
    server = says_and_waits(CHUNKED + b"5\r\nhello\r\n")
    async with client_of(server) as client, asyncio.timeout(5):
        async with client.stream("POST", "/") as response:
            assert await anext(response.aiter_raw()) == b"hello"
        await server.ended.wait()


async def test_a_response_whose_end_is_here_unread_keeps_its_connection() -> None:
    server = says(HELLO, HELLO)
    async with client_of(server) as client:
        async with client.stream("POST", "/"):
            pass
        await client.post("/")
    assert server.connections == 1


async def test_closing_the_client_ends_idle_connections_and_those_in_use() -> None:
    server = says_and_waits(CHUNKED + b"5\r\nhello\r\n")
    async with client_of(server) as client, asyncio.timeout(5):
        async with client.stream("POST", "/") as response:
            body = aiter(response.aiter_raw())
            await anext(body)
            more = asyncio.ensure_future(anext(body))
            await asyncio.sleep(0)
            await client.aclose()
            with pytest.raises(httpx.ReadError):
                await more
        await server.ended.wait()


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200", CHUNKED, CHUNKED + b"5\r\nhe"])
async def test_whoever_is_cancelled_hangs_up(sent: bytes) -> None:
    server = says_and_waits(sent)
    async with client_of(server) as client, asyncio.timeout(5):
        reader = asyncio.create_task(client.post("/"))
        await server.answered.wait()
        reader.cancel()
        await server.ended.wait()
        with pytest.raises(asyncio.CancelledError):
            await reader


# Failures


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"220 mail.example ESMTP\r\n\r\n", "Expected HTTP/"),
        (b"HTTP/1.1 abc\r\n\r\n", "Invalid status"),
        (OK + b"content-length: many\r\n\r\n", "Content-Length"),
        (OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", "Transfer-Encoding"),
        (b"HTTP/1.1 101 Switch\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "a protocol that nobody asked for"),
        (CHUNKED + b"5\r\nhello\r\nno chunk size\r\n", "chunk size"),
        (CHUNKED + b"5\r\nhello, world\r\n", "chunk"),
        (OK + b"x: " + b"y" * 2 * HEAD_BYTES, "larger than 65536"),
        (OK + b"x: y\r\n" * HEAD_BYTES, "larger than 65536"),
        (OK + b"x: " + b"y" * HEAD_BYTES + b"\r\ncontent-length: 5\r\n\r\nhello", "larger than 65536"),
        (b"HTTP/1.1 100 Go on\r\n\r\n" * HEAD_BYTES, "larger than 65536"),
        (CHUNKED + b"5;" + b"x" * 3 * HEAD_BYTES, "larger than 65536"),
        (CHUNKED + b"5\r\nhello\r\n0\r\nx: " + b"y" * 3 * HEAD_BYTES, "larger than 65536"),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else None,
)
async def test_what_is_no_http_is_told_at_once(sent: bytes, words: str) -> None:
    async with asyncio.timeout(5):
        assert words in await failure_from(says_and_waits(sent), httpx.RemoteProtocolError)


async def test_garbage_under_a_waiting_reader_is_told_at_once_behind_what_came_before() -> None:
    is_waiting = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(CHUNKED)
        await is_waiting.wait()
        writer.write(b"5\r\nhello\r\nno chunk size\r\n")
        await reader.read()

    async with client_of(converse) as client, client.stream("POST", "/") as response, asyncio.timeout(5):
        body = aiter(response.aiter_raw())
        more = asyncio.ensure_future(anext(body))
        await asyncio.sleep(0)
        is_waiting.set()
        assert await more == b"hello"
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(body)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"", "without an answer"),
        (b"HTTP/1.1 200 OK\r\nconte", "without an answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "without an answer"),
        (OK + b"content-length: 5\r\n\r\nhell", "in the middle"),
        (CHUNKED + b"5\r\nhell", "in the middle"),
        (CHUNKED + b"5\r\nhello\r\n", "in the middle"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", "in the middle"),
    ],
)
async def test_an_end_too_early_is_an_error(sent: bytes, words: str) -> None:
    assert await failure_from(says(sent), httpx.ReadError) == f"hung up {words}"


async def test_a_reset_is_an_error() -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(CHUNKED + b"5\r\nhello\r\n")
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async with client_of(converse) as client, client.stream("POST", "/") as response:
        body = aiter(response.aiter_raw())
        assert await anext(body) == b"hello"
        with pytest.raises(httpx.ReadError):
            await anext(body)


@pytest.mark.parametrize("url", [nowhere(), "http://no-such-host.invalid", f"http://{'x' * 64}.example"])
async def test_where_nobody_is_there_is_no_connection(url: str) -> None:
    async with httpx.AsyncClient(transport=Transport(ssl.create_default_context(), 4.0)) as client:
        with pytest.raises(httpx.ConnectError, match="Cannot connect to host") as raised:
            await client.post(url, headers={"authorization": KEY})
    assert KEY not in str(raised.value)


async def test_a_crowd_asks_for_an_address_once_and_tries_each(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    look_up = socket.getaddrinfo

    def asking(host: str, *rest: Any, **more: Any) -> Any:
        asked.append(host)
        return look_up(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", asking)
    async with client_of(says(HELLO)) as client:
        url = str(client.base_url).replace("127.0.0.1", "localhost")
        answers = await asyncio.gather(*(client.post(url) for _ in range(10)))
    assert {answer.content for answer in answers} == {b"hello"}
    assert asked.count("localhost") <= 1  # uvloop does not ask Python


# TLS


@dataclass(frozen=True)
class Certificate:
    """A throwaway one for localhost, and contexts of both sides."""

    chain: Path
    key: Path

    @property
    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context

    @property
    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.chain))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("tls")
    made = Certificate(folder / "chain.pem", folder / "key.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(made.key), "-out", str(made.chain)]
    subprocess.run([*command.split(), *names], capture_output=True, check=True)
    return made


@asynccontextmanager
async def secure(
    conversation: Conversation, certificate: Certificate, context: ssl.SSLContext | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that trusts this server, unless told otherwise. The conversation ends when the client hangs up."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await conversation(reader, writer)
        writer.close()

    async with await asyncio.start_server(meet, "127.0.0.1", 0, ssl=certificate.server) as server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        transport = Transport(context or certificate.client, 4.0)
        async with httpx.AsyncClient(transport=transport, base_url=url) as client:
            yield client


async def test_a_connection_under_tls_is_kept_and_speaks_http_1(certificate: Certificate) -> None:
    spoken: list[str | None] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        spoken.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        while True:
            await read_request(reader)
            writer.write(OK + b"content-length: 1000000\r\n\r\n" + b"x" * 1_000_000)

    async with secure(converse, certificate) as client:
        for _ in range(3):
            assert (await client.post("/", content=b"y" * 1_000_000)).content == b"x" * 1_000_000
    assert spoken == ["http/1.1"]


async def test_records_that_come_while_the_reader_rests_are_one_read(certificate: Certificate) -> None:
    said, rested = asyncio.Event(), asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(CHUNKED + b"1\r\n0\r\n")
        await rested.wait()
        for token in b"12345":
            writer.write(b"1\r\n%c\r\n" % token)
            await writer.drain()
        said.set()
        await reader.read()

    async with secure(converse, certificate) as client, client.stream("POST", "/") as response:
        body = aiter(response.aiter_raw())
        assert await anext(body) == b"0"
        rested.set()
        await said.wait()
        assert await anext(body) == b"12345"


async def test_a_response_under_tls_left_before_its_end_hangs_up(certificate: Certificate) -> None:
    server = says_and_waits(CHUNKED + b"5\r\nhello\r\n")
    async with secure(server, certificate) as client, asyncio.timeout(5):
        async with client.stream("POST", "/") as response:
            assert await anext(response.aiter_raw()) == b"hello"
        await server.ended.wait()


async def test_a_body_under_tls_that_breaks_off_is_an_error(certificate: Certificate) -> None:
    async with secure(says(CHUNKED + b"5\r\nhell"), certificate) as client:
        with pytest.raises(httpx.ReadError, match="in the middle"):
            await client.post("/")


async def test_a_server_that_nobody_vouches_for_is_not_talked_to(certificate: Certificate) -> None:
    server = says(HELLO)
    async with secure(server, certificate, ssl.create_default_context()) as client:
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            await client.post("/", headers={"authorization": KEY})
    assert not server.requests


async def test_a_server_of_another_name_is_not_talked_to(certificate: Certificate) -> None:
    server = says(HELLO)
    async with secure(server, certificate) as client:
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            await client.post(str(client.base_url).replace("localhost", "127.0.0.1"))
    assert not server.requests


async def test_a_server_without_tls_is_no_server_for_https(certificate: Certificate) -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with client_of(converse) as client:
        with pytest.raises(httpx.ConnectError):
            await client.post(str(client.base_url).replace("http:", "https:"))


async def test_a_connection_that_takes_too_long_is_given_up() -> None:
    ended = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        ended.set()

    async with client_of(converse) as client, asyncio.timeout(5):
        with pytest.raises(httpx.ConnectTimeout, match="takes too long"):
            await client.post(
                str(client.base_url).replace("http:", "https:"), timeout=httpx.Timeout(None, connect=0.05)
            )
        await ended.wait()


# Proxies


async def test_a_proxy_of_the_environment_is_used_and_its_exceptions_too(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, server = says(HELLO), says(HELLO)
    async with conversing(proxy) as proxy_url, conversing(server) as url:
        monkeypatch.setenv("HTTP_PROXY", proxy_url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "127.0.0.1")
        async with Client() as client:
            await client.post("http://far.invalid/")
            await client.post(url)
    assert proxy.requests[0].startswith(b"POST http://far.invalid/ HTTP/1.1")
    assert server.requests[0].startswith(b"POST / HTTP/1.1")


# The server's own loop

ALL_OF_THE_ABOVE = [
    test
    for name, test in list(globals().items())
    if name.startswith("test_")
    and inspect.iscoroutinefunction(test)
    and not inspect.signature(test).parameters.keys() - {"certificate"}
]


@pytest.mark.parametrize("test", ALL_OF_THE_ABOVE, ids=lambda test: test.__name__)
def test_it_holds_under_uvloop_too(
    test: Callable[..., Coroutine[Any, Any, None]], certificate: Certificate
) -> None:
    given = {"certificate": certificate} if inspect.signature(test).parameters else {}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test(**given))
