"""The client of every service that speaks OpenAI's chat completions. Knows that wire format, not who is asking.

It follows the API reference, "Chat Completions" (https://platform.openai.com/docs/api-reference/chat), as of
November 2026, and what vLLM, llama.cpp, Ollama, DeepSeek, OpenRouter and Mistral send in its name: `reasoning` or
`reasoning_content` beside the text, content in parts, an error object in the middle of a stream, a completion as a
whole where a stream was asked for. A service that refuses `stream_options`, or to stream at all, is asked without.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Literal

import httpx
import msgspec

from arena import config
from arena.backend import Image, Message, Prompt
from arena.providers.hosted import Answer, HostedClient
from arena.providers.refusal import Failure, failure_in, read_failure, refusal

# What is sent.


class ImageURL(msgspec.Struct, frozen=True):
    url: str


class ImagePart(msgspec.Struct, frozen=True):
    image_url: ImageURL | str
    type: Literal["image_url"] = "image_url"


class TextPart(msgspec.Struct, frozen=True):
    text: str
    type: Literal["text"] = "text"


class Said(msgspec.Struct, frozen=True):
    """A message of the chat."""

    role: str
    content: str | tuple[ImagePart | TextPart, ...]


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool = True


class Request(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The body of a request. What is `None` or empty is left out, so that the service's own default holds."""

    model: str = ""
    messages: tuple[Said, ...]
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


_REFUSES_STREAM = re.compile(r"\bstream(ing)?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Way:
    """How a model is asked: as a stream or not, and whether a stream is to tell its usage."""

    is_stream: bool = True
    tells_usage: bool = True

    def after(self, status: int, failure: Failure) -> "Way | None":
        """How to ask once more, where this is a refusal of the way and not of the question."""
        if status not in (400, 422) or not self.is_stream:
            return None
        words = f"{failure.param or ''} {failure.message or ''}"
        if "stream_options" in words or "include_usage" in words:
            return replace(self, tells_usage=False) if self.tells_usage else None
        return Way(False, False) if _REFUSES_STREAM.search(words) else None


# What is read. Fields that are not named here are skipped.


class Part(msgspec.Struct, frozen=True, gc=False):
    """A part of a content: text, or thinking, which is in parts again."""

    type: str | None = None
    text: str | None = None
    thinking: "str | tuple[Part, ...] | None" = None


class Piece(msgspec.Struct, frozen=True, gc=False):
    """What a chunk adds to the answer, or all of it where the service does not stream."""

    content: str | tuple[Part, ...] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    model: str | None = None


class Choice(msgspec.Struct, frozen=True):
    delta: Piece | None = None
    message: Piece | None = None
    finish_reason: str | None = None


class Tokens(msgspec.Struct, frozen=True, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Chunk(msgspec.Struct, frozen=True):
    """One event of a stream, a whole completion, or an error in their place."""

    id: str | None = None
    model: str | None = None
    choices: tuple[Choice, ...] | None = None
    usage: Tokens | None = None
    error: Failure | str | None = None
    error_type: str | None = None
    object: str | None = None


_decode = msgspec.json.Decoder(Chunk).decode


class ChatAnswer(Answer):
    """An answer in chunks of a completion."""

    _has_choice = False

    def take(self, data: bytes) -> Failure | None:
        if data == b"[DONE]":
            self.is_done = True
            return None
        chunk = _decode(data)
        if chunk.error is not None:
            return chunk.error if isinstance(chunk.error, Failure) else Failure(chunk.error, chunk.error_type)
        if chunk.object == "error":
            return failure_in(data)
        return self._add(chunk)

    def take_whole(self, body: bytes) -> Failure | None:
        failure = self.take(body)
        self.is_done = self._has_choice
        return failure

    def _add(self, chunk: Chunk) -> Failure | None:
        if chunk.usage is not None:
            self.prompt_tokens = chunk.usage.prompt_tokens
            self.completion_tokens = chunk.usage.completion_tokens
        if self.request_id is None and chunk.id:
            self.request_id = chunk.id
        if not chunk.choices:
            return None
        self._has_choice = True
        choice = chunk.choices[0]
        if piece := choice.delta or choice.message:
            self._add_piece(piece)
        if choice.finish_reason == "error":
            return Failure("finish_reason is error", "server_error")
        if choice.finish_reason:
            self.finish_reason = choice.finish_reason
        return None

    def _add_piece(self, piece: Piece) -> None:
        if reasoning := piece.reasoning_content or piece.reasoning:
            self.think(reasoning)
        content = piece.content or piece.refusal
        if isinstance(content, str):
            self.say(content)
        elif content:
            self._add_parts(content)

    def _add_parts(self, parts: tuple[Part, ...]) -> None:
        for part in parts:
            if isinstance(part.thinking, str):
                self.think(part.thinking)
            elif part.thinking:
                self.think("".join(thought.text or "" for thought in part.thinking))
            elif part.text:
                self.say(part.text)


class OpenAIClient(HostedClient):
    """One endpoint and the models behind it."""

    def __init__(self, provider: config.OpenAI, environ: Mapping[str, str]) -> None:
        super().__init__(provider, environ)
        self._is_reasoning = provider.reasoning
        self._counts_all = provider.max_tokens_field == "max_completion_tokens" or (
            provider.max_tokens_field is None and provider.reasoning
        )
        self._way = Way(provider.streams, provider.streams)
        self._ways: dict[str, Way] = {}
        """How the models are asked that refused the usual way."""

    def _path(self, prompt: Prompt) -> str:
        return "/chat/completions"

    def _answer(self, request_id: str | None) -> Answer:
        return ChatAnswer(request_id)

    @asynccontextmanager
    async def _asked(self, prompt: Prompt) -> AsyncIterator[httpx.Response]:
        model = self._model_of(prompt)
        way = self._ways.get(model, self._way)
        while True:
            async with self._post(prompt, self._request(prompt, way)) as response:
                if response.status_code == 200:
                    if way != self._way:
                        self._ways[model] = way
                    yield response
                    return
                failure = await read_failure(self._service, response, self._failure)
            next_way = way.after(response.status_code, failure)
            if next_way is None:
                raise refusal(self._service, response, failure)
            way = next_way

    def _request(self, prompt: Prompt, way: Way | None = None) -> Request:
        way = way or self._way
        sampling = prompt.sampling
        return Request(
            model=self._model_of(prompt),
            messages=tuple(self._said(message) for message in prompt.messages),
            stream=way.is_stream,
            stream_options=StreamOptions() if way.tells_usage else None,
            temperature=None if self._is_reasoning else sampling.temperature,
            top_p=None if self._is_reasoning else sampling.top_p,
            max_tokens=None if self._counts_all else sampling.max_tokens,
            max_completion_tokens=sampling.max_tokens if self._counts_all else None,
            stop=sampling.stop,
            seed=sampling.seed,
        )

    def _said(self, message: Message) -> Said:
        role = "developer" if self._is_reasoning and message.role == "system" else message.role
        if not message.images:
            return Said(role, message.content)
        images = tuple(self._image(image) for image in message.images)
        return Said(role, (*images, TextPart(message.content)) if message.content else images)

    def _image(self, image: Image) -> ImagePart:
        return ImagePart(ImageURL(image.data_url))
