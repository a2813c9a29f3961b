"""What the clients of hosted services do alike: send a prompt, read its stream, end with one usage.

Knows no wire format. A client says in a few small methods where to ask and what to send, and reads the events of
its format in an `Answer` of its own.
"""

from abc import ABC, abstractmethod
from asyncio import sleep, timeout
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from typing import Any, ClassVar, Protocol

import httpx
import msgspec

from arena import config
from arena.backend import Backend, Delta, Prompt, Usage
from arena.errors import BackendBroken, BackendError, ContentFiltered
from arena.providers.event_stream import EventStream
from arena.providers.refusal import (
    ERROR_BYTES,
    UNREADABLE,
    Failure,
    failure_in,
    read_failure,
    refusal,
    text_of,
    told,
    unreadable,
)
from arena.providers.service import Service

COMPLETION_BYTES = 16 * 1024 * 1024
"""Of an answer that comes as a whole; one that is streamed has as many characters at most."""

MOST_TOKENS = 1_000_000_000
"""A service that counts more for one answer has miscounted."""

# The end of the body follows the last event at once, or the server forgot it: then the connection is not worth a
# wait.
_LAST_BYTES_SECONDS = 0.1

# Text is shown in steps anyway, so a few tokens may gather between two reads: one read then serves for them all.
READ_PAUSE_SECONDS = 0.1

# So much in one read is no word-by-word stream: a pause would only hold it up.
FULL_READ_BYTES = 16 * 1024

_encode = msgspec.json.Encoder().encode


class Answer(ABC):
    """What has come of one answer: its text, how it ended, what it cost, and whether more must follow.

    A client's own kind reads events in `take`: it calls `say` and `think`, and sets the other fields.
    `finish_reason` says that nothing more must come, though a usage still may; `is_done`, that nothing more will.
    """

    filtered: ClassVar[frozenset[str]] = frozenset(("content_filter",))
    """The finish reasons with which the service declines; an answer that has text by then is kept."""

    def __init__(self, request_id: str | None = None) -> None:
        self.request_id = request_id
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None
        self.finish_reason: str | None = None
        self.thread: str | None = None
        self.answered_by: str | None = None
        self.is_done = False
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._has_text = False

    @abstractmethod
    def take(self, data: bytes) -> Failure | None:
        """Note what this event adds; the failure, where it tells one instead. Raises what `UNREADABLE` lists."""

    def take_whole(self, body: bytes) -> Failure | None:
        """The same for the body of a service that does not stream; leaves the answer `is_over` where it is one."""
        return self.take(body)

    def say(self, text: str) -> None:
        """Add to the text."""
        if text:
            self._text.append(text)
            self._has_text = True

    def think(self, text: str) -> None:
        """Add to the reasoning."""
        if text:
            self._reasoning.append(text)

    @property
    def is_over(self) -> bool:
        """Nothing more must come: the service gave a reason for the end, or said that it is done."""
        return self.is_done or self.finish_reason is not None

    @property
    def is_filtered(self) -> bool:
        """The service declined before it said anything."""
        return self.finish_reason in self.filtered and not self._has_text

    def gathered(self) -> Delta | None:
        """What has been taken since the last call, for the reader; `None` where that is nothing."""
        if not self._text and not self._reasoning:
            return None
        delta = Delta("".join(self._text), "".join(self._reasoning))
        self._text.clear()
        self._reasoning.clear()
        return delta

    def usage(self) -> Usage:
        return Usage(
            _believed(self.prompt_tokens),
            _believed(self.completion_tokens),
            self.finish_reason,
            self.request_id,
            self.thread,
            self.answered_by,
        )


def _believed(tokens: int | None) -> int | None:
    """The count, if it is one that can be: others can be neither added up nor kept."""
    return tokens if tokens is not None and 0 <= tokens <= MOST_TOKENS else None


class Framing(Protocol):
    """Tells the events of a stream apart; an empty chunk is its end. Raises `BackendBroken` at one too large."""

    def feed(self, chunk: bytes) -> Iterator[bytes]: ...


class HostedClient(Backend):
    """One endpoint and the models behind it."""

    request_id_headers: ClassVar[tuple[str, ...]] = ("x-request-id",)
    """Where the service names a request, the best first."""
    stream_types: ClassVar[frozenset[str]] = frozenset(("text/event-stream",))
    framing: ClassVar[type[Framing]] = EventStream

    def __init__(self, provider: config.Hosted, environ: Mapping[str, str]) -> None:
        self.name = provider.name
        self._model = provider.model
        self._service = Service(provider, environ)

    @abstractmethod
    def _path(self, prompt: Prompt) -> str:
        """Where to ask, behind the base URL."""

    @abstractmethod
    def _request(self, prompt: Prompt) -> msgspec.Struct:
        """What to send, but for the sampling's `extra`."""

    @abstractmethod
    def _answer(self, request_id: str | None) -> Answer:
        """An answer of which nothing has come yet."""

    def _headers(self) -> dict[str, str]:
        key = self._service.key
        return {"authorization": f"Bearer {key}"} if key else {}

    def _query(self, prompt: Prompt) -> dict[str, str] | None:
        return None

    def _failure(self, body: bytes) -> Failure:
        """What the body of a refusal says. It raises nothing: what it cannot read is the message."""
        return failure_in(body)

    async def start(self) -> None:
        self._service.open()

    async def close(self) -> None:
        await self._service.close()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta | Usage, None]:
        async with self._asked(prompt) as response:
            answer = self._answer(self._request_id(response))
            async with aclosing(self._read(response, answer)) as deltas:
                async for delta in deltas:
                    yield delta
            yield answer.usage()

    @asynccontextmanager
    async def _asked(self, prompt: Prompt) -> AsyncIterator[httpx.Response]:
        """The answering response, of status 200. Raises where the service refuses."""
        async with self._post(prompt, self._request(prompt)) as response:
            if response.status_code != 200:
                raise await self._refusal(response)
            yield response

    def _post(self, prompt: Prompt, request: msgspec.Struct) -> AbstractAsyncContextManager[httpx.Response]:
        """The response to this request, whatever its status."""
        body = encoded(request, prompt.sampling.extra)
        return self._service.post(self._path(prompt), body, self._headers(), self._query(prompt))

    async def _refusal(self, response: httpx.Response) -> BackendError:
        return refusal(self._service, response, await read_failure(self._service, response, self._failure))

    def _model_of(self, prompt: Prompt) -> str:
        return prompt.model_id or self._model or ""

    def _request_id(self, response: httpx.Response) -> str | None:
        return next((response.headers[name] for name in self.request_id_headers if name in response.headers), None)

    async def _read(self, response: httpx.Response, answer: Answer) -> AsyncGenerator[Delta, None]:
        """The answer in whichever of its two forms was sent."""
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type in self.stream_types:
            deltas = self._streamed(response, answer)
        elif media_type == "application/json":
            deltas = self._whole(response, answer)
        else:
            said = text_of(await self._service.read(response, ERROR_BYTES))
            raise self._service.error(BackendBroken, f"answered with {media_type or 'no content type'}: {said}")
        async with aclosing(deltas):
            async for delta in deltas:
                yield delta
        if answer.is_filtered:
            raise self._service.error(ContentFiltered, f"ended with {answer.finish_reason}, and there is no text")

    async def _streamed(self, response: httpx.Response, answer: Answer) -> AsyncGenerator[Delta, None]:
        """The hot path: one delta for all that has come since the last read."""
        events = self.framing()
        chunks = self._service.chunks(response)
        length = 0
        try:
            async for chunk in chunks:
                failure = self._take(events.feed(chunk), answer)
                if delta := answer.gathered():
                    yield delta
                    length += len(delta.text) + len(delta.reasoning)
                if failure is not None:
                    raise failure
                if length > COMPLETION_BYTES:
                    raise self._service.error(BackendBroken, f"the answer is longer than {COMPLETION_BYTES}")
                if answer.is_done:
                    await _read_last_bytes(chunks)
                    return
                if delta is not None and len(chunk) < FULL_READ_BYTES:
                    await sleep(READ_PAUSE_SECONDS)
            failure = self._take(events.feed(b""), answer)
            if delta := answer.gathered():
                yield delta
            if failure is not None:
                raise failure
        except BackendError:
            if not answer.is_over:
                raise
        if not answer.is_over:
            raise self._service.error(BackendBroken, "the stream ended before the answer did")

    def _take(self, events: Iterable[bytes], answer: Answer) -> BackendError | None:
        """Take these events into the answer, up to its end or to a failure, which is returned."""
        data = b""
        try:
            for data in events:
                if failure := answer.take(data):
                    return told(self._service, failure)
                if answer.is_done:
                    return None
        except UNREADABLE as exc:
            return unreadable(self._service, data, exc)
        except BackendError as exc:
            return self._service.error(type(exc), str(exc))
        return None

    async def _whole(self, response: httpx.Response, answer: Answer) -> AsyncGenerator[Delta, None]:
        """The one delta of a service that does not stream."""
        body = await self._service.read(response, COMPLETION_BYTES + 1)
        if len(body) > COMPLETION_BYTES:
            raise self._service.error(BackendBroken, f"the answer is larger than {COMPLETION_BYTES} bytes")
        if failure := self._take_whole(body, answer):
            raise failure
        if delta := answer.gathered():
            yield delta

    def _take_whole(self, body: bytes, answer: Answer) -> BackendError | None:
        """Take this body into the answer, or return what is wrong with it."""
        try:
            failure = answer.take_whole(body)
        except UNREADABLE as exc:
            return unreadable(self._service, body, exc)
        if failure:
            return told(self._service, failure)
        return None if answer.is_over else self._service.error(BackendBroken, f"sent no answer: {text_of(body)}")


def encoded(request: msgspec.Struct, extra: Mapping[str, Any]) -> bytes:
    """The body of a request. The fields of `extra` stand over those of the same name, also within objects."""
    return _encode(_merged(msgspec.to_builtins(request), extra)) if extra else _encode(request)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both objects in one. A field that is an object in both is merged in its turn."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


async def _read_last_bytes(chunks: AsyncIterator[bytes]) -> None:
    """Read the end of the body, without which the connection cannot carry another request."""
    with suppress(TimeoutError, BackendError):
        async with timeout(_LAST_BYTES_SECONDS):
            async for _ in chunks:
                pass
