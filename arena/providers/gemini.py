"""The client of Google's Gemini API, and of the same models on Vertex AI.

It follows the API reference, "models.streamGenerateContent", v1beta, as of November 2026
(https://ai.google.dev/api/generate-content). With `host` "vertex" only the address and the key differ
(https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference): a bearer token of Google, which
is good for an hour. Where it stands in `api_key_file`, whoever writes the file anew renews it.

What is blocked for its content is the service's own setting, unless `extra_body` holds `safetySettings`. Thoughts
are read where they are sent; they are asked for by `generationConfig.thinkingConfig.includeThoughts` in there.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress

import msgspec

from arena import config
from arena.backend import Message, Prompt
from arena.errors import ConfigError
from arena.providers.hosted import Answer, HostedClient
from arena.providers.refusal import UNREADABLE, Failure, failure_in
from arena.providers.turns import system_of, turns_of

# What is sent.


class Blob(msgspec.Struct, frozen=True, rename="camel"):
    mime_type: str
    data: str


class Part(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A piece of a content: text or an image. `thought`: it is thinking, and not for the answer."""

    text: str | None = None
    inline_data: Blob | None = None
    thought: bool = False


class Content(msgspec.Struct, frozen=True, omit_defaults=True):
    parts: tuple[Part, ...] = ()
    role: str | None = None


class GenerationConfig(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    stop_sequences: tuple[str, ...] = ()
    seed: int | None = None


class Request(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The body of a request. What is `None` or empty is left out, so that the service's own default holds."""

    contents: tuple[Content, ...]
    system_instruction: Content | None = None
    generation_config: GenerationConfig | None = None


# What is read. Fields that are not named here are skipped.


class Candidate(msgspec.Struct, frozen=True, rename="camel"):
    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None


class Feedback(msgspec.Struct, frozen=True, rename="camel"):
    block_reason: str | None = None
    block_reason_message: str | None = None


class Tokens(msgspec.Struct, frozen=True, rename="camel", gc=False):
    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None


class Detail(msgspec.Struct, frozen=True, rename="camel"):
    """One detail of an error. `retry_delay`, in seconds ("48s"), is a RetryInfo's (google.rpc)."""

    retry_delay: str | None = None


class Error(msgspec.Struct, frozen=True):
    code: int | None = None
    message: str | None = None
    status: str | None = None
    details: tuple[Detail, ...] = ()


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """One event of a stream, or an error in its place."""

    candidates: tuple[Candidate, ...] = ()
    prompt_feedback: Feedback | None = None
    usage_metadata: Tokens | None = None
    response_id: str | None = None
    error: Error | None = None


_decode = msgspec.json.Decoder(Event).decode
_decode_refusal = msgspec.json.Decoder(Event | tuple[Event, ...]).decode

_FINISH_REASONS = {"STOP": "stop", "MAX_TOKENS": "length"}
_NO_FINISH = "FINISH_REASON_UNSPECIFIED"
_FILTERED = frozenset(
    (
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
        "ESCALATION",
    )
)


class ContentAnswer(Answer):
    """An answer in generated contents, each of which continues the one before."""

    def take(self, data: bytes) -> Failure | None:
        event = _decode(data)
        if event.error is not None:
            return _failure_of(event.error)
        if event.usage_metadata is not None:
            self._count(event.usage_metadata)
        self.request_id = event.response_id or self.request_id
        if event.prompt_feedback is not None and event.prompt_feedback.block_reason:
            feedback = event.prompt_feedback
            return _blocked("blockReason", feedback.block_reason, feedback.block_reason_message)
        return self._add(event.candidates[0]) if event.candidates else None

    def _count(self, tokens: Tokens) -> None:
        """Totals so far; a host that counts only at the end leaves them out until then."""
        if tokens.prompt_token_count is not None:
            self.prompt_tokens = tokens.prompt_token_count
        counts = [n for n in (tokens.candidates_token_count, tokens.thoughts_token_count) if n is not None]
        if counts:
            self.completion_tokens = sum(counts)

    def _add(self, candidate: Candidate) -> Failure | None:
        for part in candidate.content.parts if candidate.content else ():
            (self.think if part.thought else self.say)(part.text or "")
        reason = candidate.finish_reason
        if reason in _FILTERED:
            if not self._has_text:
                return _blocked("finishReason", reason, candidate.finish_message)
            self.finish_reason = "content_filter"
        elif reason and reason != _NO_FINISH:
            self.finish_reason = _FINISH_REASONS.get(reason, reason.lower())
        return None


class GeminiClient(HostedClient):
    """One endpoint and the models behind it."""

    def __init__(self, provider: config.Gemini, environ: Mapping[str, str]) -> None:
        super().__init__(provider, environ)
        self._is_vertex = provider.host == "vertex"
        if self._is_vertex and provider.base_url == config.Gemini(name="any").base_url:
            raise ConfigError(
                f'providers ("{provider.name}").base_url: host "vertex" has an address of its own. Set it: '
                "https://LOCATION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/LOCATION/publishers/google"
            )

    def _path(self, prompt: Prompt) -> str:
        """A model of one's own has the name of its collection before it, as in tunedModels/NAME."""
        model = self._model_of(prompt)
        return f"/{model if '/' in model else f'models/{model}'}:streamGenerateContent"

    def _query(self, prompt: Prompt) -> dict[str, str]:
        return {"alt": "sse"}

    def _headers(self) -> dict[str, str]:
        if self._is_vertex:
            return super()._headers()
        key = self._service.key
        return {"x-goog-api-key": key} if key else {}

    def _request(self, prompt: Prompt) -> Request:
        sampling, system = prompt.sampling, system_of(prompt.messages)
        generation = GenerationConfig(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_output_tokens=sampling.max_tokens,
            stop_sequences=sampling.stop,
            seed=sampling.seed,
        )
        return Request(
            contents=tuple(
                Content(tuple(_parts(messages)), "model" if role == "assistant" else role)
                for role, messages in turns_of(prompt.messages)
            ),
            system_instruction=Content((Part(system),)) if system else None,
            generation_config=None if generation == GenerationConfig() else generation,
        )

    def _answer(self, request_id: str | None) -> Answer:
        return ContentAnswer(request_id)

    def _failure(self, body: bytes) -> Failure:
        """Google's error object says when to ask again; some of its hosts put it into a list."""
        with suppress(*UNREADABLE):
            events = _decode_refusal(body)
            event = events if isinstance(events, Event) else next(iter(events), Event())
            if event.error is not None:
                return _failure_of(event.error)
        return failure_in(body)


def _parts(messages: Iterable[Message]) -> Iterable[Part]:
    """What one turn says."""
    for message in messages:
        for image in message.images:
            yield Part(inline_data=Blob(image.media_type, image.base64))
        if message.content:
            yield Part(message.content)


def _blocked(field: str, reason: str | None, words: str | None) -> Failure:
    return Failure(f"{field} is {reason}{f': {words}' if words else ''}", "content_filter")


def _failure_of(error: Error) -> Failure:
    delays = [float(delay[:-1]) for d in error.details if (delay := d.retry_delay) and _DELAY.fullmatch(delay)]
    return Failure(error.message, error.status, error.code, retry_seconds=max(delays, default=None))


_DELAY = re.compile(r"\d{1,9}(\.\d{1,9})?s")
