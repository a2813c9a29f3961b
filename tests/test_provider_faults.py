"""The faults that every client of a hosted service survives, on real sockets. `CASES` lists the clients.

A new client adds its case: its settings, a stream as its API reference shows one, and an error of its service.
"""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import pytest
from starlette.responses import RedirectResponse, Response

from arena import config
from arena.errors import (
    BackendBroken,
    BackendBusy,
    BackendError,
    BackendRefused,
    BackendTimeout,
    BackendUnreachable,
)
from tests.servers import conversing, read_request, serving
from tests.services import (
    HELLO,
    KEY,
    Endpoint,
    Heard,
    Settings,
    bare,
    chunked,
    connected,
    error_of,
    event,
    everything_told_by,
    hear,
    refusing,
    reset,
    settings_of,
    silent,
    streaming,
    typed,
)

TEXT = "Grüße, 世界 🦜"
"""What every service answers."""


@dataclass(frozen=True)
class Case:
    """A client, and its service in bytes."""

    name: str
    kind: type[config.Hosted]
    start: bytes
    """A stream of its service until it has said `TEXT`."""
    end: bytes
    """The rest of that stream."""
    error: bytes
    """How the service tells in mid-stream that it is overloaded, or fails, quoting the key."""
    told_as: type[BackendError]
    """What that is to us."""
    body: dict[str, Any]
    """The body of a refusal, quoting the key."""
    options: tuple[tuple[str, Any], ...] = ()
    """Settings that the client needs."""
    media_type: str = "text/event-stream"
    framed: bytes = b"data: %b\n\n"
    """An event with this data."""
    keep_alive: bytes = b": keep-alive\n\n"
    """What a service may send between two events."""

    def settings(self, **changes: Any) -> Settings:
        return settings_of(self.kind, "", **dict(self.options) | changes)

    @property
    def head(self) -> bytes:
        """The head of a response whose body is sent in chunks."""
        return (
            b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % self.media_type.encode()
        )

    def streaming(self, *chunks: bytes) -> Endpoint:
        return streaming(*chunks, media_type=self.media_type)


def said(text: str) -> bytes:
    return event(id="1", choices=[{"index": 0, "delta": {"content": text}, "finish_reason": None}])


CHAT_END = event(id="1", choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]) + b"data: [DONE]\n\n"
CHAT = said("Grüße, ") + said("世界 🦜")
OPENAI_ERROR = {"error": {"message": f"busy, {KEY}", "type": "rate_limit_error", "param": None, "code": None}}

ANTHROPIC = (
    typed(
        "message_start", message={"id": "msg_1", "content": [], "usage": {"input_tokens": 9, "output_tokens": 1}}
    )
    + typed("content_block_delta", index=0, delta={"type": "text_delta", "text": "Grüße, "})
    + typed("content_block_delta", index=0, delta={"type": "text_delta", "text": "世界 🦜"})
)
ANTHROPIC_END = typed("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5})
ANTHROPIC_END += typed("message_stop")
ANTHROPIC_ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": f"Overloaded, {KEY}"}}


def content(text: str, **candidate: Any) -> bytes:
    return event(
        candidates=[{"content": {"parts": [{"text": text}], "role": "model"}, **candidate}], responseId="1"
    )


GEMINI_ERROR = {"error": {"code": 503, "message": f"overloaded, {KEY}", "status": "UNAVAILABLE"}}


def cohere_said(text: str) -> bytes:
    return event(type="content-delta", index=0, delta={"message": {"content": {"text": text}}})


COHERE = event(type="message-start", id="1", delta={"message": {"content": []}})
COHERE += cohere_said("Grüße, ") + cohere_said("世界 🦜")
COHERE_ERROR = event(type="message-end", delta={"finish_reason": "ERROR", "error": f"no more, {KEY}"})


def reka_said(text: str, **response: Any) -> bytes:
    return event(id="1", responses=[{"chunk": {"content": text, "role": "assistant"}, **response}])


def line(**fields: Any) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def yandex_said(text: str, status: str) -> bytes:
    message = {"role": "assistant", "text": text}
    return line(result={"alternatives": [{"message": message, "status": f"ALTERNATIVE_STATUS_{status}"}]})


YANDEX_ERROR = {"error": {"grpcCode": 8, "httpCode": 429, "message": f"too many, {KEY}", "details": []}}

PARTS = event(choices=[{"delta": {"content": [{"type": "text", "text": "Grüße, "}]}}]) + said("世界 🦜")
MISTRAL_ERROR = {
    "object": "error",
    "message": f"Rate limit exceeded, {KEY}",
    "type": "rate_limited",
    "code": "1300",
}
TGI_ERROR = {"error": f"Model is overloaded, {KEY}", "error_type": "overloaded"}


def responded(status: str, **response: Any) -> bytes:
    return typed(f"response.{status}", response={"id": "resp_1", "status": status, "error": None} | response)


RESPONSE = responded("created") + typed("response.output_text.delta", delta="Grüße, ")
RESPONSE += typed("response.output_text.delta", delta="世界 🦜")
RESPONSE_ERROR = responded("failed", error={"code": "rate_limit_exceeded", "message": f"busy, {KEY}"})


def noted(name: str, **fields: Any) -> bytes:
    return b"event: " + name.encode() + b"\n" + event(object=name, **fields)


def told_in_a_thread(text: str) -> bytes:
    content = {"index": 0, "type": "text", "text": {"value": text, "annotations": []}}
    return noted("thread.message.delta", id="msg_1", delta={"content": [content]})


RUN = noted("thread", id="thread_1") + told_in_a_thread("Grüße, ") + told_in_a_thread("世界 🦜")
RUN_END = noted("thread.run", id="run_1", status="completed") + b"event: done\ndata: [DONE]\n\n"
RUN_ERROR = {"code": "rate_limit_exceeded", "message": f"busy, {KEY}"}

CASES = [
    Case("openai", config.OpenAI, CHAT, CHAT_END, event(**OPENAI_ERROR), BackendBusy, OPENAI_ERROR),
    Case(
        "azure",
        config.Azure,
        event(id="", choices=[], prompt_filter_results=[{"prompt_index": 0}]) + CHAT,
        CHAT_END,
        event(**OPENAI_ERROR),
        BackendBusy,
        OPENAI_ERROR,
        options=(("api_version", "2024-02-01"),),
    ),
    Case("mistral", config.Mistral, PARTS, CHAT_END, event(**MISTRAL_ERROR), BackendBusy, MISTRAL_ERROR),
    Case("p2l", config.P2L, CHAT, b"data: [DONE]\n\n", event(**OPENAI_ERROR), BackendBusy, OPENAI_ERROR),
    Case("huggingface", config.HuggingFace, CHAT, CHAT_END, event(**TGI_ERROR), BackendBusy, TGI_ERROR),
    Case(
        "responses",
        config.Responses,
        RESPONSE,
        responded("completed"),
        RESPONSE_ERROR,
        BackendBusy,
        OPENAI_ERROR,
    ),
    Case(
        "assistant",
        config.Assistant,
        RUN,
        RUN_END,
        noted("thread.run", id="run_1", status="failed", last_error=RUN_ERROR),
        BackendBusy,
        OPENAI_ERROR,
        options=(("assistant_id", "asst_1"),),
    ),
    Case(
        "anthropic",
        config.Anthropic,
        ANTHROPIC,
        ANTHROPIC_END,
        event(**ANTHROPIC_ERROR),
        BackendBusy,
        ANTHROPIC_ERROR,
        keep_alive=typed("ping"),
    ),
    Case(
        "gemini",
        config.Gemini,
        content("Grüße, ") + content("世界 🦜"),
        content("", finishReason="STOP"),
        event(**GEMINI_ERROR),
        BackendBusy,
        GEMINI_ERROR,
    ),
    Case(
        "cohere",
        config.Cohere,
        COHERE,
        event(type="message-end", delta={"finish_reason": "COMPLETE"}),
        COHERE_ERROR,
        BackendUnreachable,
        {"message": f"invalid api token: {KEY}"},
    ),
    Case(
        "reka",
        config.Reka,
        reka_said("Grüße, ") + reka_said(TEXT),
        reka_said(TEXT, finish_reason="stop"),
        event(detail=f"failed, {KEY}"),
        BackendBroken,
        {"detail": f"invalid key: {KEY}"},
    ),
    Case(
        "yandexgpt",
        config.YandexGPT,
        yandex_said("Grüße, ", "PARTIAL") + yandex_said(TEXT, "PARTIAL"),
        yandex_said(TEXT, "FINAL"),
        line(**YANDEX_ERROR),
        BackendBusy,
        YANDEX_ERROR,
        options=(("folder_id", "b1g"),),
        media_type="application/json",
        framed=b"%b\n",
        keep_alive=b"\n",
    ),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture(autouse=True)
def _no_proxy_stands_between(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")


@pytest.fixture(autouse=True)
def _the_key_is_never_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    for record in caplog.records:
        assert KEY not in record.getMessage() + repr(record.__dict__)


def test_every_client_has_a_case() -> None:
    assert {case.kind for case in CASES} == set(get_args(config.Provider)) - {config.Script}


async def test_a_stream_cut_at_any_byte_is_read_the_same(case: Case) -> None:
    sent = case.start + case.end
    cuts = iter(range(1, len(sent)))

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        cut = next(cuts)
        writer.write(case.head + chunked(sent[:cut]))
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(chunked(sent[cut:]) + b"0\r\n\r\n")

    async with connected(conversing(converse), case.settings()) as client:
        answers = await asyncio.gather(*(hear(client) for _ in range(1, len(sent))))
    assert {answer.text for answer in answers} == {TEXT}
    assert len({answer.usage for answer in answers}) == 1


async def test_line_ends_and_keep_alives_of_any_kind_are_read_past(case: Case) -> None:
    sent = (case.keep_alive + case.start + case.keep_alive + case.end).replace(b"\n", b"\r\n")
    async with connected(serving(case.streaming(sent)), case.settings()) as client:
        assert (await hear(client)).text == TEXT


async def test_an_error_in_mid_stream_is_the_error_it_names_and_keeps_the_text(case: Case) -> None:
    heard = Heard()
    async with connected(serving(case.streaming(case.start, case.error)), case.settings()) as client:
        with pytest.raises(case.told_as) as raised:
            await hear(client, HELLO, heard)
    assert heard.text == TEXT
    assert KEY not in everything_told_by(raised.value)


async def test_a_stream_that_just_ends_is_broken(case: Case) -> None:
    await error_of(case.streaming(case.start), BackendBroken, settings=case.settings())


async def test_a_socket_cut_in_mid_stream_is_broken(case: Case) -> None:
    async with connected(bare(case.head, chunked(case.start), then=reset), case.settings()) as client:
        with pytest.raises(BackendBroken):
            await hear(client)


async def test_a_refusal_with_retry_after_says_when_to_ask_again(case: Case) -> None:
    app = refusing(429, case.body, **{"retry-after": "17"})
    error = await error_of(app, BackendBusy, settings=case.settings())
    assert error.retry_after == 17
    assert KEY not in everything_told_by(error)


async def test_a_server_error_is_unreachable(case: Case) -> None:
    app = Endpoint(lambda _: Response("Internal Server Error", 500))
    await error_of(app, BackendUnreachable, settings=case.settings())


async def test_silence_is_a_timeout_before_the_headers_and_in_mid_stream(case: Case) -> None:
    for server in (silent(), silent(case.head, chunked(case.start))):
        async with connected(server, case.settings(read_seconds=0.05)) as client:
            with pytest.raises(BackendTimeout):
                await hear(client)


async def test_a_redirect_is_refused_and_not_followed(case: Case) -> None:
    app = Endpoint(lambda _: RedirectResponse("https://login.example/sso"))
    error = await error_of(app, BackendRefused, settings=case.settings())
    assert "https://login.example/sso" in str(error)
    assert len(app.requests) == 1


async def test_a_page_from_a_proxy_is_broken(case: Case) -> None:
    app = Endpoint(lambda _: Response("<h1>Sign in</h1>", media_type="text/html"))
    await error_of(app, BackendBroken, settings=case.settings())


@pytest.mark.parametrize("data", [b"{not json", b'{"id": "\xff"}', b"[" * 9999], ids=["garbage", "bytes", "deep"])
async def test_an_event_that_cannot_be_read_is_broken(case: Case, data: bytes) -> None:
    garbage = case.framed % (data + KEY.encode())
    error = await error_of(case.streaming(case.start, garbage, case.end), BackendBroken, settings=case.settings())
    assert KEY not in everything_told_by(error)


async def test_ten_megabytes_in_one_event_are_broken(case: Case) -> None:
    app = case.streaming(case.framed % (b'{"x": "' + b"x" * 10_000_000 + b'"}'))
    error = await error_of(app, BackendBroken, settings=case.settings())
    assert str(error).startswith("hosted: ")
    assert "larger than" in str(error)


async def test_a_whole_body_that_is_no_answer_is_broken(case: Case) -> None:
    app = Endpoint(lambda _: Response(b"[]", media_type="application/json"))
    await error_of(app, BackendBroken, settings=case.settings())


async def test_a_key_that_a_refusal_repeats_is_in_no_error(case: Case) -> None:
    error = await error_of(refusing(401, case.body), BackendRefused, settings=case.settings())
    assert KEY not in everything_told_by(error)


async def test_a_reader_who_leaves_hangs_up(case: Case) -> None:
    speaking, hung_up = asyncio.Event(), asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(case.head + chunked(case.start))
        speaking.set()
        await reader.read()
        hung_up.set()

    async with connected(conversing(converse), case.settings()) as client, asyncio.timeout(5):
        reader = asyncio.create_task(hear(client))
        await speaking.wait()
        reader.cancel()
        await hung_up.wait()
