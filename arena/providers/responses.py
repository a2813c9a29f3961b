"""The client of OpenAI's Responses API.

It follows the API reference, "Create a model response" and "Streaming events"
(https://platform.openai.com/docs/api-reference/responses and …/responses-streaming), as of November 2026, and
what vLLM sends in its name. Nothing is kept by the service (`store`): every prompt is the whole chat. The API
has no seed, and no stop sequences: answers are cut here. Reasoning is read from summaries and, where a model
shows it, as it is.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Literal

import msgspec

from arena import config
from arena.backend import Delta, Message, Prompt, Usage
from arena.providers.hosted import Answer, HostedClient
from arena.providers.refusal import Failure
from arena.providers.stops import until_stop
from arena.providers.turns import system_of

# What is sent.


class InputImage(msgspec.Struct, frozen=True):
    image_url: str
    detail: Literal["auto"] = "auto"
    type: Literal["input_image"] = "input_image"


class InputText(msgspec.Struct, frozen=True):
    text: str
    type: Literal["input_text"] = "input_text"


class Item(msgspec.Struct, frozen=True):
    """A message of the chat."""

    role: str
    content: str | tuple[InputImage | InputText, ...]


class Reasoning(msgspec.Struct, frozen=True):
    summary: Literal["auto"] = "auto"


class Request(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The body of a request. What is `None` or empty is left out."""

    model: str = ""
    input: tuple[Item, ...]
    instructions: str = ""
    store: bool
    stream: bool
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    reasoning: Reasoning | None = None


# What is read.


class Tokens(msgspec.Struct, frozen=True, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None


class Incomplete(msgspec.Struct, frozen=True):
    reason: str | None = None


class Part(msgspec.Struct, frozen=True):
    text: str | None = None
    refusal: str | None = None


class Output(msgspec.Struct, frozen=True):
    """A message, a piece of reasoning, or what a tool did, which is skipped."""

    type: str | None = None
    content: tuple[Part, ...] | None = None
    summary: tuple[Part, ...] | None = None


class Response(msgspec.Struct, frozen=True):
    """The state of a response: in an event, or as a whole body. `output` is for whole bodies."""

    id: str | None = None
    status: str | None = None
    usage: Tokens | None = None
    error: Failure | str | None = None
    incomplete_details: Incomplete | None = None


class Whole(Response, frozen=True):
    output: tuple[Output, ...] = ()


class Event(msgspec.Struct, frozen=True):
    """An event of a stream; `delta` is a string in those that are read. An error may be told in either place."""

    type: str | None = None
    delta: Any = None
    summary_index: int | None = None
    response: Response | None = None
    error: Failure | str | None = None
    code: Any = None
    message: Any = None


_decode = msgspec.json.Decoder(Event).decode
_decode_whole = msgspec.json.Decoder(Whole).decode

_FINISH_REASONS = {"max_output_tokens": "length", None: "stop"}


class ResponseAnswer(Answer):
    """An answer in typed events."""

    def take(self, data: bytes) -> Failure | None:
        if data == b"[DONE]":
            self.is_done = True
            return None
        event = _decode(data)
        match event.type:
            case "response.output_text.delta" | "response.refusal.delta":
                self.say(_text(event.delta))
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self.think(_text(event.delta))
            case "response.reasoning_summary_part.added" if event.summary_index:
                self.think("\n\n")
            case "response.created" if event.response:
                self.request_id = self.request_id or event.response.id
            case "response.completed" | "response.incomplete" | "response.failed" if event.response:
                return self._end(event.response)
            case "error":
                return _failure(event.error) or Failure(_text(event.message), code=_text(event.code))
        return _failure(event.error)

    def take_whole(self, body: bytes) -> Failure | None:
        whole = _decode_whole(body)
        for output in whole.output:
            for part in output.summary or ():
                self.think(part.text or "")
            for part in output.content or ():
                (self.think if output.type == "reasoning" else self.say)(part.text or part.refusal or "")
        return self._end(whole) if whole.status or whole.error else None

    def _end(self, response: Response) -> Failure | None:
        self.request_id = self.request_id or response.id
        if response.usage:
            self.prompt_tokens = response.usage.input_tokens
            self.completion_tokens = response.usage.output_tokens
        if response.error or response.status == "failed":
            return _failure(response.error) or Failure("the response failed", "server_error")
        reason = response.incomplete_details.reason if response.incomplete_details else None
        self.finish_reason = _FINISH_REASONS.get(reason, reason)
        self.is_done = True
        return None


def _text(value: object) -> str:
    """The value, where it is a text: fields of the same name are something else in events that are skipped."""
    return value if isinstance(value, str) else ""


def _failure(error: Failure | str | None) -> Failure | None:
    return Failure(error) if isinstance(error, str) else error


class ResponsesClient(HostedClient):
    """One endpoint and the models behind it."""

    def __init__(self, provider: config.Responses, environ: Mapping[str, str]) -> None:
        super().__init__(provider, environ)
        self._is_reasoning = provider.reasoning

    def _path(self, prompt: Prompt) -> str:
        return "/responses"

    def _answer(self, request_id: str | None) -> Answer:
        return ResponseAnswer(request_id)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta | Usage, None]:
        async with aclosing(until_stop(super().stream(prompt), prompt.sampling.stop)) as items:
            async for item in items:
                yield item

    def _request(self, prompt: Prompt) -> Request:
        sampling = prompt.sampling
        return Request(
            model=self._model_of(prompt),
            input=tuple(_item(message) for message in prompt.messages if message.role != "system"),
            instructions=system_of(prompt.messages),
            store=False,
            stream=True,
            temperature=None if self._is_reasoning else sampling.temperature,
            top_p=None if self._is_reasoning else sampling.top_p,
            max_output_tokens=sampling.max_tokens,
            reasoning=Reasoning() if self._is_reasoning else None,
        )


def _item(message: Message) -> Item:
    if not message.images:
        return Item(message.role, message.content)
    images = tuple(InputImage(image.data_url) for image in message.images)
    return Item(message.role, (*images, InputText(message.content)) if message.content else images)
