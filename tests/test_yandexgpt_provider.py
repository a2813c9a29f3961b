"""The YandexGPT client against streams as Yandex Cloud's reference shows them."""

import json
from typing import Any

import pytest

from arena.backend import Message, Prompt, Sampling, Usage
from arena.config import YandexGPT
from arena.errors import (
    BackendBusy,
    BackendError,
    BackendRefused,
    BackendUnreachable,
    ContentFiltered,
    PromptTooLong,
)
from arena.providers import make
from tests.servers import serving
from tests.services import (
    HELLO,
    KEY,
    LOOK,
    Endpoint,
    Heard,
    error_of,
    failure_of,
    hear,
    hear_from,
    refusing,
    settings_of,
    streaming,
)

YANDEX = settings_of(YandexGPT, folder_id="b1g")

# https://yandex.cloud/en/docs/foundation-models/text-generation/api-ref/TextGeneration/completion
BASIC = """\
{"result":{"alternatives":[{"message":{"role":"assistant","text":"При"},"status":"ALTERNATIVE_STATUS_PARTIAL"}],\
"usage":{"inputTextTokens":"19","completionTokens":"1","totalTokens":"20",\
"completionTokensDetails":{"reasoningTokens":"0"}},"modelVersion":"09.02.2025"}}
{"result":{"alternatives":[{"message":{"role":"assistant","text":"Привет!"},"status":"ALTERNATIVE_STATUS_PARTIAL"}],\
"usage":{"inputTextTokens":"19","completionTokens":"3","totalTokens":"22",\
"completionTokensDetails":{"reasoningTokens":"0"}},"modelVersion":"09.02.2025"}}
{"result":{"alternatives":[{"message":{"role":"assistant","text":"Привет!"},"status":"ALTERNATIVE_STATUS_FINAL"}],\
"usage":{"inputTextTokens":"19","completionTokens":"4","totalTokens":"23",\
"completionTokensDetails":{"reasoningTokens":"0"}},"modelVersion":"09.02.2025"}}
""".encode()


def lines(*chunks: bytes, **headers: str) -> Endpoint:
    return streaming(*chunks, media_type="application/json", **headers)


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def said(text: str, status: str = "PARTIAL") -> bytes:
    alternative = {"message": {"role": "assistant", "text": text}, "status": f"ALTERNATIVE_STATUS_{status}"}
    return line(result={"alternatives": [alternative]})


async def test_a_prompt_is_sent_as_the_completion_wants_it() -> None:
    service = lines(BASIC)
    await hear_from(service, settings=YANDEX)
    assert service.bodies == [
        {
            "modelUri": "gpt://b1g/tiny-1",
            "completionOptions": {"stream": True},
            "messages": [{"role": "system", "text": "Be kind."}, {"role": "user", "text": "Grüße, 世界 🦜"}],
        }
    ]
    assert service.urls == ["/v1/completion"]
    headers = service.requests[0].headers
    assert (headers["authorization"], headers["x-folder-id"]) == (f"Api-Key {KEY}", "b1g")


async def test_sampling_is_sent_where_it_is_set_and_extra_fields_over_all() -> None:
    service = lines(BASIC)
    extra = {"completionOptions": {"reasoningOptions": {"mode": "DISABLED"}}}
    sampling = Sampling(temperature=0.0, top_p=0.5, max_tokens=7, stop=("END",), seed=3, extra=extra)
    await hear_from(service, Prompt(HELLO.messages, sampling), YANDEX)
    assert service.bodies[0]["completionOptions"] == {
        "stream": True,
        "temperature": 0.0,
        "maxTokens": "7",
        "reasoningOptions": {"mode": "DISABLED"},
    }


@pytest.mark.parametrize(
    ("model", "uri"),
    [("yandexgpt/rc", "gpt://b1g/yandexgpt/rc"), ("gpt://other/m", "gpt://other/m"), ("ds://bt1", "ds://bt1")],
)
async def test_a_model_is_in_the_folder_unless_it_is_an_address(model: str, uri: str) -> None:
    service = lines(BASIC)
    await hear_from(service, Prompt(HELLO.messages, model_id=model), YANDEX)
    assert service.bodies[0]["modelUri"] == uri


async def test_an_iam_token_is_sent_as_one() -> None:
    service = lines(BASIC)
    async with serving(service) as url:
        client = make(YandexGPT(name="y", folder_id="b1g", base_url=url, api_key_env="IAM"), {"IAM": "t1.9euelZ"})
        await hear(client)
        await client.close()
    assert service.requests[0].headers["authorization"] == "Bearer t1.9euelZ"


async def test_a_prompt_with_images_is_refused_before_it_is_sent() -> None:
    service = lines(BASIC)
    error = await error_of(service, BackendRefused, LOOK, YANDEX)
    assert str(error) == "hosted: YandexGPT takes no images, and the prompt has some"
    assert not service.requests


async def test_the_documented_stream_is_heard_once() -> None:
    heard = await hear_from(lines(BASIC, **{"x-request-id": "r-1"}), settings=YANDEX)
    assert heard == Heard("Привет!", "", 1, Usage(19, 4, "stop", "r-1"))


async def test_a_last_line_without_its_break_is_heard() -> None:
    assert (await hear_from(lines(BASIC.rstrip()), settings=YANDEX)).text == "Привет!"


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("FINAL", "stop"),
        ("TRUNCATED_FINAL", "length"),
        ("CONTENT_FILTER", "content_filter"),
        ("TOOL_CALLS", "tool_calls"),
    ],
)
async def test_an_end_is_told_in_the_common_words(status: str, word: str) -> None:
    heard = await hear_from(lines(said("Hi"), said("Hi!", status)), settings=YANDEX)
    assert (heard.text, heard.usage) == ("Hi!", Usage(finish_reason=word))


async def test_an_answer_filtered_before_its_first_word_is_filtered() -> None:
    await failure_of(lines(said("", "CONTENT_FILTER")), ContentFiltered, YANDEX)


async def test_half_a_character_waits_for_its_other_half_until_the_end() -> None:
    service = lines(said("Hi \ufffd"), said("Hi 🦜\ufffd"), said("Hi 🦜\ufffd", "FINAL"))
    assert (await hear_from(service, settings=YANDEX)).text == "Hi 🦜\ufffd"


async def test_an_answer_that_said_nothing_is_not_sent_again() -> None:
    service = lines(BASIC)
    await hear_from(service, Prompt((*HELLO.messages, Message("assistant", ""), HELLO.messages[1])), YANDEX)
    assert [message["role"] for message in service.bodies[0]["messages"]] == ["system", "user", "user"]


async def test_an_end_trimmed_of_its_spaces_takes_nothing_back() -> None:
    assert (await hear_from(lines(said("Hi! \n"), said("Hi!", "FINAL")), settings=YANDEX)).text == "Hi! \n"


@pytest.mark.parametrize("fields", [("httpCode", "grpcCode"), ("http_code", "grpc_code")])
async def test_an_error_in_mid_stream_is_the_error_it_names(fields: tuple[str, str]) -> None:
    error = line(error={fields[0]: 429, fields[1]: 8, "message": "quota exceeded"})
    assert "quota exceeded" in await failure_of(lines(said("Hi"), error), BackendBusy, YANDEX)


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "number of input tokens must be no more than 8192, got 9000", PromptTooLong),
        (400, "invalid model_uri", BackendRefused),
        (401, "Unknown api key", BackendRefused),
        (429, "ai.textGenerationCompletionSessionsCount.count gauge quota limit exceed", BackendBusy),
        (501, "service-side problem", BackendUnreachable),
    ],
)
async def test_a_refusal_is_the_error_it_names(status: int, message: str, expected: type[BackendError]) -> None:
    service = refusing(status, {"error": {"grpcCode": 3, "httpCode": status, "message": message, "details": []}})
    assert await failure_of(service, expected, YANDEX) == f"hosted: status {status}: {message}"
