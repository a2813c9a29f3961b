"""The Anthropic client against streams as the Messages API's reference shows them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from arena.backend import Image, Message, Prompt, Sampling, Usage
from arena.config import Anthropic
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
from tests.servers import serving
from tests.services import (
    HELLO,
    KEY,
    LOOK,
    STREAM_HEAD,
    Heard,
    chunked,
    connected,
    error_of,
    failure_of,
    hear,
    hear_from,
    refusing,
    settings_of,
    silent,
    streaming,
    typed,
)

MESSAGES = settings_of(Anthropic, "")

# https://platform.claude.com/docs/en/build-with-claude/streaming, "Basic streaming request"
BASIC = b"""\
event: message_start
data: {"type": "message_start", "message": {"id": "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY", "type": "message", \
"role": "assistant", "content": [], "model": "claude-opus-4-8", "stop_reason": null, "stop_sequence": null, \
"usage": {"input_tokens": 25, "output_tokens": 1}}}

event: content_block_start
data: {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "!"}}

event: content_block_stop
data: {"type": "content_block_stop", "index": 0}

event: message_delta
data: {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence":null}, \
"usage": {"output_tokens": 15}}

event: message_stop
data: {"type": "message_stop"}

"""

START = typed("message_start", message={"id": "msg_1", "content": [], "usage": {"input_tokens": 9}})
STOP = typed("message_stop")


def said(text: str) -> bytes:
    return typed("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def ended(reason: str, **delta: Any) -> bytes:
    usage = {"output_tokens": 3}
    return typed("message_delta", delta={"stop_reason": reason, "stop_sequence": None, **delta}, usage=usage)


async def test_a_prompt_is_sent_as_the_messages_api_wants_it() -> None:
    service = streaming(BASIC)
    await hear_from(service, settings=MESSAGES)
    assert service.bodies == [
        {
            "model": "tiny-1",
            "system": "Be kind.",
            "messages": [{"role": "user", "content": [{"text": "Grüße, 世界 🦜", "type": "text"}]}],
            "max_tokens": 4096,
            "stream": True,
        }
    ]
    assert service.urls == ["/v1/messages"]
    headers = service.requests[0].headers
    assert (headers["x-api-key"], headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert "authorization" not in headers


async def test_sampling_is_sent_where_it_is_set_and_extra_fields_over_all() -> None:
    service = streaming(BASIC)
    extra = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "top_p": 0.9}
    sampling = Sampling(temperature=0.0, top_p=0.5, max_tokens=7, stop=("END",), seed=3, extra=extra)
    await hear_from(service, Prompt(HELLO.messages, sampling), MESSAGES)
    sent = service.bodies[0]
    assert {name: sent[name] for name in sent if name not in ("messages", "model", "system", "stream")} == {
        "temperature": 0.0,
        "top_p": 0.9,
        "max_tokens": 7,
        "stop_sequences": ["END"],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }


async def test_the_providers_own_max_tokens_stands_in_for_one_that_is_not_set() -> None:
    service = streaming(BASIC)
    await hear_from(service, settings=settings_of(Anthropic, "", max_tokens=9))
    assert service.bodies[0]["max_tokens"] == 9


async def test_images_are_sent_before_the_words() -> None:
    service = streaming(BASIC)
    await hear_from(service, LOOK, MESSAGES)
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORy4="}}
    words = {"type": "text", "text": "What is this?"}
    assert service.bodies[0]["messages"] == [{"role": "user", "content": [image, words]}]
    assert "system" not in service.bodies[0]


async def test_messages_in_a_row_from_one_role_are_one_turn_and_empty_ones_none() -> None:
    service = streaming(BASIC)
    chat = (
        Message("user", "One"),
        Message("assistant", ""),
        Message("user", "Two"),
        Message("assistant", "Three"),
    )
    await hear_from(service, Prompt((*chat, Message("user", "", (Image("image/gif", b""),)))), MESSAGES)
    turns = [(turn["role"], len(turn["content"])) for turn in service.bodies[0]["messages"]]
    assert turns == [("user", 2), ("assistant", 1), ("user", 1)]


async def test_the_documented_stream_is_heard() -> None:
    heard = await hear_from(streaming(BASIC), settings=MESSAGES)
    assert heard == Heard("Hello!", "", 1, Usage(25, 15, "stop", "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY"))


async def test_the_request_id_of_the_header_goes_before_the_messages() -> None:
    heard = await hear_from(streaming(BASIC, **{"request-id": "req_1"}), settings=MESSAGES)
    assert heard.usage is not None
    assert heard.usage.request_id == "req_1"


async def test_thinking_is_kept_apart_and_signatures_are_read_past() -> None:
    heard = await hear_from(
        streaming(
            START,
            typed(
                "content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}
            ),
            typed("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Hm."}),
            typed("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "EqQBCg"}),
            typed("content_block_start", index=1, content_block={"type": "redacted_thinking", "data": "x"}),
            typed("content_block_start", index=2, content_block={"type": "text", "text": "Well, "}),
            said("yes."),
            ended("end_turn"),
            STOP,
        ),
        settings=MESSAGES,
    )
    assert (heard.text, heard.reasoning) == ("Well, yes.", "Hm.")


async def test_tokens_of_the_cache_are_among_those_of_the_prompt() -> None:
    counts = {"input_tokens": 5, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 0}
    start = typed("message_start", message={"id": "msg_1", "usage": {**counts, "output_tokens": 1}})
    end = typed(
        "message_delta", delta={"stop_reason": "end_turn"}, usage={**counts, "cache_read_input_tokens": 20}
    )
    heard = await hear_from(streaming(start, said("Hi"), end, STOP), settings=MESSAGES)
    assert heard.usage == Usage(125, 1, "stop", "msg_1")


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("tool_use", "tool_calls"),
        ("pause_turn", "pause_turn"),
    ],
)
async def test_an_end_is_told_in_the_common_words(reason: str, word: str) -> None:
    heard = await hear_from(streaming(START, said("Hi"), ended(reason), STOP), settings=MESSAGES)
    assert heard == Heard("Hi", "", heard.pieces, Usage(9, 3, word, "msg_1"))


async def test_a_refusal_without_a_word_is_filtered_and_says_why() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "It could do harm."}
    service = streaming(START, ended("refusal", stop_details=details), STOP)
    told = await failure_of(service, ContentFiltered, MESSAGES)
    assert told == "hosted: told an error: content_filter: refusal: cyber: It could do harm."


async def test_a_stop_reason_ends_an_answer_whose_message_stop_is_missing() -> None:
    assert (await hear_from(streaming(START, said("Hi"), ended("end_turn")), settings=MESSAGES)).text == "Hi"


async def test_a_service_that_keeps_the_stream_open_after_message_stop_is_not_waited_for() -> None:
    async with connected(silent(STREAM_HEAD, chunked(BASIC)), MESSAGES) as client, asyncio.timeout(5):
        assert (await hear(client)).text == "Hello!"


async def test_events_of_kinds_yet_unknown_are_read_past() -> None:
    odd = typed("surprise", delta={"type": "citations_delta", "citation": {}}, index=0)
    assert (await hear_from(streaming(START, odd, said("Hi"), ended("end_turn"), STOP), settings=MESSAGES)).text


@pytest.mark.parametrize(
    ("kind", "message", "expected"),
    [
        ("overloaded_error", "Overloaded", BackendBusy),
        ("rate_limit_error", "slow down", BackendBusy),
        ("api_error", "Internal server error", BackendUnreachable),
        ("internal_error", "as vLLM has it", BackendUnreachable),
        ("timeout_error", "Request timed out", BackendTimeout),
        ("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", PromptTooLong),
        ("invalid_request_error", "Output blocked by content filtering policy", ContentFiltered),
        ("invalid_request_error", "messages: at least one message is required", BackendRefused),
        ("authentication_error", "invalid x-api-key", BackendRefused),
        ("odd_error", "?", BackendBroken),
    ],
)
async def test_an_error_in_mid_stream_is_the_error_it_names(
    kind: str, message: str, expected: type[BackendError]
) -> None:
    error = typed("error", error={"type": kind, "message": message})
    assert message in await failure_of(streaming(START, said("Hi"), error), expected, MESSAGES)


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, "invalid_request_error", BackendRefused),
        (401, "authentication_error", BackendRefused),
        (402, "billing_error", BackendRefused),
        (413, "request_too_large", PromptTooLong),
        (429, "rate_limit_error", BackendBusy),
        (500, "api_error", BackendUnreachable),
        (504, "timeout_error", BackendTimeout),
        (529, "overloaded_error", BackendBusy),
    ],
)
async def test_a_refusal_is_the_error_it_names(status: int, kind: str, expected: type[BackendError]) -> None:
    body = {"type": "error", "error": {"type": kind, "message": "so it is"}, "request_id": "req_1"}
    assert await failure_of(refusing(status, body), expected, MESSAGES) == f"hosted: status {status}: so it is"


# Other hosts


async def test_vertex_has_the_model_in_the_path_and_the_version_in_the_body() -> None:
    service = streaming(BASIC)
    vertex = settings_of(Anthropic, "/v1/projects/p/locations/l/publishers/anthropic", host="vertex")
    assert (await hear_from(service, settings=vertex)).text == "Hello!"
    path = "/v1/projects/p/locations/l/publishers/anthropic/models/tiny-1:streamRawPredict"
    assert service.urls == [path]
    assert service.bodies[0]["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in service.bodies[0]
    headers = service.requests[0].headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert not {"x-api-key", "anthropic-version"} & set(headers)


async def test_a_token_in_a_file_is_read_anew_for_each_answer(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("ya29.first\n")
    service = streaming(BASIC)
    async with serving(service) as url:
        settings = Anthropic(name="v", base_url=url, host="vertex", model="m@1", api_key_file=str(token))
        client = make(settings, {})
        await hear(client)
        token.write_text("ya29.second\n")
        await hear(client)
        await client.close()
    assert [r.headers["authorization"] for r in service.requests] == ["Bearer ya29.first", "Bearer ya29.second"]


async def test_bedrock_is_anthropics_own_format_with_a_bearer_token() -> None:
    service = streaming(BASIC)
    async with connected(serving(service), settings_of(Anthropic, "/anthropic", host="bedrock")) as client:
        assert (await hear(client)).text == "Hello!"
    assert service.urls == ["/anthropic/v1/messages"]
    assert service.bodies[0]["model"] == "tiny-1"
    headers = service.requests[0].headers
    assert (headers["authorization"], headers["anthropic-version"]) == (f"Bearer {KEY}", "2023-06-01")
    assert "x-api-key" not in headers


@pytest.mark.parametrize("host", ["vertex", "bedrock"])
def test_another_host_without_its_address_is_refused(host: Any) -> None:
    with pytest.raises(ConfigError, match=r'"p"\).base_url: host .* Set it: https://'):
        make(Anthropic(name="p", host=host), {})


async def test_a_host_that_answers_without_a_stream_is_broken() -> None:
    whole = {"type": "message", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}
    error = await error_of(refusing(200, whole), BackendBroken, settings=MESSAGES)
    assert "sent no answer" in str(error)
