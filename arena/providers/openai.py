"""The client of every service that speaks OpenAI's chat completions. Knows that wire format, not who is asking.

It follows the API reference, "Chat Completions" (https://platform.openai.com/docs/api-reference/chat), and what
vLLM, llama.cpp, DeepSeek, OpenRouter and Azure send in its name: `reasoning` or `reasoning_content` beside the
text, an error object in the middle of a stream, a whole completion where a stream was asked for.
"""

import re
from asyncio import sleep, timeout
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing, suppress

import httpx
import msgspec

from arena import config
from arena.backend import Backend, Delta, Message, Prompt, Usage
from arena.errors import (
    BackendBroken,
    BackendError,
    BackendRefused,
    ContentFiltered,
    PromptTooLong,
)
from arena.providers.event_stream import EventStream
from arena.providers.service import Service, by_status

ERROR_BYTES = 64 * 1024
COMPLETION_BYTES = 16 * 1024 * 1024

# The end of the body follows [DONE] at once, or the server forgot it: then the connection is not worth a wait.
_LAST_BYTES_SECONDS = 0.1

# Text is shown in steps anyway, so a few tokens may gather between two reads: one read then serves for them all.
READ_PAUSE_SECONDS = 0.1

# What the transport hands over at most. After a read that long more is waiting, and a pause would only hold it up:
# a stream would be kept to 200 KB, some 800 tokens, a second.
FULL_READ_BYTES = 16 * 1024

# What is sent.


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a request. What is `None` or empty is left out, so that the service's own default holds."""

    model: str
    messages: tuple[Message, ...]
    stream: bool
    stream_options: StreamOptions
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


# What is read. Fields that are not named here are skipped.


class Piece(msgspec.Struct, frozen=True, gc=False):
    """What a chunk adds to the answer, or all of it where the service does not stream."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None


class Choice(msgspec.Struct, frozen=True):
    delta: Piece | None = None
    message: Piece | None = None
    finish_reason: str | None = None


class Tokens(msgspec.Struct, frozen=True, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Failure(msgspec.Struct, frozen=True):
    """The error object of a service. `code` is a word at some, an HTTP status at others."""

    message: str | None = None
    type: str | None = None
    code: str | int | None = None


class Chunk(msgspec.Struct, frozen=True):
    """One event of a stream, a whole completion, or the body of an error."""

    id: str | None = None
    choices: tuple[Choice, ...] | None = None
    usage: Tokens | None = None
    error: Failure | str | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Chunk).decode
_decode_failure = msgspec.json.Decoder(Failure).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Answer:
    """What has come of one answer: how it ended, what it cost, and whether more must follow."""

    def __init__(self, request_id: str | None) -> None:
        self._request_id = request_id
        self._tokens = Tokens()
        self._finish_reason: str | None = None
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._has_text = False
        self.is_done = False

    @property
    def is_over(self) -> bool:
        """Nothing more must come: the service gave a reason for the end, or said that it is done."""
        return self.is_done or self._finish_reason is not None

    @property
    def is_filtered(self) -> bool:
        """The service declined before it said anything."""
        return self._finish_reason == "content_filter" and not self._has_text

    def gathered(self) -> Delta | None:
        """What has been taken since the last call, for the reader; `None` where that is nothing."""
        if not self._text and not self._reasoning:
            return None
        delta = Delta("".join(self._text), "".join(self._reasoning))
        self._text.clear()
        self._reasoning.clear()
        return delta

    def take(self, chunk: Chunk) -> None:
        """Note what this chunk adds."""
        if chunk.usage is not None:
            self._tokens = chunk.usage
        if self._request_id is None:
            self._request_id = chunk.id
        if not chunk.choices:
            return
        choice = chunk.choices[0]
        if choice.finish_reason:
            self._finish_reason = choice.finish_reason
        piece = choice.delta or choice.message
        if piece is None:
            return
        if text := piece.content or piece.refusal:
            self._text.append(text)
            self._has_text = True
        if reasoning := piece.reasoning_content or piece.reasoning:
            self._reasoning.append(reasoning)

    def usage(self) -> Usage:
        tokens = self._tokens
        return Usage(tokens.prompt_tokens, tokens.completion_tokens, self._finish_reason, self._request_id)


class OpenAIClient(Backend):
    """One endpoint and the models behind it."""

    def __init__(self, provider: config.OpenAI, environ: Mapping[str, str]) -> None:
        self.name = provider.name
        self._model = provider.model
        self._service = Service(provider, environ)

    async def start(self) -> None:
        self._service.open()

    async def close(self) -> None:
        await self._service.close()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta | Usage, None]:
        request = _encode(self._request(prompt))
        async with self._service.post("/chat/completions", request, self._headers()) as response:
            if response.status_code != 200:
                raise await self._refusal(response)
            answer = Answer(response.headers.get("x-request-id"))
            async with aclosing(await self._deltas(response, answer)) as deltas:
                async for delta in deltas:
                    yield delta
            if answer.is_filtered:
                raise self._service.error(ContentFiltered, "finish_reason is content_filter, and there is no text")
            yield answer.usage()

    def _headers(self) -> dict[str, str]:
        key = self._service.key
        return {"authorization": f"Bearer {key}"} if key else {}

    def _request(self, prompt: Prompt) -> Request:
        sampling = prompt.sampling
        return Request(
            model=prompt.model_id or self._model or "",
            messages=prompt.messages,
            stream=True,
            stream_options=StreamOptions(include_usage=True),
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop=sampling.stop,
            seed=sampling.seed,
        )

    async def _deltas(self, response: httpx.Response, answer: Answer) -> AsyncGenerator[Delta, None]:
        """The answer in whichever of its two forms was sent."""
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        match media_type:
            case "text/event-stream":
                return self._streamed(response, answer)
            case "application/json":
                return self._whole(response, answer)
        said = _text(await self._service.read(response, ERROR_BYTES))
        raise self._service.error(BackendBroken, f"answered with {media_type or 'no content type'}: {said}")

    async def _streamed(self, response: httpx.Response, answer: Answer) -> AsyncGenerator[Delta, None]:
        """The hot path: one delta for all that has come since the last read."""
        events = EventStream()
        chunks = self._service.chunks(response)
        try:
            async for chunk in chunks:
                failure = self._take(events.feed(chunk), answer)
                if delta := answer.gathered():
                    yield delta
                if failure is not None:
                    raise failure
                if answer.is_done:
                    await _read_last_bytes(chunks)
                    return
                if delta is not None and len(chunk) < FULL_READ_BYTES:
                    await sleep(READ_PAUSE_SECONDS)
        except BackendError:
            if not answer.is_over:
                raise
        if not answer.is_over:
            raise self._service.error(BackendBroken, "the stream ended without a finish_reason or [DONE]")

    def _take(self, events: Iterable[bytes], answer: Answer) -> BackendError | None:
        """Take these events into the answer, up to its end or to a failure, which is returned."""
        try:
            for data in events:
                if data == b"[DONE]":
                    answer.is_done = True
                    return None
                answer.take(self._chunk(data))
        except BackendError as exc:
            return exc
        return None

    async def _whole(self, response: httpx.Response, answer: Answer) -> AsyncGenerator[Delta, None]:
        """The one delta of a service that does not stream."""
        body = await self._service.read(response, COMPLETION_BYTES + 1)
        if len(body) > COMPLETION_BYTES:
            raise self._service.error(BackendBroken, f"the completion is larger than {COMPLETION_BYTES} bytes")
        completion = self._chunk(body)
        if not completion.choices:
            raise self._service.error(BackendBroken, "the completion has no choices")
        answer.take(completion)
        if delta := answer.gathered():
            yield delta

    def _chunk(self, data: bytes) -> Chunk:
        """The event or completion in these bytes. Raises what it says instead, if it is an error."""
        try:
            chunk = _decode(data)
        except _UNREADABLE as exc:
            problem = str(exc)
        else:
            if chunk.error is None:
                return chunk
            raise self._told(chunk.error)
        raise self._service.error(BackendBroken, f"sent no chunk of a completion ({problem}): {_text(data)}")

    def _told(self, said: Failure | str) -> BackendError:
        """An error that the service tells where an answer, or the rest of it, was due."""
        failure = said if isinstance(said, Failure) else Failure(message=said)
        words = [str(word) for word in (failure.type, failure.code, failure.message) if word]
        return self._service.error(reaction(None, failure), ": ".join(("told an error", *words)))

    async def _refusal(self, response: httpx.Response) -> BackendError:
        """What a status other than 200 means, in the words of its body if that can be read."""
        body = b""
        with suppress(BackendError):
            body = await self._service.read(response, ERROR_BYTES)
        failure = _failure(body)
        words = [f"status {response.status_code}"]
        for header in ("location", "retry-after"):
            if header in response.headers:
                words.append(f"{header.title()}: {response.headers[header]}")
        kind = reaction(response.status_code, failure)
        return self._service.error(kind, f"{', '.join(words)}: {failure.message or 'no more words'}")


async def _read_last_bytes(chunks: AsyncIterator[bytes]) -> None:
    """Read the end of the body, without which the connection cannot carry another request."""
    with suppress(TimeoutError, BackendError):
        async with timeout(_LAST_BYTES_SECONDS):
            async for _ in chunks:
                pass


def _failure(body: bytes) -> Failure:
    """The error in the body of a response; in a body of no known form, its text."""
    with suppress(*_UNREADABLE):
        error = _decode(body).error
        if isinstance(error, str):
            return Failure(message=error)
        if error is not None and error.message:
            return error
    with suppress(*_UNREADABLE):
        failure = _decode_failure(body)
        if failure.message:
            return failure
    return Failure(message=_text(body))


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


# What a failure means.

_FILTERED = frozenset(
    ("content_filter", "content_policy_violation", "responsibleaipolicyviolation", "data_inspection_failed")
)
_TOO_LONG = frozenset(("context_length_exceeded", "exceed_context_size_error"))
_TOO_LONG_PHRASE = re.compile(
    r"context[ _](length|window|size)|maximum model length|prompt (is )?too long|too many tokens", re.IGNORECASE
)
_STATUSES_OF_A_PROMPT = frozenset((None, 400, 413, 422))
_STATUS_OF_WORD = {
    "invalid_request_error": 400,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "server_error": 500,
    "overloaded_error": 529,
}


def reaction(status: int | None, failure: Failure) -> type[BackendError]:
    """Which error a failure is. `status` is `None` where it was told in the place of an answer.

    - the service names a filter, or the length of the prompt: that, whatever the status
    - the account is empty: refused, although services tell it with the status of a rate limit
    - otherwise the status decides, or the status that the error object stands for
    - an error object that stands for none: broken
    """
    words = {str(word).lower() for word in (failure.code, failure.type) if word is not None}
    if words & _FILTERED:
        return ContentFiltered
    if words & _TOO_LONG or (status in _STATUSES_OF_A_PROMPT and _TOO_LONG_PHRASE.search(failure.message or "")):
        return PromptTooLong
    if "insufficient_quota" in words:
        return BackendRefused
    status = status or _status_of(words)
    return by_status(status) if status else BackendBroken


def _status_of(words: set[str]) -> int | None:
    """The HTTP status that the words of an error object stand for; the code of some is one already."""
    for word in words:
        if re.fullmatch(r"[45]\d\d", word):
            return int(word)
    return next((_STATUS_OF_WORD[word] for word in words if word in _STATUS_OF_WORD), None)
