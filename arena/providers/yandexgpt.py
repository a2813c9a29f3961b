"""The client of YandexGPT, Yandex Cloud's foundation models.

It follows the API reference, "Text Generation API, REST: TextGeneration.Completion", v1, as of November 2026
(https://yandex.cloud/en/docs/foundation-models/text-generation/api-ref/TextGeneration/completion). The answer is
one JSON object a line, each of which holds the whole text so far.

The API has no images, no stop sequences, no seed and no top_p; a prompt with images is refused, the others are
left out. An IAM token, which begins with `t1.`, may stand in the place of an API key.
"""

from collections.abc import Mapping

import msgspec

from arena import config
from arena.backend import Prompt
from arena.errors import BackendRefused
from arena.providers.growing import GrowingText
from arena.providers.hosted import Answer, HostedClient
from arena.providers.json_lines import JSONLines
from arena.providers.refusal import Failure

# What is sent.


class Options(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """`max_tokens` is a number in a string, as protocol buffers write 64 bits in JSON."""

    stream: bool
    temperature: float | None = None
    max_tokens: str | None = None


class Said(msgspec.Struct, frozen=True):
    role: str
    text: str


class Request(msgspec.Struct, frozen=True, rename="camel"):
    """The body of a request."""

    model_uri: str
    completion_options: Options
    messages: tuple[Said, ...]


# What is read. Fields that are not named here are skipped.


class Text(msgspec.Struct, frozen=True, gc=False):
    text: str | None = None


class Alternative(msgspec.Struct, frozen=True):
    message: Text | None = None
    status: str | None = None


class Tokens(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """Numbers in strings, again."""

    input_text_tokens: int | str | None = None
    completion_tokens: int | str | None = None


class Result(msgspec.Struct, frozen=True):
    alternatives: tuple[Alternative, ...] = ()
    usage: Tokens | None = None


class Error(msgspec.Struct, frozen=True):
    """An error where an answer was due; gateways of either generation write its fields."""

    message: str | None = None
    http_code: int | None = None
    httpCode: int | None = None


class Line(msgspec.Struct, frozen=True):
    """One line of an answer, or an error in its place."""

    result: Result | None = None
    error: Error | str | None = None


_decode = msgspec.json.Decoder(Line).decode

_FINISH_REASONS = {
    "ALTERNATIVE_STATUS_FINAL": "stop",
    "ALTERNATIVE_STATUS_TRUNCATED_FINAL": "length",
    "ALTERNATIVE_STATUS_CONTENT_FILTER": "content_filter",
    "ALTERNATIVE_STATUS_TOOL_CALLS": "tool_calls",
}


class CompletionAnswer(Answer):
    """An answer in ever longer states of its text."""

    def __init__(self, request_id: str | None) -> None:
        super().__init__(request_id)
        self._whole = GrowingText()

    def take(self, data: bytes) -> Failure | None:
        line = _decode(data)
        if line.error is not None:
            return _failure_of(line.error)
        if line.result is None:
            return None
        if (tokens := line.result.usage) is not None:
            self.prompt_tokens = _count(tokens.input_text_tokens)
            self.completion_tokens = _count(tokens.completion_tokens)
        if line.result.alternatives:
            self._add(line.result.alternatives[0])
        return None

    def _add(self, alternative: Alternative) -> None:
        reason = _FINISH_REASONS.get(alternative.status or "")
        if alternative.message is not None:
            self.say(self._whole.added(alternative.message.text or "", is_last=reason is not None))
        self.finish_reason = reason or self.finish_reason


class YandexGPTClient(HostedClient):
    """One endpoint and the models behind it."""

    stream_types = frozenset(("application/json", "application/x-ndjson", "application/jsonl"))
    framing = JSONLines

    def __init__(self, provider: config.YandexGPT, environ: Mapping[str, str]) -> None:
        super().__init__(provider, environ)
        self._folder = provider.folder_id

    def _path(self, prompt: Prompt) -> str:
        return "/completion"

    def _headers(self) -> dict[str, str]:
        folder = {"x-folder-id": self._folder}
        key = self._service.key
        if not key:
            return folder
        return {**folder, "authorization": f"{'Bearer' if key.startswith('t1.') else 'Api-Key'} {key}"}

    def _request(self, prompt: Prompt) -> Request:
        if any(message.images for message in prompt.messages):
            raise self._service.error(BackendRefused, "YandexGPT takes no images, and the prompt has some")
        sampling = prompt.sampling
        return Request(
            model_uri=self._uri(self._model_of(prompt)),
            completion_options=Options(
                stream=True,
                temperature=sampling.temperature,
                max_tokens=str(sampling.max_tokens) if sampling.max_tokens else None,
            ),
            messages=tuple(Said(message.role, message.content) for message in prompt.messages if message.content),
        )

    def _uri(self, model: str) -> str:
        """A model with a scheme, as in gpt://FOLDER/NAME or ds://ID, is one already."""
        return model if "://" in model else f"gpt://{self._folder}/{model}"

    def _answer(self, request_id: str | None) -> Answer:
        return CompletionAnswer(request_id)


def _failure_of(error: Error | str) -> Failure:
    if isinstance(error, str):
        return Failure(error)
    return Failure(error.message, code=error.httpCode or error.http_code)


def _count(tokens: int | str | None) -> int | None:
    return int(tokens) if tokens is not None and str(tokens).isdecimal() else None
