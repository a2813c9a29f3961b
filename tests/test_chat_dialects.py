"""What Mistral, prompt-to-leaderboard routers and text-generation-inference do otherwise than OpenAI."""

from typing import Any

import pytest

from arena import config
from arena.backend import Prompt, Sampling
from arena.errors import BackendBusy, BackendError, BackendRefused, BackendUnreachable, PromptTooLong
from tests.services import (
    HELLO,
    KEY,
    LOOK,
    Settings,
    event,
    failure_of,
    hear_from,
    refusing,
    settings_of,
    streaming,
)

SAMPLING = Sampling(temperature=0.5, top_p=0.9, max_tokens=7, stop=("END",), seed=3, extra={"safe_prompt": True})
DONE = b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **fields: Any) -> bytes:
    return event(id="1", choices=[{"index": 0, "delta": delta, "finish_reason": finish_reason}], **fields)


# Mistral

MISTRAL: Settings = settings_of(config.Mistral)
MISTRAL_USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


async def test_mistral_is_asked_with_its_own_words() -> None:
    service = streaming(chunk({"content": "Hi"}, "stop"), DONE)
    await hear_from(service, Prompt(HELLO.messages, SAMPLING, "m-1"), MISTRAL)
    assert service.urls == ["/v1/chat/completions"]
    assert service.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert service.bodies[0] == {
        "model": "m-1",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Grüße, 世界 🦜"}],
        "stream": True,
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 7,
        "stop": ["END"],
        "random_seed": 3,
        "safe_prompt": True,
    }


async def test_mistral_gets_pictures_as_plain_addresses() -> None:
    service = streaming(chunk({"content": "A dot."}, "stop"), DONE)
    await hear_from(service, LOOK, MISTRAL)
    assert service.bodies[0]["messages"][0]["content"] == [
        {"type": "image_url", "image_url": "data:image/png;base64,iVBORy4="},
        {"type": "text", "text": "What is this?"},
    ]


async def test_mistrals_thinking_is_kept_apart_and_its_usage_read() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    service = streaming(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": [thinking]}),
        chunk({"content": [{"type": "text", "text": "Yes"}]}),
        chunk({"content": "."}, "stop", usage=MISTRAL_USAGE),
        DONE,
        **{"mistral-correlation-id": "corr-1"},
    )
    heard = await hear_from(service, settings=MISTRAL)
    assert (heard.text, heard.reasoning) == ("Yes.", "Hm.")
    assert heard.usage is not None
    assert (heard.usage.prompt_tokens, heard.usage.completion_tokens, heard.usage.request_id) == (9, 4, "corr-1")


# A prompt-to-leaderboard router


async def test_a_router_draws_as_it_likes_and_says_who_answers() -> None:
    service = streaming(
        chunk(
            {"content": "H", "role": "assistant", "model": "poet-7b"}, model="p-7", router_outputs={"poet-7b": 1}
        ),
        chunk({"content": "i", "model": "poet-7b"}, model="p-7", usage={}),
        DONE,
    )
    heard = await hear_from(service, Prompt(HELLO.messages, SAMPLING, "p2l"), settings_of(config.P2L))
    assert heard.text == "Hi"
    assert heard.usage is not None
    assert heard.usage.answered_by == "poet-7b"
    assert not {"temperature", "top_p"} & service.bodies[0].keys()
    assert service.bodies[0]["safe_prompt"] is True


async def test_a_router_whose_deltas_name_nobody_is_believed_in_its_first_chunk() -> None:
    service = streaming(chunk({"content": "Hi"}, model="poet"), chunk({}, "stop", model="other"), DONE)
    usage = (await hear_from(service, settings=settings_of(config.P2L))).usage
    assert usage is not None
    assert usage.answered_by == "poet"


# Text-generation-inference


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
async def test_tgi_is_found_with_and_without_v1_in_its_address(path: str) -> None:
    service = streaming(chunk({"content": "Hi"}, "stop"), DONE)
    await hear_from(service, Prompt(HELLO.messages), settings_of(config.HuggingFace, path))
    assert service.urls == ["/v1/chat/completions"]
    assert service.bodies[0]["model"] == "tgi"


async def test_tgi_serves_a_model_by_name_too() -> None:
    service = streaming(chunk({"content": "Hi"}, "stop"), DONE)
    await hear_from(service, settings=settings_of(config.HuggingFace))
    assert service.bodies[0]["model"] == "tiny-1"


TOO_LONG = (
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 2040 `inputs` tokens"
)


@pytest.mark.parametrize(
    ("status", "words", "error_type", "expected"),
    [
        (429, "Model is overloaded", "overloaded", BackendBusy),
        (424, "Request failed during generation: CUDA error", "generation", BackendUnreachable),
        (500, "Incomplete generation", "incomplete_generation", BackendUnreachable),
        (422, "Input validation error: `temperature` must be strictly positive", "validation", BackendRefused),
        (422, TOO_LONG, "validation", PromptTooLong),
    ],
)
async def test_tgi_tells_its_errors_in_bodies_and_in_streams(
    status: int, words: str, error_type: str, expected: type[BackendError]
) -> None:
    told = {"error": words, "error_type": error_type}
    for service in (refusing(status, told), streaming(event(**told))):
        assert words in await failure_of(service, expected, settings_of(config.HuggingFace))
