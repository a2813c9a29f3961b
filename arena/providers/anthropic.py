"""The client of Anthropic's Messages API, at Anthropic, on Google's Vertex AI, on Amazon Bedrock, and at vLLM.

It follows the API reference, "Create a Message" and "Streaming Messages", version 2023-06-01, as of November 2026
(https://platform.claude.com/docs/en/api/messages, https://platform.claude.com/docs/en/build-with-claude/streaming).
`host` is where only the address and the key differ:

- vertex: `:streamRawPredict` under the model's name, a bearer token of Google, and the version in the body
  (https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai). The token is good for an hour: where
  it stands in `api_key_file`, whoever writes the file anew renews it.
- bedrock: the Messages API of Bedrock's own endpoints, with a Bedrock API key as the bearer token
  (https://docs.aws.amazon.com/bedrock/latest/userguide/inference-messages-api.html). The older
  InvokeModelWithResponseStream, which is signed (SigV4) and answers in binary events, is not spoken.

The API has no seed. Thinking is read where the model sends it; it is asked for in `extra_body`.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from arena import config
from arena.backend import Message, Prompt
from arena.errors import ConfigError
from arena.providers.hosted import Answer, HostedClient
from arena.providers.refusal import Failure
from arena.providers.turns import system_of, turns_of

VERSION = "2023-06-01"
VERTEX_VERSION = "vertex-2023-10-16"

_ADDRESS = {
    "vertex": "https://LOCATION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/LOCATION/publishers/anthropic",
    "bedrock": "https://bedrock-mantle.REGION.api.aws/anthropic",
}

# What is sent.


class Source(msgspec.Struct, frozen=True):
    media_type: str
    data: str
    type: Literal["base64"] = "base64"


class ImageBlock(msgspec.Struct, frozen=True):
    source: Source
    type: Literal["image"] = "image"


class TextBlock(msgspec.Struct, frozen=True):
    text: str
    type: Literal["text"] = "text"


class Turn(msgspec.Struct, frozen=True):
    role: str
    content: tuple[ImageBlock | TextBlock, ...]


class Request(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The body of a request. What is `None` or empty is left out, so that the service's own default holds."""

    model: str | None = None
    anthropic_version: str | None = None
    messages: tuple[Turn, ...]
    system: str = ""
    max_tokens: int
    stream: bool
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: tuple[str, ...] = ()


# What is read. Fields that are not named here are skipped.


class Tokens(msgspec.Struct, frozen=True, gc=False):
    """Totals so far. Tokens that a cache was written with or read from are not among the others."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class Started(msgspec.Struct, frozen=True):
    id: str | None = None
    usage: Tokens | None = None


class StopDetails(msgspec.Struct, frozen=True):
    category: str | None = None
    explanation: str | None = None


class Piece(msgspec.Struct, frozen=True):
    """What a block begins with, what comes to it, or how the message ended."""

    text: str | None = None
    thinking: str | None = None
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class Event(msgspec.Struct, frozen=True):
    """One event of a stream: message_start, content_block_start, …_delta, message_delta, message_stop, error."""

    type: str
    message: Started | None = None
    content_block: Piece | None = None
    delta: Piece | None = None
    usage: Tokens | None = None
    error: Failure | None = None


_decode = msgspec.json.Decoder(Event).decode

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "tool_use": "tool_calls",
}


class MessageAnswer(Answer):
    """An answer in the events of a message."""

    def __init__(self, request_id: str | None) -> None:
        super().__init__(request_id)
        self._counts: dict[str, int] = {}

    def take(self, data: bytes) -> Failure | None:
        event = _decode(data)
        if event.type == "error":
            return event.error or Failure("error")
        if event.type == "message_stop":
            self.is_done = True
        if event.message is not None:
            self._start(event.message)
        if event.usage is not None:
            self._count(event.usage)
        piece = event.delta or event.content_block
        return self._add(piece) if piece is not None else None

    def _start(self, message: Started) -> None:
        self.request_id = self.request_id or message.id
        if message.usage is not None:
            self._count(message.usage)

    def _count(self, tokens: Tokens) -> None:
        """A later total stands for an earlier one; one that is not told stays as it was."""
        told = msgspec.structs.asdict(tokens)
        self._counts |= {name: count for name, count in told.items() if count is not None}
        self.completion_tokens = self._counts.get("output_tokens")
        inputs = [count for name, count in self._counts.items() if name != "output_tokens"]
        self.prompt_tokens = sum(inputs) if inputs else None

    def _add(self, piece: Piece) -> Failure | None:
        self.say(piece.text or "")
        self.think(piece.thinking or "")
        if piece.stop_reason == "refusal" and not self._has_text:
            details = piece.stop_details or StopDetails()
            words = ": ".join(word for word in ("refusal", details.category, details.explanation) if word)
            return Failure(words, "content_filter")
        if piece.stop_reason:
            self.finish_reason = _FINISH_REASONS.get(piece.stop_reason, piece.stop_reason)
        return None


class AnthropicClient(HostedClient):
    """One endpoint and the models behind it."""

    request_id_headers = ("request-id", "x-request-id", "x-amzn-requestid")

    def __init__(self, provider: config.Anthropic, environ: Mapping[str, str]) -> None:
        super().__init__(provider, environ)
        self._host = provider.host
        self._max_tokens = provider.max_tokens
        if provider.host in _ADDRESS and provider.base_url == config.Anthropic(name="any").base_url:
            raise ConfigError(
                f'providers ("{provider.name}").base_url: host "{provider.host}" has an address of its own. '
                f"Set it: {_ADDRESS[provider.host]}"
            )

    def _path(self, prompt: Prompt) -> str:
        if self._host == "vertex":
            return f"/models/{self._model_of(prompt)}:streamRawPredict"
        return "/v1/messages"

    def _headers(self) -> dict[str, str]:
        if self._host == "vertex":
            return super()._headers()
        key = self._service.key
        version = {"anthropic-version": VERSION}
        if self._host == "bedrock":
            return {**version, **super()._headers()}
        return {**version, "x-api-key": key} if key else version

    def _request(self, prompt: Prompt) -> Request:
        sampling, is_vertex = prompt.sampling, self._host == "vertex"
        return Request(
            model=None if is_vertex else self._model_of(prompt),
            anthropic_version=VERTEX_VERSION if is_vertex else None,
            messages=tuple(Turn(role, tuple(_blocks(messages))) for role, messages in turns_of(prompt.messages)),
            system=system_of(prompt.messages),
            max_tokens=sampling.max_tokens or self._max_tokens,
            stream=True,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            stop_sequences=sampling.stop,
        )

    def _answer(self, request_id: str | None) -> Answer:
        return MessageAnswer(request_id)


def _blocks(messages: Iterable[Message]) -> Iterable[ImageBlock | TextBlock]:
    """What one turn says."""
    for message in messages:
        for image in message.images:
            yield ImageBlock(Source(image.media_type, image.base64))
        if message.content:
            yield TextBlock(message.content)
