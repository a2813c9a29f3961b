"""The client of Cohere's chat, version 2.

It follows the API reference, "Chat with Streaming", v2, as of November 2026
(https://docs.cohere.com/reference/chat-stream, https://docs.cohere.com/docs/streaming). Thinking is kept apart; it
is switched by `thinking` in `extra_body`. Tools and citations are read past.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from arena import config
from arena.backend import Message, Prompt
from arena.providers.hosted import Answer, HostedClient
from arena.providers.refusal import Failure

# What is sent.


class ImageURL(msgspec.Struct, frozen=True):
    url: str


class ImagePart(msgspec.Struct, frozen=True):
    image_url: ImageURL
    type: Literal["image_url"] = "image_url"


class TextPart(msgspec.Struct, frozen=True):
    text: str
    type: Literal["text"] = "text"


class Said(msgspec.Struct, frozen=True):
    role: str
    content: str | tuple[ImagePart | TextPart, ...]


class Request(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The body of a request. What is `None` or empty is left out, so that the service's own default holds."""

    model: str
    messages: tuple[Said, ...]
    stream: bool
    temperature: float | None = None
    p: float | None = None
    max_tokens: int | None = None
    stop_sequences: tuple[str, ...] = ()
    seed: int | None = None


# What is read. Fields that are not named here are skipped.


class Piece(msgspec.Struct, frozen=True, gc=False):
    text: str | None = None
    thinking: str | None = None


class Part(msgspec.Struct, frozen=True):
    """A part of a message; its content is a list of none where the message starts."""

    content: Piece | tuple[Piece, ...] | None = None


class Counts(msgspec.Struct, frozen=True, gc=False):
    """Numbers of tokens, which the reference calls doubles."""

    input_tokens: float | None = None
    output_tokens: float | None = None


class Tokens(msgspec.Struct, frozen=True):
    tokens: Counts | None = None


class Change(msgspec.Struct, frozen=True):
    message: Part | None = None
    finish_reason: str | None = None
    usage: Tokens | None = None
    error: str | None = None


class Event(msgspec.Struct, frozen=True):
    """One event of a stream: message-start, content-start, content-delta, …, message-end; or an error."""

    type: str | None = None
    id: str | None = None
    delta: Change | None = None
    message: str | None = None


_decode = msgspec.json.Decoder(Event).decode

_FINISH_REASONS = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
}
_STATUS_OF_FAILURE = {"ERROR": 500, "TIMEOUT": 504}


class ChatAnswer(Answer):
    """An answer in the events of a message."""

    def take(self, data: bytes) -> Failure | None:
        event = _decode(data)
        if event.type is None:
            if event.message is None:
                raise msgspec.ValidationError("the event has no type")
            return Failure(event.message)
        if event.type == "message-start":
            self.request_id = self.request_id or event.id
        change = event.delta or Change()
        if change.message is not None and isinstance(change.message.content, Piece):
            self.say(change.message.content.text or "")
            self.think(change.message.content.thinking or "")
        return self._end(change) if event.type == "message-end" else None

    def _end(self, change: Change) -> Failure | None:
        if change.usage is not None and change.usage.tokens is not None:
            self.prompt_tokens = _whole(change.usage.tokens.input_tokens)
            self.completion_tokens = _whole(change.usage.tokens.output_tokens)
        reason = change.finish_reason or "COMPLETE"
        if reason in _STATUS_OF_FAILURE:
            return Failure(change.error, f"finish_reason {reason}", _STATUS_OF_FAILURE[reason])
        self.finish_reason = _FINISH_REASONS.get(reason, reason.lower())
        self.is_done = True
        return None


class CohereClient(HostedClient):
    """One endpoint and the models behind it."""

    request_id_headers = ("x-request-id", "x-debug-trace-id")

    def __init__(self, provider: config.Cohere, environ: Mapping[str, str]) -> None:
        super().__init__(provider, environ)
        self._client_name = provider.client_name

    def _path(self, prompt: Prompt) -> str:
        return "/chat"

    def _headers(self) -> dict[str, str]:
        return {**super()._headers(), "x-client-name": self._client_name}

    def _request(self, prompt: Prompt) -> Request:
        sampling = prompt.sampling
        return Request(
            model=self._model_of(prompt),
            messages=tuple(_said(message) for message in prompt.messages if message.content or message.images),
            stream=True,
            temperature=sampling.temperature,
            p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop_sequences=sampling.stop,
            seed=sampling.seed,
        )

    def _answer(self, request_id: str | None) -> Answer:
        return ChatAnswer(request_id)


def _said(message: Message) -> Said:
    if not message.images:
        return Said(message.role, message.content)
    images = tuple(ImagePart(ImageURL(image.data_url)) for image in message.images)
    return Said(message.role, (*images, TextPart(message.content)) if message.content else images)


def _whole(count: float | None) -> int | None:
    return None if count is None else int(count)
