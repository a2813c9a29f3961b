"""The client of OpenAI's assistants, which keep a thread for each side of a conversation.

It follows the API reference, "Assistants", version 2 (https://platform.openai.com/docs/api-reference/runs and
…/assistants-streaming), which OpenAI ended on 26 August 2026; services that go on with it are reached by
`base_url`. Each answer is one request: a run on a new thread that holds the whole chat, or a run on
the thread of the turn before, to which only the last prompt is added.

A thread is used again only where this client knows that it holds the chat up to the last prompt and nothing
more. So a question that is answered anew, an answer that was broken off, or a restart of the arena begins a new
thread.

The API has no seed, and no stop sequences: answers are cut here. It takes pictures only by a public address.
Marks of citations stay in the text. A run whose reader leaves is not cancelled.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from arena import config
from arena.backend import Delta, Message, Prompt, Usage
from arena.errors import BackendRefused
from arena.providers.hosted import Answer, HostedClient, encoded
from arena.providers.refusal import Failure
from arena.providers.stops import until_stop
from arena.providers.turns import system_of

THREADS = 10_000
"""How many threads are remembered; the ones that rested longest are forgotten."""

# What is sent.


class Said(msgspec.Struct, frozen=True):
    role: str
    content: str


class Thread(msgspec.Struct, frozen=True):
    messages: tuple[Said, ...]


class Run(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The body of a run, on a new `thread` or with `additional_messages` on one that is there."""

    assistant_id: str
    stream: bool
    thread: Thread | None = None
    additional_messages: tuple[Said, ...] = ()
    instructions: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_completion_tokens: int | None = None


# What is read.


class Text(msgspec.Struct, frozen=True):
    value: str | None = None


class Content(msgspec.Struct, frozen=True):
    text: Text | None = None
    refusal: str | None = None


class Piece(msgspec.Struct, frozen=True):
    content: tuple[Content, ...] | None = None


class Tokens(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Incomplete(msgspec.Struct, frozen=True):
    reason: str | None = None


class Event(msgspec.Struct, frozen=True):
    """A thread, a run, a message, a delta of one, or an error; `object` says which."""

    object: str | None = None
    id: str | None = None
    thread_id: str | None = None
    status: str | None = None
    delta: Any = None
    usage: Tokens | None = None
    incomplete_details: Incomplete | None = None
    last_error: Failure | None = None
    error: Failure | str | None = None
    message: Any = None
    code: Any = None


_decode = msgspec.json.Decoder(Event).decode

_UNANSWERED = {
    "failed": Failure("the run failed", "server_error"),
    "expired": Failure("the run expired", "server_error"),
    "cancelled": Failure("the run was cancelled", "server_error"),
    "requires_action": Failure("the assistant calls a function, and there is none here", "invalid_request_error"),
}


class RunAnswer(Answer):
    """An answer in the events of a run."""

    def __init__(self, request_id: str | None) -> None:
        super().__init__(request_id)
        self._message: str | None = None

    def take(self, data: bytes) -> Failure | None:
        if data == b"[DONE]":
            self.is_done = True
            return None
        event = _decode(data)
        match event.object:
            case "thread.message.delta":
                self._add(event)
            case "thread.message":
                self._note_filter(event)
            case "thread.run":
                return self._follow(event)
            case "thread":
                self.thread = event.id
            case None if event.error or event.message:
                error = Failure(event.error) if isinstance(event.error, str) else event.error
                return error or Failure(str(event.message), code=str(event.code))
        return None

    def _add(self, event: Event) -> None:
        if self._message not in (None, event.id):
            self.say("\n\n")
        self._message = event.id
        for content in msgspec.convert(event.delta, Piece).content or ():
            self.say((content.text and content.text.value) or content.refusal or "")

    def _note_filter(self, message: Event) -> None:
        if message.incomplete_details and message.incomplete_details.reason == "content_filter":
            self.finish_reason = "content_filter"

    def _follow(self, run: Event) -> Failure | None:
        self.thread = run.thread_id or self.thread
        self.request_id = self.request_id or run.id
        if run.usage:
            self.prompt_tokens = run.usage.prompt_tokens
            self.completion_tokens = run.usage.completion_tokens
        if run.status in _UNANSWERED:
            return run.last_error or _UNANSWERED[run.status]
        if run.status in ("completed", "incomplete") and self.finish_reason is None:
            self.finish_reason = "stop" if run.status == "completed" else "length"
        return None


class AssistantClient(HostedClient):
    """One assistant."""

    def __init__(self, provider: config.Assistant, environ: Mapping[str, str]) -> None:
        super().__init__(provider, environ)
        self._assistant = provider.assistant_id
        self._lengths: OrderedDict[str, int] = OrderedDict()
        """How many messages the threads hold of which that is known."""

    def _path(self, prompt: Prompt) -> str:
        return "/threads/runs"

    def _answer(self, request_id: str | None) -> Answer:
        return RunAnswer(request_id)

    def _headers(self) -> dict[str, str]:
        return {**super()._headers(), "openai-beta": "assistants=v2"}

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta | Usage, None]:
        async with aclosing(until_stop(super().stream(prompt), prompt.sampling.stop)) as items:
            async for item in items:
                if isinstance(item, Usage) and item.thread:
                    self._remember(item.thread, len(_chat(prompt)) + 1)
                yield item

    @asynccontextmanager
    async def _asked(self, prompt: Prompt) -> AsyncIterator[httpx.Response]:
        if any(message.images for message in prompt.messages):
            raise self._service.error(BackendRefused, "an assistant takes pictures only by a public address")
        if self._holds_all_but_the_last(prompt):
            async with self._continue(prompt) as response:
                if response.status_code == 200:
                    yield response
                    return
                if response.status_code != 404:
                    raise await self._refusal(response)
        async with super()._asked(prompt) as response:
            yield response

    def _holds_all_but_the_last(self, prompt: Prompt) -> bool:
        """Whether the prompt's thread can go on. Until it is answered, nothing is known of it any more."""
        return prompt.thread is not None and self._lengths.pop(prompt.thread, 0) == len(_chat(prompt)) - 1

    def _remember(self, thread: str, length: int) -> None:
        self._lengths[thread] = length
        if len(self._lengths) > THREADS:
            self._lengths.popitem(last=False)

    def _continue(self, prompt: Prompt) -> AbstractAsyncContextManager[httpx.Response]:
        last = _said(prompt.messages[-1])
        run = msgspec.structs.replace(self._request(prompt), thread=None, additional_messages=(last,))
        path = f"/threads/{quote(prompt.thread or '', safe='')}/runs"
        return self._service.post(path, encoded(run, prompt.sampling.extra), self._headers())

    def _request(self, prompt: Prompt) -> Run:
        return Run(
            assistant_id=self._assistant,
            stream=True,
            thread=Thread(tuple(_said(message) for message in _chat(prompt))),
            instructions=system_of(prompt.messages),
            temperature=prompt.sampling.temperature,
            top_p=prompt.sampling.top_p,
            max_completion_tokens=prompt.sampling.max_tokens,
        )


def _chat(prompt: Prompt) -> tuple[Message, ...]:
    """The messages that a thread holds."""
    return tuple(message for message in prompt.messages if message.role != "system")


def _said(message: Message) -> Said:
    return Said(message.role, message.content)
