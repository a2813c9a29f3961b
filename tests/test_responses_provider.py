"""The client of the Responses API: what it sends, and what it makes of typed events."""

from typing import Any

import pytest
from starlette.responses import JSONResponse

from arena import config
from arena.backend import Message, Prompt, Sampling, Usage
from arena.errors import (
    BackendBroken,
    BackendBusy,
    BackendError,
    BackendUnreachable,
    ContentFiltered,
    PromptTooLong,
)
from tests.services import (
    HELLO,
    KEY,
    LOOK,
    Endpoint,
    Settings,
    event,
    failure_of,
    hear_from,
    refusing,
    settings_of,
    streaming,
    typed,
)

RESPONSES: Settings = settings_of(config.Responses)
USAGE = {
    "input_tokens": 11,
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 13,
}


def response(name: str, **fields: Any) -> bytes:
    """An event that shows the state of the whole response."""
    state: dict[str, Any] = {"id": "resp_1", "status": name, "error": None, "incomplete_details": None}
    return typed(f"response.{name}", response=state | fields, sequence_number=0)


def text(delta: str) -> bytes:
    return typed("response.output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta=delta)


CREATED = response("created", status="in_progress")
DONE = response("completed", usage=USAGE)


# What is sent


async def test_the_prompt_is_sent_as_responses_want_it() -> None:
    service = streaming(CREATED, text("Hi"), DONE)
    chat = (*HELLO.messages, Message("assistant", "Hello."), Message("user", "Well?"))
    sampling = Sampling(temperature=0.5, top_p=0.9, max_tokens=7, seed=3, extra={"truncation": "auto"})
    await hear_from(service, Prompt(chat, sampling, "tiny-1"), RESPONSES)
    assert service.urls == ["/v1/responses"]
    assert service.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert service.bodies[0] == {
        "model": "tiny-1",
        "instructions": "Be kind.",
        "input": [
            {"role": "user", "content": "Grüße, 世界 🦜"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Well?"},
        ],
        "stream": True,
        "store": False,
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 7,
        "truncation": "auto",
    }


async def test_pictures_are_sent_as_parts_before_the_text() -> None:
    service = streaming(CREATED, text("A dot."), DONE)
    await hear_from(service, LOOK, RESPONSES)
    assert service.bodies[0]["input"][0]["content"] == [
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORy4=", "detail": "auto"},
        {"type": "input_text", "text": "What is this?"},
    ]


async def test_a_reasoning_model_is_asked_for_summaries_and_gets_no_sampling_parameters() -> None:
    service = streaming(CREATED, text("Hi"), DONE)
    prompt = Prompt(HELLO.messages, Sampling(temperature=0.5, top_p=0.9, max_tokens=7), "o-1")
    await hear_from(service, prompt, settings_of(config.Responses, reasoning=True))
    assert service.bodies[0]["reasoning"] == {"summary": "auto"}
    assert service.bodies[0]["max_output_tokens"] == 7
    assert not {"temperature", "top_p"} & service.bodies[0].keys()


# What is heard


async def test_text_and_the_usage_are_read() -> None:
    heard = await hear_from(
        streaming(
            CREATED,
            typed("response.output_item.added", item={"type": "message", "content": []}),
            typed("response.content_part.added", part={"type": "output_text", "text": ""}),
            text("Hel") + text("lo"),
            typed("response.output_text.done", text="Hello"),
            typed("response.some_tool.delta", delta={"odd": 1}),
            DONE,
        ),
        settings=RESPONSES,
    )
    assert (heard.text, heard.usage) == ("Hello", Usage(11, 2, "stop", "resp_1"))


async def test_the_request_is_named_by_its_header_where_there_is_one() -> None:
    heard = await hear_from(streaming(CREATED, text("Hi"), DONE, **{"x-request-id": "req_1"}), settings=RESPONSES)
    assert heard.usage == Usage(11, 2, "stop", "req_1")


async def test_reasoning_is_kept_apart_and_the_parts_of_its_summary_too() -> None:
    parts = [
        event(type="response.reasoning_summary_part.added", summary_index=0)
        + event(type="response.reasoning_summary_text.delta", delta="Hm."),
        event(type="response.reasoning_summary_part.added", summary_index=1)
        + event(type="response.reasoning_summary_text.delta", delta="Aha."),
        event(type="response.reasoning_text.delta", delta=" Raw."),
    ]
    heard = await hear_from(streaming(CREATED, *parts, text("Yes."), DONE), settings=RESPONSES)
    assert (heard.text, heard.reasoning) == ("Yes.", "Hm.\n\nAha. Raw.")


async def test_a_refusal_is_read_as_the_answer() -> None:
    service = streaming(CREATED, typed("response.refusal.delta", delta="No."), DONE)
    assert (await hear_from(service, settings=RESPONSES)).text == "No."


async def test_an_answer_cut_at_its_limit_says_so() -> None:
    end = response("incomplete", incomplete_details={"reason": "max_output_tokens"}, usage=USAGE)
    heard = await hear_from(streaming(CREATED, text("Well,"), end), settings=RESPONSES)
    assert heard.usage == Usage(11, 2, "length", "resp_1")


async def test_an_answer_that_is_filtered_is_filtered_or_keeps_its_text() -> None:
    end = response("incomplete", incomplete_details={"reason": "content_filter"})
    await failure_of(streaming(CREATED, end), ContentFiltered, RESPONSES)
    heard = await hear_from(streaming(CREATED, text("Well,"), end), settings=RESPONSES)
    assert heard.text == "Well,"
    assert heard.usage == Usage(finish_reason="content_filter", request_id="resp_1")


async def test_nothing_is_read_after_the_end() -> None:
    assert (await hear_from(streaming(CREATED, text("Hi"), DONE + text("ghost")), settings=RESPONSES)).text == "Hi"


@pytest.mark.parametrize(
    ("pieces", "stop", "expected"),
    [
        (("One. T", "wo. Three."), ("Two",), "One. "),
        (("One. T", "en."), ("Two",), "One. Ten."),
        (("One. T",), ("Two",), "One. T"),
        (("a<", "|", "end", "|>b"), ("<|end|>", "nd"), "a<|e"),
        (("aab", "aac"), ("aac",), "aab"),
        (("One.",), ("",), "One."),
    ],
)
async def test_an_answer_is_cut_at_a_stop_sequence_though_the_service_has_none(
    pieces: tuple[str, ...], stop: tuple[str, ...], expected: str
) -> None:
    service = streaming(CREATED, *map(text, pieces), DONE)
    heard = await hear_from(service, Prompt(HELLO.messages, Sampling(stop=stop)), RESPONSES)
    assert heard.text == expected
    assert heard.usage is not None
    assert heard.usage.finish_reason == "stop"
    assert "stop" not in service.bodies[0]


async def test_a_whole_response_is_read_where_none_was_streamed() -> None:
    body = {
        "id": "resp_1",
        "status": "completed",
        "output": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
            {"type": "web_search_call", "status": "completed"},
            {"type": "message", "content": [{"type": "output_text", "text": "All of it."}]},
        ],
        "usage": USAGE,
    }
    heard = await hear_from(Endpoint(lambda _: JSONResponse(body)), settings=RESPONSES)
    assert (heard.text, heard.reasoning, heard.usage) == ("All of it.", "Hm.", Usage(11, 2, "stop", "resp_1"))


# Failures


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": "server_error", "message": "it broke"}, BackendUnreachable),
        ({"code": "rate_limit_exceeded", "message": "slow down"}, BackendBusy),
        ({"code": "bio_policy", "message": "not that"}, ContentFiltered),
        ({"code": "context_length_exceeded", "message": "too much"}, PromptTooLong),
        ({"code": "odd", "message": "?"}, BackendBroken),
    ],
)
async def test_a_failed_response_is_the_error_it_names(
    error: dict[str, str], expected: type[BackendError]
) -> None:
    for end in (
        response("failed", error=error),
        typed("error", **error, param=None, sequence_number=3),
        typed("error", error={"type": "invalid", **error}),
        event(error=error),
    ):
        told = await failure_of(streaming(CREATED, text("Hi"), end), expected, RESPONSES)
        assert error["message"] in told


async def test_a_response_that_failed_without_a_word_is_unreachable() -> None:
    await failure_of(streaming(CREATED, response("failed")), BackendUnreachable, RESPONSES)


async def test_a_prompt_that_does_not_fit_is_too_long() -> None:
    body = {"error": {"message": "Your input exceeds the context window of this model.", "param": "input"}}
    await failure_of(refusing(400, body), PromptTooLong, RESPONSES)
