"""The Cohere client against streams as the reference of chat v2 shows them."""

import asyncio
from typing import Any

import pytest

from arena.backend import Message, Prompt, Sampling, Usage
from arena.config import Cohere
from arena.errors import (
    BackendBroken,
    BackendBusy,
    BackendError,
    BackendRefused,
    BackendTimeout,
    BackendUnreachable,
    PromptTooLong,
)
from tests.services import (
    HELLO,
    KEY,
    LOOK,
    STREAM_HEAD,
    Heard,
    chunked,
    connected,
    event,
    failure_of,
    hear,
    hear_from,
    refusing,
    settings_of,
    silent,
    streaming,
)

COHERE = settings_of(Cohere, "/v2")

# https://docs.cohere.com/docs/streaming, "Basic Chat Stream Events"
BASIC = b"""\
event: message-start
data: {"type":"message-start","id":"29f14a5a-11de-4cae-9800-25e4747408ea","delta":{"message":{"role":"assistant",\
"content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}

event: content-start
data: {"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}

event: content-delta
data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Hello"}}}}

event: content-delta
data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"!"}}}}

event: content-end
data: {"type":"content-end","index":0}

event: message-end
data: {"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":17,\
"output_tokens":12},"tokens":{"input_tokens":215.0,"output_tokens":12}}}}

data: [DONE]

"""


def said(**content: str) -> bytes:
    return event(type="content-delta", index=0, delta={"message": {"content": content}})


def ended(reason: str, **delta: Any) -> bytes:
    return event(type="message-end", delta={"finish_reason": reason, **delta})


async def test_a_prompt_is_sent_as_chat_v2_wants_it() -> None:
    service = streaming(BASIC)
    chat = (*HELLO.messages, Message("assistant", ""), Message("user", "And now?"))
    await hear_from(service, Prompt(chat, model_id="tiny-1"), COHERE)
    assert service.bodies == [
        {
            "model": "tiny-1",
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "Grüße, 世界 🦜"},
                {"role": "user", "content": "And now?"},
            ],
            "stream": True,
        }
    ]
    assert service.urls == ["/v2/chat"]
    headers = service.requests[0].headers
    assert (headers["authorization"], headers["x-client-name"]) == (f"Bearer {KEY}", "arena")


async def test_the_clients_name_is_the_one_of_the_settings() -> None:
    service = streaming(BASIC)
    await hear_from(service, settings=settings_of(Cohere, client_name="our-arena"))
    assert service.requests[0].headers["x-client-name"] == "our-arena"


async def test_sampling_is_sent_where_it_is_set_and_extra_fields_over_all() -> None:
    service = streaming(BASIC)
    extra = {"thinking": {"type": "disabled"}, "p": 0.9}
    sampling = Sampling(temperature=0.0, top_p=0.5, max_tokens=7, stop=("END",), seed=0, extra=extra)
    await hear_from(service, Prompt(HELLO.messages, sampling), COHERE)
    sent = service.bodies[0]
    assert {name: sent[name] for name in sent if name not in ("messages", "model", "stream")} == {
        "temperature": 0.0,
        "p": 0.9,
        "max_tokens": 7,
        "stop_sequences": ["END"],
        "seed": 0,
        "thinking": {"type": "disabled"},
    }


async def test_images_are_sent_before_the_words() -> None:
    service = streaming(BASIC)
    await hear_from(service, LOOK, COHERE)
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORy4="}}
    assert service.bodies[0]["messages"][0]["content"] == [image, {"type": "text", "text": "What is this?"}]


async def test_the_documented_stream_is_heard() -> None:
    heard = await hear_from(streaming(BASIC), settings=COHERE)
    assert heard == Heard("Hello!", "", 1, Usage(215, 12, "stop", "29f14a5a-11de-4cae-9800-25e4747408ea"))


async def test_a_service_that_keeps_the_stream_open_after_message_end_is_not_waited_for() -> None:
    async with connected(silent(STREAM_HEAD, chunked(BASIC)), COHERE) as client, asyncio.timeout(5):
        assert (await hear(client)).text == "Hello!"


async def test_an_event_without_a_type_is_broken() -> None:
    told = await failure_of(streaming(said(text="Hi"), event(id="1")), BackendBroken, COHERE)
    assert told.startswith("hosted: sent no piece of an answer (the event has no type)")


async def test_thinking_is_kept_apart() -> None:
    start = event(
        type="content-start", index=0, delta={"message": {"content": {"type": "thinking", "thinking": ""}}}
    )
    service = streaming(start, said(thinking="Hm."), said(text="Yes."), ended("COMPLETE"))
    heard = await hear_from(service, settings=COHERE)
    assert (heard.text, heard.reasoning) == ("Yes.", "Hm.")


async def test_citations_and_tools_are_read_past() -> None:
    cited = event(type="citation-start", index=0, delta={"message": {"citations": {"start": 0, "text": "Hi"}}})
    planned = event(type="tool-plan-delta", delta={"message": {"tool_plan": "I will"}})
    service = streaming(planned, said(text="Hi"), cited, ended("COMPLETE"))
    assert (await hear_from(service, settings=COHERE)).text == "Hi"


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("ERROR_TOXIC", "content_filter"),
        ("NEW_REASON", "new_reason"),
    ],
)
async def test_an_end_is_told_in_the_common_words(reason: str, word: str) -> None:
    heard = await hear_from(streaming(said(text="Hi"), ended(reason)), settings=COHERE)
    assert (heard.text, heard.usage) == ("Hi", Usage(finish_reason=word))


@pytest.mark.parametrize(("reason", "expected"), [("ERROR", BackendUnreachable), ("TIMEOUT", BackendTimeout)])
async def test_an_end_that_is_a_failure_is_one(reason: str, expected: type[BackendError]) -> None:
    service = streaming(said(text="Hi"), ended(reason, error="it broke"))
    assert f"finish_reason {reason}" in await failure_of(service, expected, COHERE)


async def test_an_error_in_the_place_of_an_event_is_told() -> None:
    told = await failure_of(streaming(said(text="Hi"), event(message="no more")), BackendBroken, COHERE)
    assert told == "hosted: told an error: no more"


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081", PromptTooLong),
        (400, "too many tokens: max tokens must be less than or equal to 4096", BackendRefused),
        (401, "invalid api token", BackendRefused),
        (429, "You are using a Trial key, which is limited to 20 API calls / minute.", BackendBusy),
        (498, "invalid token", BackendRefused),
        (503, "service unavailable", BackendBusy),
    ],
)
async def test_a_refusal_is_the_error_it_names(status: int, message: str, expected: type[BackendError]) -> None:
    service = refusing(status, {"id": "1", "message": message})
    assert await failure_of(service, expected, COHERE) == f"hosted: status {status}: {message}"
