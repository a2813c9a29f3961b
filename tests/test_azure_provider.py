"""The client of Azure OpenAI: its addresses, its key, and what its content filters say."""

from typing import Any

import pytest

from arena import config
from arena.backend import Prompt, Sampling
from arena.errors import BackendRefused, ContentFiltered
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

SAFE = {"hate": {"filtered": False, "severity": "safe"}, "violence": {"filtered": False, "severity": "safe"}}
ANSWER = (
    event(choices=[], created=0, id="", model="", prompt_filter_results=[{"content_filter_results": SAFE}]),
    event(choices=[{"delta": {"content": "", "role": "assistant"}, "index": 0}], id="chatcmpl-1"),
    event(choices=[{"content_filter_results": SAFE, "delta": {"content": "Hi"}, "index": 0}], id="chatcmpl-1"),
    event(choices=[{"content_filter_results": SAFE, "content_filter_offsets": {"check_offset": 3}}], id=""),
    event(choices=[{"delta": {}, "finish_reason": "stop", "index": 0}], id="chatcmpl-1"),
    b"data: [DONE]\n\n",
)
FILTERED = {
    "error": {
        "message": "The response was filtered due to the prompt triggering Azure's content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": SAFE},
    }
}


def azure(path: str = "/", **changes: Any) -> Settings:
    return settings_of(config.Azure, path, **changes)


async def test_a_deployment_is_asked_as_the_version_of_the_seed_team_wants_it() -> None:
    service = streaming(*ANSWER)
    await hear_from(service, settings=azure(api_version="2024-02-01"))
    assert service.urls == ["/openai/deployments/tiny-1/chat/completions?api-version=2024-02-01"]
    assert service.bodies[0].keys() == {"messages", "stream"}
    assert service.requests[0].headers["api-key"] == KEY
    assert "authorization" not in service.requests[0].headers


async def test_a_later_version_is_asked_for_the_usage() -> None:
    service = streaming(*ANSWER)
    await hear_from(service, settings=azure(api_version="2024-10-21"))
    assert service.bodies[0]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("path", "version", "url"),
    [
        ("/", None, "/openai/v1/chat/completions"),
        ("/openai/v1/", None, "/openai/v1/chat/completions"),
        ("/openai/v1", "preview", "/openai/v1/chat/completions?api-version=preview"),
        ("/openai", "2024-10-21", "/openai/deployments/tiny-1/chat/completions?api-version=2024-10-21"),
        ("/behind/a/gateway", "v", "/behind/a/gateway/openai/deployments/tiny-1/chat/completions?api-version=v"),
    ],
)
async def test_the_address_is_made_of_what_the_base_url_has_already(
    path: str, version: str | None, url: str
) -> None:
    service = streaming(*ANSWER)
    await hear_from(service, settings=azure(path, api_version=version))
    assert service.urls == [url]
    assert service.bodies[0].get("model") == (None if "deployments" in url else "tiny-1")


async def test_a_deployment_with_a_slash_in_its_name_stays_one_step_of_the_path() -> None:
    service = streaming(*ANSWER)
    prompt = Prompt(HELLO.messages, model_id="../a b")
    await hear_from(service, prompt, settings=azure(api_version="2024-02-01"))
    assert service.requests[0].scope["raw_path"] == b"/openai/deployments/..%2Fa%20b/chat/completions"


async def test_a_deployment_that_nobody_named_is_refused_before_it_is_asked_for() -> None:
    service = streaming(*ANSWER)
    with pytest.raises(BackendRefused, match="no deployment is named"):
        await hear_from(service, Prompt(HELLO.messages), settings=azure(api_version="2024-02-01"))
    assert service.bodies == []


async def test_what_the_filters_say_of_harmless_text_is_skipped() -> None:
    heard = await hear_from(streaming(*ANSWER), settings=azure(api_version="2024-02-01"))
    assert heard.text == "Hi"
    assert heard.usage is not None
    assert (heard.usage.finish_reason, heard.usage.request_id) == ("stop", "chatcmpl-1")


async def test_the_request_is_named_as_azures_support_wants_it() -> None:
    service = streaming(*ANSWER, **{"apim-request-id": "apim-1", "x-request-id": "x-1"})
    usage = (await hear_from(service, settings=azure())).usage
    assert usage is not None
    assert usage.request_id == "apim-1"


async def test_a_prompt_that_is_filtered_is_filtered() -> None:
    told = await failure_of(refusing(400, FILTERED), ContentFiltered, azure(api_version="2024-02-01"))
    assert "content management policy" in told


async def test_an_answer_that_is_filtered_before_its_first_word_is_filtered() -> None:
    end = event(choices=[{"delta": {}, "finish_reason": "content_filter", "index": 0}])
    await failure_of(streaming(ANSWER[0], end, b"data: [DONE]\n\n"), ContentFiltered, azure())


async def test_an_answer_that_is_filtered_in_the_middle_keeps_its_text() -> None:
    end = event(choices=[{"delta": {}, "finish_reason": "content_filter", "index": 0}])
    heard = await hear_from(streaming(*ANSWER[:3], end, b"data: [DONE]\n\n"), settings=azure())
    assert heard.text == "Hi"
    assert heard.usage is not None
    assert heard.usage.finish_reason == "content_filter"


async def test_a_reasoning_deployment_and_pictures_are_asked_as_openais_are() -> None:
    service = streaming(*ANSWER)
    prompt = Prompt((HELLO.messages[0], *LOOK.messages), Sampling(temperature=1.0, max_tokens=9), "o-1")
    await hear_from(service, prompt, settings=azure(api_version="2025-01-01-preview", reasoning=True))
    assert service.bodies[0]["max_completion_tokens"] == 9
    assert "temperature" not in service.bodies[0]
    assert service.bodies[0]["messages"][0]["role"] == "developer"
    assert service.bodies[0]["messages"][1]["content"][0]["type"] == "image_url"
