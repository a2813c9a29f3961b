"""The Gemini client against streams as Google's reference and its servers have them."""

from typing import Any

import pytest
from starlette.responses import JSONResponse

from arena.backend import Image, Message, Prompt, Sampling, Usage
from arena.config import Gemini
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
from tests.services import (
    HELLO,
    KEY,
    LOOK,
    Endpoint,
    Heard,
    error_of,
    event,
    failure_of,
    hear_from,
    refusing,
    settings_of,
    streaming,
)

GEMINI = settings_of(Gemini, "/v1beta")

# As streamGenerateContent?alt=sse sends it: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
BASIC = (
    b'data: {"candidates": [{"content": {"parts": [{"text": "Hello"}],"role": "model"},"index": 0}],'
    b'"usageMetadata": {"promptTokenCount": 4,"totalTokenCount": 4,'
    b'"promptTokensDetails": [{"modality": "TEXT","tokenCount": 4}]},'
    b'"modelVersion": "gemini-2.5-flash","responseId": "mAitaLmkHPPlz7IPvtfUqQ4"}\r\n\r\n'
    b'data: {"candidates": [{"content": {"parts": [{"text": "!"}],"role": "model"},"finishReason": "STOP",'
    b'"index": 0}],"usageMetadata": {"promptTokenCount": 4,"candidatesTokenCount": 2,"totalTokenCount": 36,'
    b'"promptTokensDetails": [{"modality": "TEXT","tokenCount": 4}],"thoughtsTokenCount": 30},'
    b'"modelVersion": "gemini-2.5-flash","responseId": "mAitaLmkHPPlz7IPvtfUqQ4"}\r\n\r\n'
)

RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48.5s"}
QUOTA = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaValue": "50"}]}
EXHAUSTED = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [QUOTA, RETRY],
    }
}


def said(text: str, reason: str | None = None, **part: Any) -> bytes:
    candidate = {"content": {"parts": [{"text": text, **part}], "role": "model"}, "finishReason": reason}
    return event(candidates=[candidate])


def ended(reason: str, **candidate: Any) -> bytes:
    return event(candidates=[{"finishReason": reason, **candidate}])


async def test_a_prompt_is_sent_as_the_gemini_api_wants_it() -> None:
    service = streaming(BASIC)
    chat = (*HELLO.messages, Message("assistant", "Hello!"), Message("user", "And now?"))
    await hear_from(service, Prompt(chat, model_id="tiny-1"), GEMINI)
    assert service.bodies == [
        {
            "systemInstruction": {"parts": [{"text": "Be kind."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Grüße, 世界 🦜"}]},
                {"role": "model", "parts": [{"text": "Hello!"}]},
                {"role": "user", "parts": [{"text": "And now?"}]},
            ],
        }
    ]
    assert service.urls == ["/v1beta/models/tiny-1:streamGenerateContent?alt=sse"]
    assert service.requests[0].headers["x-goog-api-key"] == KEY
    assert "authorization" not in service.requests[0].headers


async def test_sampling_is_sent_where_it_is_set_and_extra_fields_over_all() -> None:
    service = streaming(BASIC)
    extra = {
        "generationConfig": {"thinkingConfig": {"includeThoughts": True}, "seed": 4},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    }
    sampling = Sampling(temperature=0.0, top_p=0.5, max_tokens=7, stop=("END",), seed=3, extra=extra)
    await hear_from(service, Prompt(HELLO.messages, sampling), GEMINI)
    assert service.bodies[0]["generationConfig"] == {
        "temperature": 0.0,
        "topP": 0.5,
        "maxOutputTokens": 7,
        "stopSequences": ["END"],
        "seed": 4,
        "thinkingConfig": {"includeThoughts": True},
    }
    assert service.bodies[0]["safetySettings"] == extra["safetySettings"]


async def test_images_are_sent_before_the_words() -> None:
    service = streaming(BASIC)
    await hear_from(service, LOOK, GEMINI)
    image = {"inlineData": {"mimeType": "image/png", "data": "iVBORy4="}}
    assert service.bodies[0] == {"contents": [{"role": "user", "parts": [image, {"text": "What is this?"}]}]}


async def test_messages_in_a_row_from_one_role_are_one_content_and_empty_ones_none() -> None:
    service = streaming(BASIC)
    chat = (Message("user", "One"), Message("assistant", ""), Message("user", "Two", (Image("image/gif", b""),)))
    await hear_from(service, Prompt(chat), GEMINI)
    assert [(c["role"], len(c["parts"])) for c in service.bodies[0]["contents"]] == [("user", 3)]


async def test_a_model_of_ones_own_has_its_collection_in_its_name() -> None:
    service = streaming(BASIC)
    await hear_from(service, Prompt(HELLO.messages, model_id="tunedModels/mine"), GEMINI)
    assert service.urls == ["/v1beta/tunedModels/mine:streamGenerateContent?alt=sse"]


async def test_the_documented_stream_is_heard_and_thoughts_are_among_its_tokens() -> None:
    heard = await hear_from(streaming(BASIC), settings=GEMINI)
    assert heard == Heard("Hello!", "", 1, Usage(4, 32, "stop", "mAitaLmkHPPlz7IPvtfUqQ4"))


async def test_a_count_that_is_told_once_stays() -> None:
    counted = event(usageMetadata={"promptTokenCount": 1, "candidatesTokenCount": 9})
    later = event(usageMetadata={"trafficType": "ON_DEMAND"})
    heard = await hear_from(streaming(counted, said("Hi"), later, ended("STOP")), settings=GEMINI)
    assert heard.usage == Usage(1, 9, "stop")


async def test_thoughts_are_kept_apart_and_signatures_are_read_past() -> None:
    service = streaming(
        said("Hm.", thought=True), said("Yes."), said("", "STOP", thoughtSignature="AY89a18iOcFus5wr5bW5")
    )
    heard = await hear_from(service, settings=GEMINI)
    assert (heard.text, heard.reasoning) == ("Yes.", "Hm.")


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("MALFORMED_RESPONSE", "malformed_response"),
    ],
)
async def test_an_end_is_told_in_the_common_words(reason: str, word: str) -> None:
    heard = await hear_from(streaming(said("Hi", "FINISH_REASON_UNSPECIFIED"), ended(reason)), settings=GEMINI)
    assert (heard.text, heard.usage) == ("Hi", Usage(finish_reason=word))


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "LANGUAGE"])
async def test_an_answer_blocked_before_its_first_word_is_filtered(reason: str) -> None:
    service = streaming(said("Hm.", thought=True), ended(reason, finishMessage="not today"))
    told = await failure_of(service, ContentFiltered, GEMINI)
    assert told == f"hosted: told an error: content_filter: finishReason is {reason}: not today"


async def test_a_blocked_prompt_is_filtered_and_says_why() -> None:
    service = streaming(event(promptFeedback={"blockReason": "PROHIBITED_CONTENT"}, usageMetadata={}))
    told = await failure_of(service, ContentFiltered, GEMINI)
    assert told == "hosted: told an error: content_filter: blockReason is PROHIBITED_CONTENT"


async def test_an_unspecified_end_is_none() -> None:
    await failure_of(streaming(said("Hi", "FINISH_REASON_UNSPECIFIED")), BackendBroken, GEMINI)


async def test_ratings_without_a_block_are_read_past() -> None:
    feedback = event(promptFeedback={"safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT"}]})
    assert (await hear_from(streaming(feedback, said("Hi", "STOP")), settings=GEMINI)).text == "Hi"


@pytest.mark.parametrize(
    ("status", "word", "message", "expected"),
    [
        (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", BackendRefused),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (1048580) exceeds the maximum number of tokens allowed (1048576).",
            PromptTooLong,
        ),
        (403, "PERMISSION_DENIED", "no permission", BackendRefused),
        (404, "NOT_FOUND", "models/x is not found", BackendRefused),
        (500, "INTERNAL", "An internal error has occurred.", BackendUnreachable),
        (503, "UNAVAILABLE", "The model is overloaded.", BackendBusy),
        (504, "DEADLINE_EXCEEDED", "too slow", BackendTimeout),
    ],
)
async def test_a_refusal_and_an_error_in_mid_stream_are_the_same_error(
    status: int, word: str, message: str, expected: type[BackendError]
) -> None:
    body = {"error": {"code": status, "message": message, "status": word}}
    assert await failure_of(refusing(status, body), expected, GEMINI) == f"hosted: status {status}: {message}"
    assert message in await failure_of(streaming(said("Hi"), event(**body)), expected, GEMINI)


@pytest.mark.parametrize("content", [EXHAUSTED, [EXHAUSTED]], ids=["object", "list"])
async def test_an_exhausted_quota_says_when_to_ask_again(content: Any) -> None:
    error = await error_of(refusing(429, content), BackendBusy, settings=GEMINI)
    assert error.retry_after == 48.5
    assert str(error) == "hosted: status 429: You exceeded your current quota."


async def test_an_exhausted_quota_in_mid_stream_says_when_to_ask_again() -> None:
    error = await error_of(streaming(event(**EXHAUSTED)), BackendBusy, settings=GEMINI)
    assert error.retry_after == 48.5


async def test_a_header_goes_before_the_errors_own_word_on_when_to_ask_again() -> None:
    error = await error_of(refusing(429, EXHAUSTED, **{"retry-after": "7"}), BackendBusy, settings=GEMINI)
    assert error.retry_after == 7


@pytest.mark.parametrize("delay", ["soon", "9e9s", "s", "-1s"])
async def test_a_delay_that_is_none_is_left_out(delay: str) -> None:
    body = {"error": {"code": 429, "message": "slow down", "details": [{"retryDelay": delay}]}}
    error = await error_of(Endpoint(lambda _: JSONResponse(body, 429)), BackendBusy, settings=GEMINI)
    assert error.retry_after is None


async def test_vertex_has_a_bearer_token() -> None:
    service = streaming(BASIC)
    vertex = settings_of(Gemini, "/v1/projects/p/locations/l/publishers/google", host="vertex")
    assert (await hear_from(service, settings=vertex)).text == "Hello!"
    path = "/v1/projects/p/locations/l/publishers/google/models/tiny-1:streamGenerateContent?alt=sse"
    assert service.urls == [path]
    assert service.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "x-goog-api-key" not in service.requests[0].headers


def test_vertex_without_its_address_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'"p"\).base_url: host "vertex" .* Set it: https://'):
        make(Gemini(name="p", host="vertex"), {})
