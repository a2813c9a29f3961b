"""The OpenAI client against services on real sockets: what they say, what they refuse, how they break off."""

import asyncio
import gzip
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from arena.backend import Delta, Message, Prompt, Sampling, Usage
from arena.config import Cohere, Gemini, OpenAI
from arena.errors import (
    BackendBroken,
    BackendBusy,
    BackendError,
    BackendRefused,
    BackendTimeout,
    BackendUnreachable,
    ConfigError,
    ContentFiltered,
    PromptTooLong,
)
from arena.providers import make
from arena.providers.openai import OpenAIClient
from arena.providers.service import Service, retry_after
from tests.servers import conversing, nowhere, read_request, serving
from tests.services import (
    DOT,
    HELLO,
    KEY,
    LOOK,
    STREAM_HEAD,
    Endpoint,
    Heard,
    Settings,
    bare,
    chunked,
    connected,
    error_of,
    event,
    everything_told_by,
    failure_of,
    hear,
    hear_from,
    in_turn,
    refusing,
    reset,
    settings_of,
    silent,
    stream_of,
    streaming,
)


def client_of(base_url: str, **settings: Any) -> OpenAIClient:
    client = make(settings_of(**settings)(base_url), {"PLANTED": KEY})
    assert isinstance(client, OpenAIClient)
    return client


def said(text: str | None, **delta: Any) -> bytes:
    return event(id="body-1", choices=[{"index": 0, "delta": {"content": text, **delta}, "finish_reason": None}])


def finished(reason: str = "stop") -> bytes:
    return event(choices=[{"index": 0, "delta": {}, "finish_reason": reason}])


USAGE = event(choices=[], usage={"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13})
DONE = b"data: [DONE]\n\n"


@pytest.fixture(autouse=True)
def _no_proxy_stands_between(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")


@pytest.fixture(autouse=True)
def _the_key_is_never_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    for record in caplog.records:
        assert KEY not in record.getMessage()
        assert KEY not in repr(record.__dict__)


# What is sent


async def test_the_prompt_is_sent_as_chat_completions_want_it() -> None:
    service = streaming(said("Hi"), finished(), DONE)
    await hear_from(service)
    assert service.bodies == [
        {
            "model": "tiny-1",
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "Grüße, 世界 🦜"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]
    assert service.requests[0].url.path == "/v1/chat/completions"
    assert service.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_sampling_is_sent_where_it_is_set_and_only_there() -> None:
    service = streaming(said("Hi"), finished(), DONE)
    sampling = Sampling(temperature=0.0, top_p=0.5, max_tokens=7, stop=("\n", "END"), seed=0)
    await hear_from(service, Prompt(HELLO.messages, sampling))
    body = service.bodies[0]
    assert {key: body[key] for key in ("temperature", "top_p", "max_tokens", "stop", "seed")} == {
        "temperature": 0.0,
        "top_p": 0.5,
        "max_tokens": 7,
        "stop": ["\n", "END"],
        "seed": 0,
    }


async def test_the_providers_model_is_asked_where_the_prompt_names_none() -> None:
    service = streaming(finished(), DONE)
    await hear_from(service, Prompt(HELLO.messages), model="house-model")
    assert service.bodies[0]["model"] == "house-model"


async def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = streaming(said("Hi"), finished(), DONE)
    async with serving(proxy) as base_url:
        monkeypatch.setenv("HTTP_PROXY", base_url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name)
        client = client_of("http://far.invalid")
        assert (await hear(client)).text == "Hi"
        await client.close()
    assert proxy.requests[0].headers["host"] == "far.invalid"


async def test_a_query_in_the_base_url_stays_behind_the_path() -> None:
    service = streaming(finished(), DONE)
    async with serving(service) as base_url:
        client = OpenAIClient(OpenAI(name="azure", base_url=f"{base_url}/openai/?api-version=3"), {})
        await hear(client)
        await client.close()
    assert str(service.requests[0].url).endswith("/openai/chat/completions?api-version=3")
    assert "authorization" not in service.requests[0].headers


async def test_pictures_are_sent_as_parts_before_the_text() -> None:
    service = streaming(finished(), DONE)
    await hear_from(service, Prompt((*LOOK.messages, Message("user", "", (DOT, DOT)))))
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORy4="}}
    assert service.bodies[0]["messages"] == [
        {"role": "user", "content": [picture, {"type": "text", "text": "What is this?"}]},
        {"role": "user", "content": [picture, picture]},
    ]


async def test_the_extra_fields_of_the_sampling_stand_over_all_others() -> None:
    service = streaming(finished(), DONE)
    extra = {"max_tokens": None, "reasoning_effort": "low", "stream_options": {"include_usage": False}}
    await hear_from(service, Prompt(HELLO.messages, Sampling(max_tokens=7, extra=extra), "tiny-1"))
    assert {key: service.bodies[0][key] for key in extra} == extra
    assert service.bodies[0]["model"] == "tiny-1"


async def test_a_reasoning_model_gets_a_developer_role_and_no_sampling_parameters() -> None:
    service = streaming(finished(), DONE)
    sampling = Sampling(temperature=0.5, top_p=0.9, max_tokens=7, stop=("END",), seed=3)
    await hear_from(service, Prompt(HELLO.messages, sampling, "o-1"), reasoning=True)
    assert service.bodies[0] == {
        "model": "o-1",
        "messages": [
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": "Grüße, 世界 🦜"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 7,
        "stop": ["END"],
        "seed": 3,
    }


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("is_reasoning", [False, True])
async def test_the_field_of_the_token_limit_can_be_chosen(name: str, is_reasoning: bool) -> None:
    service = streaming(finished(), DONE)
    prompt = Prompt(HELLO.messages, Sampling(max_tokens=7))
    await hear_from(service, prompt, reasoning=is_reasoning, max_tokens_field=name)
    assert {key: value for key, value in service.bodies[0].items() if "max" in key} == {name: 7}


# Asking in another way

WHOLE = {"choices": [{"message": {"content": "All of it."}, "finish_reason": "stop"}]}
NO_STREAM = {
    "error": {
        "message": "Unsupported value: 'stream' does not support true with this model.",
        "type": "invalid_request_error",
        "param": "stream",
        "code": "unsupported_value",
    }
}
UNVERIFIED = {"error": {"message": "Your organization must be verified to stream this model.", "param": "stream"}}
NO_COUNTING = {"error": {"message": "Unrecognized request argument supplied: stream_options", "code": None}}
FORBIDDEN = {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "input": {}}]}


async def test_a_service_that_does_not_stream_is_not_asked_to() -> None:
    service = Endpoint(lambda _: JSONResponse(WHOLE))
    assert (await hear_from(service, streams=False)).text == "All of it."
    assert not {"stream", "stream_options"} & service.bodies[0].keys()


@pytest.mark.parametrize("refusal", [NO_STREAM, UNVERIFIED], ids=["model", "organisation"])
async def test_a_model_that_refuses_to_stream_is_asked_once_more_and_that_is_remembered(
    refusal: dict[str, Any],
) -> None:
    service = in_turn(lambda: JSONResponse(refusal, 400), lambda: JSONResponse(WHOLE))
    async with connected(serving(service), reasoning=True) as client:
        assert [(await hear(client)).text for _ in range(2)] == ["All of it."] * 2
    assert [body.get("stream") for body in service.bodies] == [True, None, None]


async def test_that_a_model_refuses_to_stream_is_not_held_against_another() -> None:
    service = in_turn(
        lambda: JSONResponse(NO_STREAM, 400),
        lambda: JSONResponse(WHOLE),
        lambda: stream_of(said("Hi"), finished(), DONE),
    )
    async with connected(serving(service)) as client:
        await hear(client)
        assert (await hear(client, Prompt(HELLO.messages, model_id="tiny-2"))).text == "Hi"
    assert [body.get("stream") for body in service.bodies] == [True, None, True]


@pytest.mark.parametrize(("status", "refusal"), [(400, NO_COUNTING), (422, FORBIDDEN)], ids=["400", "422"])
async def test_a_service_that_knows_no_stream_options_is_asked_without(
    status: int, refusal: dict[str, Any]
) -> None:
    service = in_turn(
        lambda: JSONResponse(refusal, status),
        lambda: stream_of(said("Hi"), finished(), DONE),
    )
    async with connected(serving(service)) as client:
        assert [(await hear(client)).text for _ in range(2)] == ["Hi"] * 2
    assert ["stream_options" in body for body in service.bodies] == [True, False, False]
    assert all(body["stream"] for body in service.bodies)


async def test_a_service_that_refuses_every_way_is_asked_in_each_once() -> None:
    service = in_turn(lambda: JSONResponse(NO_COUNTING, 400), lambda: JSONResponse(NO_STREAM, 400))
    told = await failure_of(service, BackendRefused)
    assert "'stream' does not support true" in told
    assert len(service.bodies) == 3


async def test_another_way_that_does_not_help_either_is_not_remembered() -> None:
    service = in_turn(
        lambda: JSONResponse(NO_STREAM, 400),
        lambda: JSONResponse({"error": {"message": "busy"}}, 429),
        lambda: stream_of(said("Hi"), finished(), DONE),
    )
    async with connected(serving(service)) as client:
        with pytest.raises(BackendBusy):
            await hear(client)
        assert (await hear(client)).text == "Hi"
    assert [body.get("stream") for body in service.bodies] == [True, None, True]


# What is heard


async def test_what_comes_at_once_is_one_delta_and_the_usage_is_last() -> None:
    heard = await hear_from(streaming(said("") + said("Hel") + said("lo"), finished(), USAGE, DONE))
    assert heard == Heard("Hello", "", 1, Usage(11, 2, "stop", "body-1"))


@pytest.mark.parametrize("count", [-1, 2**70])
async def test_a_count_of_tokens_that_cannot_be_is_left_out(count: int) -> None:
    usage = event(choices=[], usage={"prompt_tokens": count, "completion_tokens": 2})
    heard = await hear_from(streaming(said("Hi"), finished(), usage, DONE))
    assert heard.usage == Usage(None, 2, "stop", "body-1")


async def test_the_request_id_of_the_header_goes_before_the_one_of_the_body() -> None:
    heard = await hear_from(streaming(said("Hi"), finished(), DONE, **{"x-request-id": "head-1"}))
    assert heard.usage == Usage(None, None, "stop", "head-1")


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
async def test_reasoning_is_kept_apart_under_either_name(name: str) -> None:
    heard = await hear_from(streaming(said(None, **{name: "Hm."}), said("Yes."), finished(), DONE))
    assert (heard.text, heard.reasoning) == ("Yes.", "Hm.")


async def test_content_in_parts_is_read_as_text_and_reasoning() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}, {"type": "text", "text": "."}]}
    parts = [thinking, {"type": "thinking", "thinking": "So."}, {"type": "text", "text": "Yes"}, {"type": "odd"}]
    heard = await hear_from(streaming(event(choices=[{"delta": {"content": parts}}]), said("."), finished(), DONE))
    assert (heard.text, heard.reasoning) == ("Yes.", "Hm.So.")


async def test_an_answer_that_ends_in_an_error_is_no_answer() -> None:
    await failure_of(streaming(said("Hi"), finished("error"), DONE), BackendUnreachable)


async def test_a_refusal_is_read_as_the_answer() -> None:
    assert (await hear_from(streaming(said(None, refusal="No."), finished(), DONE))).text == "No."


async def test_unknown_fields_nulls_and_keep_alives_are_read_past() -> None:
    odd = event(id=None, choices=None, usage=None, error=None, surprise={"a": [1]})
    no_delta = event(choices=[{"delta": None, "finish_reason": None, "logprobs": {"content": []}}])
    service = streaming(b": keep-alive\n\n", odd, no_delta, b"data:\n\n", said("Hi"), finished(), DONE)
    assert (await hear_from(service)).text == "Hi"


async def test_a_finish_reason_ends_an_answer_whose_done_is_missing() -> None:
    heard = await hear_from(streaming(said("Hi"), finished("length")))
    assert heard.usage == Usage(finish_reason="length", request_id="body-1")


async def test_done_ends_an_answer_whose_finish_reason_is_missing() -> None:
    assert (await hear_from(streaming(said("Hi"), DONE))).text == "Hi"


async def test_nothing_is_read_after_done() -> None:
    assert (await hear_from(streaming(said("Hi"), DONE + said("ghost") + b"data: garbage\n\n"))).text == "Hi"


async def test_a_finished_answer_survives_a_cut_socket() -> None:
    async with connected(bare(STREAM_HEAD, chunked(said("Hi") + finished()), then=reset)) as client:
        assert (await hear(client)).text == "Hi"


async def test_a_service_that_keeps_the_stream_open_after_done_is_not_waited_for() -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(STREAM_HEAD + chunked(said("Hi") + finished() + DONE))
        assert await reader.read() == b"", "the client did not hang up"

    async with connected(conversing(converse)) as client, asyncio.timeout(5):
        assert (await hear(client)).text == "Hi"


async def test_a_whole_completion_is_read_as_one_delta() -> None:
    completion = {
        "id": "whole-1",
        "choices": [{"message": {"role": "assistant", "content": "All of it."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3},
    }
    heard = await hear_from(Endpoint(lambda _: JSONResponse(completion)))
    assert heard == Heard("All of it.", "", 1, Usage(5, 3, "stop", "whole-1"))


async def test_a_stream_cut_at_any_byte_is_read_the_same() -> None:
    sent = said("Grüße, 世界 🦜") + b": ping\r\n\r\n" + finished() + USAGE + DONE
    cuts = iter(range(1, len(sent)))

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for cut in cuts:
            await read_request(reader)
            writer.write(STREAM_HEAD + chunked(sent[:cut]))
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(chunked(sent[cut:]) + b"0\r\n\r\n")

    async with connected(conversing(converse)) as client:
        for cut in range(1, len(sent)):
            heard = await hear(client)
            assert heard == Heard("Grüße, 世界 🦜", "", 1, Usage(11, 2, "stop", "body-1")), f"cut at {cut}"


async def test_an_encoded_body_is_decoded_although_none_was_asked_for() -> None:
    body = gzip.compress(said("Hi") + finished() + DONE)
    service = Endpoint(
        lambda _: Response(body, media_type="text/event-stream", headers={"content-encoding": "gzip"})
    )
    assert (await hear_from(service)).text == "Hi"
    assert service.requests[0].headers["accept-encoding"] == "identity"


async def test_answers_one_after_the_other_share_a_connection() -> None:
    service = streaming(said("Hi"), finished(), DONE)
    async with connected(serving(service)) as client:
        for _ in range(3):
            await hear(client)
    assert len({request.client for request in service.requests}) == 1


async def test_a_connection_whose_last_bytes_come_late_is_shared_too() -> None:
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await read_request(reader)
            writer.write(STREAM_HEAD + chunked(said("Hi") + finished() + DONE))
            await asyncio.sleep(0.01)  # stands for the network
            writer.write(b"0\r\n\r\n")

    async with connected(conversing(converse)) as client:
        for _ in range(3):
            await hear(client)
    assert connections == 1


async def test_a_hundred_and_fifty_streams_run_at_once() -> None:
    waiting, everybody_is_here = 0, asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        nonlocal waiting
        waiting += 1
        if waiting == 150:
            everybody_is_here.set()
        yield said("Hi")
        await everybody_is_here.wait()
        yield finished() + DONE

    service = Endpoint(lambda _: StreamingResponse(body(), media_type="text/event-stream"))
    async with connected(serving(service)) as client, asyncio.timeout(20):
        answers = await asyncio.gather(*(hear(client) for _ in range(150)))
    assert {answer.text for answer in answers} == {"Hi"}


async def test_a_fast_service_is_not_held_up() -> None:
    events = b"".join(said("token ", padding="x" * 100) for _ in range(10_000))
    async with asyncio.timeout(3):
        heard = await hear_from(streaming(events, finished(), DONE))
    assert heard.text == "token " * 10_000


async def test_a_client_with_all_its_connections_in_use_is_busy() -> None:
    async with connected(silent(), max_connections=1) as client, asyncio.TaskGroup() as group:
        first = group.create_task(hear(client))
        await asyncio.sleep(0)
        with pytest.raises(BackendBusy, match="all 1 connections are in use"):
            await hear(client)
        first.cancel()


async def test_a_connection_is_free_again_after_its_answer_and_after_its_failure() -> None:
    async with connected(serving(streaming(said("Hi"), finished(), DONE)), max_connections=1) as client:
        for _ in range(2):
            assert (await hear(client)).text == "Hi"
    async with connected(serving(refusing(500, {})), max_connections=1) as client:
        for _ in range(2):
            with pytest.raises(BackendUnreachable):
                await hear(client)


# Cancelling


async def test_cancelling_the_reader_hangs_up_on_the_service() -> None:
    hung_up = asyncio.Event()
    speaking = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(STREAM_HEAD + chunked(said("Hi")))
        speaking.set()
        await reader.read()
        hung_up.set()

    async with connected(conversing(converse)) as client:
        reader = asyncio.create_task(hear(client))
        await speaking.wait()
        reader.cancel()
        async with asyncio.timeout(1):
            await hung_up.wait()
        with pytest.raises(asyncio.CancelledError):
            await reader


async def test_a_reader_who_is_cancelled_before_the_first_byte_hangs_up_too() -> None:
    asked, hung_up = asyncio.Event(), asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        await reader.read()
        hung_up.set()

    async with connected(conversing(converse)) as client:
        reader = asyncio.create_task(hear(client))
        await asked.wait()
        reader.cancel()
        async with asyncio.timeout(1):
            await hung_up.wait()


async def test_a_reader_who_stops_in_the_middle_hangs_up() -> None:
    hung_up = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        try:
            while True:
                yield said("more ")
                await asyncio.sleep(0.001)
        finally:
            hung_up.set()

    service = Endpoint(lambda _: StreamingResponse(body(), media_type="text/event-stream"))
    async with connected(serving(service)) as client, asyncio.timeout(2):
        async with aclosing(client.stream(HELLO)) as items:
            assert await anext(items) == Delta("more ")
        await hung_up.wait()


# Nobody there, or nobody any more


async def test_a_refused_connection_is_unreachable() -> None:
    client = client_of(nowhere())
    with pytest.raises(BackendUnreachable, match=r"Cannot connect to host 127\.0\.0\.1"):
        await hear(client)
    await client.close()


async def test_an_unknown_host_is_unreachable() -> None:
    client = client_of("http://no-such-host.invalid")
    with pytest.raises(BackendUnreachable, match=r"no-such-host\.invalid"):
        await hear(client)
    await client.close()


@pytest.mark.parametrize("then", [None, reset], ids=["closed", "reset"])
async def test_a_connection_dropped_before_the_headers_is_unreachable(
    then: Callable[[asyncio.StreamWriter], None] | None,
) -> None:
    async with connected(bare(then=then)) as client:
        with pytest.raises(BackendUnreachable):
            await hear(client)


async def test_silence_before_the_headers_is_a_timeout() -> None:
    async with connected(silent(), read_seconds=0.05) as client:
        with pytest.raises(BackendTimeout, match=r"hosted: no answer within 0\.05 s"):
            await hear(client)


async def test_silence_in_the_middle_is_a_timeout() -> None:
    async with connected(silent(STREAM_HEAD, chunked(said("Hi"))), read_seconds=0.05) as client:
        with pytest.raises(BackendTimeout, match=r"silent for 0\.05 s"):
            await hear(client)


@pytest.mark.parametrize("then", [None, reset], ids=["closed", "reset"])
async def test_a_socket_cut_in_the_middle_is_broken(then: Callable[[asyncio.StreamWriter], None] | None) -> None:
    async with connected(bare(STREAM_HEAD, chunked(said("Hi")), then=then)) as client:
        with pytest.raises(BackendBroken, match="broke off"):
            await hear(client)


async def test_framing_that_turns_to_garbage_under_a_waiting_reader_is_broken_at_once() -> None:
    is_waiting = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(STREAM_HEAD + chunked(b": ping\n\n"))
        await is_waiting.wait()
        writer.write(b"this is no chunk size\r\n")
        await reader.read()

    async with conversing(converse) as base_url:
        service = Service(OpenAI(name="hosted", base_url=base_url, read_seconds=60), {})
        async with service.post("/", b"{}", {}) as response, aclosing(service.chunks(response)) as chunks:
            await anext(chunks)
            more = asyncio.ensure_future(anext(chunks))
            await asyncio.sleep(0)
            is_waiting.set()
            with pytest.raises(BackendBroken, match="broke off"):
                await asyncio.wait_for(more, 5)
        await service.close()


async def test_framing_that_turned_to_garbage_before_the_read_is_broken() -> None:
    async with connected(bare(STREAM_HEAD + chunked(said("Hi")), b"this is no chunk size\r\n")) as client:
        with pytest.raises(BackendBroken):
            await hear(client)


async def test_what_is_not_http_is_broken() -> None:
    async with connected(bare(b"220 mail.example ESMTP\r\n\r\n")) as client:
        with pytest.raises(BackendBroken, match="does not speak HTTP"):
            await hear(client)


# Refusals


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, BackendRefused),
        (401, BackendRefused),
        (402, BackendRefused),
        (403, BackendRefused),
        (404, BackendRefused),
        (408, BackendTimeout),
        (409, BackendBusy),
        (425, BackendBusy),
        (429, BackendBusy),
        (500, BackendUnreachable),
        (502, BackendUnreachable),
        (503, BackendBusy),
        (504, BackendTimeout),
        (529, BackendBusy),
    ],
)
async def test_a_status_decides_where_the_body_says_nothing_special(
    status: int, expected: type[BackendError]
) -> None:
    told = await failure_of(refusing(status, {"error": {"message": "so it is", "code": None}}), expected)
    assert told == f"hosted: status {status}: so it is"


async def test_retry_after_is_told() -> None:
    told = await failure_of(refusing(429, {"error": "slow down"}, **{"retry-after": "17"}), BackendBusy)
    assert told == "hosted: status 429, Retry-After: 17: slow down"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("17", 17),
        (" 0 ", 0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30),
        ("Mon, 23 Nov 2026 13:00:30 +0100", 30),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("Mon, 23 Nov 2026 12:00:30", None),
        ("Mon, 23 Nov 99999 12:00:30 GMT", None),
        (f"Mon, 23 Nov 2026 12:00:30 +{'9' * 30}", None),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(said: str, seconds: float | None) -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert retry_after({"retry-after": said}, noon) == seconds


async def test_an_empty_account_is_not_told_as_busy() -> None:
    body = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    await failure_of(refusing(429, body), BackendRefused)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "too much", "type": "invalid_request_error", "code": "context_length_exceeded"}},
        {"error": {"message": "This model's maximum context length is 4096 tokens.", "code": 400}},
        {"object": "error", "message": "The decoder prompt is longer than the maximum model length", "code": 400},
        {"error": {"message": "exceeds the available context size", "type": "exceed_context_size_error"}},
        {"detail": "Prompt is too long"},
    ],
    ids=["openai", "vllm", "old vllm", "llama.cpp", "unknown"],
)
async def test_a_prompt_that_does_not_fit_is_too_long(body: dict[str, Any]) -> None:
    await failure_of(refusing(400, body), PromptTooLong)


@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation"])
async def test_a_filtered_prompt_is_filtered(code: str) -> None:
    await failure_of(
        refusing(400, {"error": {"message": "The response was filtered", "code": code}}), ContentFiltered
    )


async def test_an_answer_filtered_before_its_first_word_is_filtered() -> None:
    await failure_of(streaming(finished("content_filter"), DONE), ContentFiltered)


async def test_an_answer_filtered_in_the_middle_keeps_its_text() -> None:
    heard = await hear_from(streaming(said("Well,"), finished("content_filter"), DONE))
    assert heard.text == "Well,"
    assert heard.usage is not None
    assert heard.usage.finish_reason == "content_filter"


async def test_a_redirect_is_refused_and_says_where_it_points() -> None:
    told = await failure_of(Endpoint(lambda _: RedirectResponse("https://login.example/sso")), BackendRefused)
    assert told == "hosted: status 307, Location: https://login.example/sso: no more words"


async def test_a_refusal_is_quoted_on_one_line_and_cut() -> None:
    told = await failure_of(
        Endpoint(lambda _: PlainTextResponse("no\n\n\x1b[31m" + "x" * 100_000, 500)), BackendUnreachable
    )
    assert told.startswith("hosted: status 500: no  [31mxxx")
    assert len(told) < 450


async def test_a_refusal_whose_body_breaks_off_keeps_its_status() -> None:
    head = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 1000\r\n\r\nhalf a"
    async with connected(bare(head)) as client:
        with pytest.raises(BackendBusy, match="status 503"):
            await hear(client)


async def test_no_more_of_a_refusal_is_read_than_needed() -> None:
    sent = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 500 Oops\r\ncontent-length: 1000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    async with connected(conversing(converse)) as client:
        with pytest.raises(BackendUnreachable, match="status 500: xxx"):
            await hear(client)
    assert sent < 32_000_000


# Unreadable answers


async def test_a_stream_that_just_ends_is_broken() -> None:
    assert "ended before the answer did" in await failure_of(streaming(said("Hi")), BackendBroken)


async def test_an_empty_stream_is_broken() -> None:
    await failure_of(streaming(), BackendBroken)


@pytest.mark.parametrize(
    "data",
    [
        b"{not json",
        b"[1, 2]",
        b"null",
        b'{"choices": "none"}',
        b'{"id": "\xff"}',
        b'{"id": "\\ud83d"}',
        b'{"a":' + b"[" * 9999,
    ],
    ids=["garbage", "array", "null", "wrong type", "not UTF-8", "half a character", "too deep"],
)
async def test_an_event_that_is_no_chunk_is_broken(data: bytes) -> None:
    told = await failure_of(streaming(said("Hi"), b"data: " + data + b"\n\n", finished(), DONE), BackendBroken)
    assert told.startswith("hosted: sent no piece of an answer")


async def test_a_page_from_a_proxy_is_broken() -> None:
    app = Endpoint(lambda _: Response("<h1>Sign in</h1>", media_type="text/html"))
    assert await failure_of(app, BackendBroken) == "hosted: answered with text/html: <h1>Sign in</h1>"


@pytest.mark.parametrize("content", [b"{", b"{}", b'{"choices": []}', b""], ids=repr)
async def test_a_whole_completion_without_an_answer_is_broken(content: bytes) -> None:
    await failure_of(Endpoint(lambda _: Response(content, media_type="application/json")), BackendBroken)


async def test_a_completion_over_its_limit_is_broken() -> None:
    whole = json.dumps({"choices": [{"message": {"content": "x" * 16 * 1024 * 1024}}]})
    told = await failure_of(Endpoint(lambda _: Response(whole, media_type="application/json")), BackendBroken)
    assert "larger than 16777216 bytes" in told


async def test_a_stream_that_goes_on_and_on_is_broken_at_the_limit_of_a_completion() -> None:
    heard = Heard()
    async with connected(serving(streaming(*[said("x" * 1_000_000)] * 20, DONE))) as client:
        with pytest.raises(BackendBroken, match="hosted: the answer is longer than 16777216"):
            await hear(client, heard=heard)
    assert len(heard.text) == 17_000_000


async def test_ten_megabytes_in_one_event_are_broken() -> None:
    assert "larger than 1048576" in await failure_of(streaming(said("x" * 10_000_000), DONE), BackendBroken)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"message": "engine died", "code": 500}, BackendUnreachable),
        ({"message": "engine died", "code": "502"}, BackendUnreachable),
        ({"message": "slow down", "type": "rate_limit_error", "code": None}, BackendBusy),
        ({"message": "overloaded", "type": "overloaded_error"}, BackendBusy),
        ({"message": "filtered", "code": "content_filter"}, ContentFiltered),
        ({"message": "maximum context length is 10", "code": 400}, PromptTooLong),
        ({"message": "no such model", "code": "model_not_found"}, BackendRefused),
        ({"message": "?", "type": "odd"}, BackendBroken),
        ("just a string", BackendBroken),
    ],
)
async def test_an_error_told_in_the_middle_is_the_error_it_names(
    error: dict[str, Any] | str, expected: type[BackendError]
) -> None:
    told = await failure_of(streaming(said("Hi"), event(error=error)), expected)
    assert (error if isinstance(error, str) else error["message"]) in told


async def test_an_error_in_the_place_of_a_completion_is_the_error_it_names() -> None:
    await failure_of(Endpoint(lambda _: JSONResponse({"error": {"message": "busy", "code": 429}})), BackendBusy)


# The key


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(
            lambda: serving(refusing(401, {"error": {"message": f"Incorrect API key: {KEY}"}})), id="401"
        ),
        pytest.param(lambda: serving(refusing(400, {"why": f"{'x' * 375}{KEY}"})), id="at the cut"),
        pytest.param(lambda: serving(refusing(429, {}, **{"retry-after": KEY})), id="Retry-After"),
        pytest.param(lambda: serving(Endpoint(lambda _: RedirectResponse(f"/?key={KEY}"))), id="redirect"),
        pytest.param(lambda: serving(Endpoint(lambda _: PlainTextResponse(KEY))), id="content type"),
        pytest.param(lambda: serving(streaming(b"data: " + KEY.encode() + b"\n\n")), id="garbage"),
        pytest.param(lambda: serving(streaming(b'data: {"id": "\xff' + KEY.encode() + b'"}\n\n')), id="not UTF-8"),
        pytest.param(lambda: serving(streaming(event(error=KEY))), id="mid-stream"),
        pytest.param(lambda: bare(b"HTTP/1.1 " + KEY.encode() + b"\r\n\r\n"), id="not HTTP"),
        pytest.param(lambda: bare(STREAM_HEAD, KEY.encode() + b"\r\n"), id="bad chunk"),
        pytest.param(lambda: bare(), id="dropped"),
    ],
)
async def test_the_key_is_in_no_error_whatever_the_service_repeats(
    server: Callable[[], AbstractAsyncContextManager[str]],
) -> None:
    async with connected(server()) as client:
        with pytest.raises(BackendError) as raised:
            await hear(client)
        told = everything_told_by(raised.value) + repr(client)
    assert KEY not in told
    assert "sk-planted" not in told


async def test_a_secret_that_begins_as_another_one_does_is_hidden_whole() -> None:
    tails = [f"{number}-secret-tail" for number in range(8)]
    headers = {f"x-secret-{number}": KEY + tail for number, tail in enumerate(tails)}
    app = refusing(401, {"error": {"message": " ".join(headers.values())}})
    told = await failure_of(app, BackendRefused, headers=headers)
    assert "tail" not in told
    assert told.count("[key]") == len(tails)


def test_a_key_that_no_header_can_carry_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError, match=r'"p"\).api_key_env: PLANTED holds characters') as raised:
        make(OpenAI(name="p", base_url="http://x", api_key_env="PLANTED"), {"PLANTED": f"{KEY}\n{KEY}"})
    assert KEY not in everything_told_by(raised.value)


def test_a_key_missing_from_the_environment_is_refused() -> None:
    with pytest.raises(ConfigError, match="PLANTED is missing from the environment"):
        make(OpenAI(name="p", base_url="http://x", api_key_env="PLANTED"), {})


@pytest.mark.parametrize(
    ("base_url", "problem"),
    [
        ("http://", "names no host"),
        ("http://[::1", "is not a URL"),
        ("https://me:secret@host/v1", "holds a user or a password"),
    ],
)
def test_a_base_url_that_cannot_work_is_refused(base_url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as raised:
        make(OpenAI(name="p", base_url=base_url), {})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "settings",
    [
        settings_of(headers={"x-title": "Aréna"}),
        settings_of(headers={"x-title": "Arena\nx-other: 1"}),
        settings_of(Cohere, client_name="Aréna", model="tiny-1"),
        settings_of(Gemini, model="tiny?1"),
        settings_of(Gemini, model="tiny\x011"),
    ],
    ids=["header", "line break", "client name", "path", "control character"],
)
async def test_a_setting_of_which_no_request_can_be_made_is_refused(settings: Settings) -> None:
    service = streaming(DONE)
    prompt = Prompt(HELLO.messages)
    error = await error_of(service, BackendRefused, prompt, settings)
    assert str(error).startswith("hosted: no request can be made of its settings: ")
    assert not service.requests


async def test_closing_is_harmless_without_a_start_and_twice() -> None:
    client = client_of(nowhere())
    await client.close()
    await client.start()
    await client.close()
    await client.close()


def test_a_script_alone_loads_no_http_client() -> None:
    program = (
        "import sys; from arena import config, providers; "
        "providers.make(config.Script(name='s'), {}); "
        "print([name for name in ('httpx', 'aiohttp') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
