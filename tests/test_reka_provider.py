"""The Reka client against streams as Reka's reference and library have them."""

from typing import Any

import pytest

from arena.backend import Message, Prompt, Sampling, Usage
from arena.config import Reka
from arena.errors import BackendBroken, BackendRefused
from tests.services import (
    HELLO,
    KEY,
    LOOK,
    Heard,
    error_of,
    event,
    failure_of,
    hear_from,
    refusing,
    settings_of,
    streaming,
)

REKA = settings_of(Reka)

# https://docs.reka.ai/chat/api-reference: an event is a ChunkChatResponse, and holds the whole text so far.
BASIC = b"""\
event: message
data: {"id": "d7a4ee7e-1d1e-4cbb-a32d-2fb0a3a1b1f5", "model": "reka-flash", "responses": [{"chunk": \
{"content": " Hello", "role": "assistant"}, "finish_reason": null}], "usage": {"input_tokens": 9, \
"output_tokens": 1}}

event: message
data: {"id": "d7a4ee7e-1d1e-4cbb-a32d-2fb0a3a1b1f5", "model": "reka-flash", "responses": [{"chunk": \
{"content": " Hello!", "role": "assistant"}, "finish_reason": null}], "usage": {"input_tokens": 9, \
"output_tokens": 2}}

event: message
data: {"id": "d7a4ee7e-1d1e-4cbb-a32d-2fb0a3a1b1f5", "model": "reka-flash", "responses": [{"chunk": \
{"content": " Hello!", "role": "assistant"}, "finish_reason": "stop"}], "usage": {"input_tokens": 9, \
"output_tokens": 2}}

"""


def said(content: Any, reason: str | None = None) -> bytes:
    return event(id="1", responses=[{"chunk": {"content": content, "role": "assistant"}, "finish_reason": reason}])


async def test_a_prompt_is_sent_as_the_chat_wants_it_the_system_prompt_before_the_first_words() -> None:
    service = streaming(BASIC)
    chat = (*HELLO.messages, Message("assistant", "Hello!"), Message("user", "And now?"))
    await hear_from(service, Prompt(chat, model_id="tiny-1"), REKA)
    assert service.bodies == [
        {
            "model": "tiny-1",
            "messages": [
                {"role": "user", "content": "Be kind.\n\nGrüße, 世界 🦜"},
                {"role": "assistant", "content": "Hello!"},
                {"role": "user", "content": "And now?"},
            ],
            "stream": True,
        }
    ]
    assert service.urls == ["/v1/chat"]
    assert service.requests[0].headers["x-api-key"] == KEY


async def test_sampling_is_sent_where_it_is_set_and_extra_fields_over_all() -> None:
    service = streaming(BASIC)
    extra = {"use_search_engine": True, "top_p": 0.9}
    sampling = Sampling(temperature=0.0, top_p=0.5, max_tokens=7, stop=("END",), seed=0, extra=extra)
    await hear_from(service, Prompt(HELLO.messages, sampling), REKA)
    sent = service.bodies[0]
    assert {name: sent[name] for name in sent if name not in ("messages", "model", "stream")} == {
        "temperature": 0.0,
        "top_p": 0.9,
        "max_tokens": 7,
        "stop": ["END"],
        "seed": 0,
        "use_search_engine": True,
    }


async def test_images_are_sent_before_the_words() -> None:
    service = streaming(BASIC)
    await hear_from(service, LOOK, REKA)
    image = {"type": "image_url", "image_url": "data:image/png;base64,iVBORy4="}
    content = [image, {"type": "text", "text": "What is this?"}]
    assert service.bodies[0]["messages"] == [{"role": "user", "content": content}]


async def test_the_documented_stream_is_heard_once() -> None:
    heard = await hear_from(streaming(BASIC), settings=REKA)
    assert heard == Heard(" Hello!", "", 1, Usage(9, 2, "stop", "d7a4ee7e-1d1e-4cbb-a32d-2fb0a3a1b1f5"))


async def test_content_in_parts_is_read_as_its_text() -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    assert (await hear_from(streaming(said("Hel"), said(parts, "stop")), settings=REKA)).text == "Hello"


async def test_half_a_character_waits_for_its_other_half() -> None:
    service = streaming(said("Hi \ufffd"), said("Hi 🦜"), said("Hi 🦜", "stop"))
    assert (await hear_from(service, settings=REKA)).text == "Hi 🦜"


@pytest.mark.parametrize(("reason", "word"), [("stop", "stop"), ("length", "length"), ("context", "length")])
async def test_an_end_is_told_in_the_common_words(reason: str, word: str) -> None:
    heard = await hear_from(streaming(said("Hi"), said("Hi", reason)), settings=REKA)
    assert heard.usage == Usage(finish_reason=word, request_id="1")


async def test_a_text_that_is_changed_after_it_was_sent_is_broken() -> None:
    error = await error_of(streaming(said("Hello"), said("Goodbye", "stop")), BackendBroken, settings=REKA)
    assert str(error) == "hosted: the text was changed after it had been sent"


@pytest.mark.parametrize(
    "error", [{"detail": "it broke"}, {"error": "it broke"}, {"error": {"message": "it broke"}}]
)
async def test_an_error_in_the_place_of_an_event_is_told(error: dict[str, Any]) -> None:
    told = await failure_of(streaming(said("Hi"), event(**error)), BackendBroken, REKA)
    assert told == "hosted: told an error: it broke"


async def test_a_refusal_of_the_web_framework_is_quoted() -> None:
    body = {"detail": [{"loc": ["body", "model"], "msg": "field required", "type": "value_error.missing"}]}
    assert "field required" in await failure_of(refusing(422, body), BackendRefused, REKA)
