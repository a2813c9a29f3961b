"""What it means that a service does not answer: its status and its words, as one of our errors.

Knows no client and no prompt. How an error looks in a body differs from one wire format to the next: a client
whose service says it in another way than `failure_in` reads has a function of its own that finds the `Failure`.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import httpx
import msgspec

from arena.errors import BackendBroken, BackendError, BackendRefused, ContentFiltered, PromptTooLong
from arena.providers.service import Service, by_status, retry_after

ERROR_BYTES = 64 * 1024

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding foreign JSON raises."""


class Failure(msgspec.Struct, frozen=True):
    """An error in the words of a service. `code` is a word at some, an HTTP status at others.

    `retry_seconds`: when to ask again, where it is the error that says so, and not a header.
    """

    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    param: str | None = None
    retry_seconds: float | None = None


Decode = Callable[[bytes], Failure]
"""Finds the failure in the body of a response. It raises nothing: what it cannot read is the message."""


class _Body(msgspec.Struct, frozen=True):
    error: Failure | str | None = None
    error_type: str | None = None  # of text-generation-inference, beside a string


_decode = msgspec.json.Decoder(_Body).decode
_decode_bare = msgspec.json.Decoder(Failure).decode


def failure_in(body: bytes) -> Failure:
    """The failure in `{"error": {…}}`, `{"error": "…"}` or `{"message": …}`; in another body, its text."""
    with suppress(*UNREADABLE):
        found = _decode(body)
        error = found.error
        if isinstance(error, str):
            return Failure(error, found.error_type)
        if error is not None and error.message:
            return error
    with suppress(*UNREADABLE):
        failure = _decode_bare(body)
        if failure.message:
            return failure
    return Failure(message=text_of(body))


def text_of(body: bytes) -> str:
    """The body as text, fit for `Service.error` whatever it holds."""
    return body.decode("utf-8", "replace")


async def read_failure(service: Service, response: httpx.Response, decode: Decode = failure_in) -> Failure:
    """What the body of a refusing response says. It raises nothing, even where the body breaks off."""
    body = b""
    with suppress(BackendError):
        body = await service.read(response, ERROR_BYTES)
    return decode(body)


def refusal(service: Service, response: httpx.Response, failure: Failure) -> BackendError:
    """What a status other than 200 means, and when the service wants to be asked again."""
    words = [f"status {response.status_code}"]
    for header in ("location", "retry-after"):
        if header in response.headers:
            words.append(f"{header.title()}: {response.headers[header]}")
    kind = reaction(response.status_code, failure)
    error = service.error(kind, f"{', '.join(words)}: {failure.message or 'no more words'}")
    seconds = retry_after(response.headers, datetime.now(UTC))
    error.retry_after = failure.retry_seconds if seconds is None else seconds
    return error


def told(service: Service, failure: Failure) -> BackendError:
    """What an error means that the service tells where an answer, or the rest of it, was due."""
    words = [str(word) for word in (failure.type, failure.code, failure.message) if word]
    error = service.error(reaction(None, failure), ": ".join(("told an error", *words)))
    error.retry_after = failure.retry_seconds
    return error


def unreadable(service: Service, data: bytes, problem: Exception) -> BackendError:
    """Bytes that should have been a piece of an answer, and are not."""
    return service.error(BackendBroken, f"sent no piece of an answer ({problem}): {text_of(data)}")


_FILTERED = frozenset(
    (
        "content_filter",
        "content_policy_violation",
        "image_content_policy_violation",
        "misalignment_policy_violation",
        "bio_policy",
        "responsibleaipolicyviolation",
        "data_inspection_failed",
    )
)
_TOO_LONG = frozenset(("context_length_exceeded", "exceed_context_size_error", "request_too_large"))
_TOO_LONG_PHRASE = re.compile(
    r"context[ _](length|window|size|limit)|maximum model length|prompt (is )?too long"
    r"|too many tokens(?!: max tokens)|input token count\b.* exceeds|number of input tokens must"
    r"|`inputs` (must have less|tokens \+ `max_new_tokens`)",
    re.IGNORECASE,
)
_FILTERED_PHRASE = re.compile(r"blocked by (the |our )?content filter", re.IGNORECASE)
_STATUSES_OF_A_PROMPT = frozenset((None, 400, 413, 422))
_STATUS_OF_WORD = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "validation": 422,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "rate_limited": 429,
    "overloaded": 429,
    "server_error": 500,
    "api_error": 500,
    "internal_error": 500,
    "generation": 500,
    "incomplete_generation": 500,
    "timeout_error": 504,
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
    if words & _FILTERED or _FILTERED_PHRASE.search(failure.message or ""):
        return ContentFiltered
    if words & _TOO_LONG or (status in _STATUSES_OF_A_PROMPT and _TOO_LONG_PHRASE.search(failure.message or "")):
        return PromptTooLong
    if "insufficient_quota" in words:
        return BackendRefused
    if status in (None, 424):  # 424: text-generation-inference failed in the middle
        status = _status_of(words) or status
    return by_status(status) if status else BackendBroken


def _status_of(words: set[str]) -> int | None:
    """The HTTP status that the words of an error object stand for; the code of some is one already."""
    for word in words:
        if re.fullmatch(r"[45]\d\d", word):
            return int(word)
    return next((_STATUS_OF_WORD[word] for word in words if word in _STATUS_OF_WORD), None)
