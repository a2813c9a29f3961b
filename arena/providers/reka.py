"""The client of Reka's chat.

It follows the API reference, "Chat", v1, as of November 2026 (https://docs.reka.ai/chat/overview) and the types of
Reka's own library, reka-api 3.2. Each event holds the whole text so far. The guide shows no system prompt, so it
goes before the first words of the user, as LangChain's and LlamaIndex's clients have it.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from arena.backend import Message, Prompt
from arena.providers.growing import GrowingText
from arena.providers.hosted import Answer, HostedClient
from arena.providers.refusal import Failure
from arena.providers.turns import system_of, turns_of

# What is sent.


class ImagePart(msgspec.Struct, frozen=True):
    image_url: str
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
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


# What is read. Fields that are not named here are skipped.


class Part(msgspec.Struct, frozen=True, gc=False):
    text: str | None = None


class Piece(msgspec.Struct, frozen=True):
    content: str | tuple[Part, ...] | None = None


class Response(msgspec.Struct, frozen=True):
    """A text so far: `chunk` in a stream, `message` elsewhere."""

    chunk: Piece | None = None
    message: Piece | None = None
    finish_reason: str | None = None


class Tokens(msgspec.Struct, frozen=True, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None


class Event(msgspec.Struct, frozen=True):
    """One event of a stream, or an error in its place."""

    id: str | None = None
    responses: tuple[Response, ...] = ()
    usage: Tokens | None = None
    error: Failure | str | None = None
    detail: str | None = None


_decode = msgspec.json.Decoder(Event).decode

_FINISH_REASONS = {"context": "length"}


class ChatAnswer(Answer):
    """An answer in ever longer states of its text."""

    def __init__(self, request_id: str | None) -> None:
        super().__init__(request_id)
        self._whole = GrowingText()

    def take(self, data: bytes) -> Failure | None:
        event = _decode(data)
        if error := event.error or event.detail:
            return error if isinstance(error, Failure) else Failure(error)
        self.request_id = self.request_id or event.id
        if event.usage is not None:
            self.prompt_tokens = event.usage.input_tokens
            self.completion_tokens = event.usage.output_tokens
        if event.responses:
            self._add(event.responses[0])
        return None

    def _add(self, response: Response) -> None:
        reason = response.finish_reason
        if (piece := response.chunk or response.message) is not None and piece.content is not None:
            self.say(self._whole.added(_text(piece.content), is_last=bool(reason)))
        if reason:
            self.finish_reason = _FINISH_REASONS.get(reason, reason)


class RekaClient(HostedClient):
    """One endpoint and the models behind it."""

    def _path(self, prompt: Prompt) -> str:
        return "/chat"

    def _headers(self) -> dict[str, str]:
        key = self._service.key
        return {"x-api-key": key} if key else {}

    def _request(self, prompt: Prompt) -> Request:
        sampling = prompt.sampling
        return Request(
            model=self._model_of(prompt),
            messages=tuple(_chat(prompt.messages)),
            stream=True,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop=sampling.stop,
            seed=sampling.seed,
        )

    def _answer(self, request_id: str | None) -> Answer:
        return ChatAnswer(request_id)


def _chat(messages: tuple[Message, ...]) -> Iterator[Said]:
    """The turns of a chat, the system prompt before the first words of the user."""
    system = system_of(messages)
    for role, turn in turns_of(messages):
        images = tuple(ImagePart(image.data_url) for message in turn for image in message.images)
        words = [message.content for message in turn if message.content]
        if role == "user" and system:
            words.insert(0, system)
            system = ""
        text = "\n\n".join(words)
        yield Said(role, (*images, TextPart(text)) if images and text else images or text)


def _text(content: str | tuple[Part, ...]) -> str:
    return content if isinstance(content, str) else "".join(part.text or "" for part in content)
