"""Every error the arena raises, one class for each reaction. Knows no web framework, no database, no provider.

    ArenaError
    ├── ConfigError            the server refuses to start; names the file, the path inside it and the mend
    ├── StoreError             the database cannot be opened or written
    ├── Refusal                a request is not carried out; shown to the visitor with its status
    │   ├── BadRequest         400  the request cannot be read
    │   ├── Unauthorized       401  only for the operator, who has not shown the token
    │   ├── Forbidden          403  it came from another site
    │   ├── NotFound           404  no such thing for this visitor
    │   ├── Conflict           409  not now: the battle is in another state
    │   ├── TooLarge           413  more bytes than the server reads
    │   ├── Unprocessable      422  readable, but not usable: empty, too long, unknown choice
    │   ├── TermsNotAccepted   428  the terms of this arena come first
    │   ├── TooManyRequests    429  again and again, and again too soon
    │   └── Unavailable        503  no battle can be drawn at present
    └── BackendError           one side could not be answered
        ├── BackendUnreachable    no connection, or the service is down: another backend may do
        ├── BackendBusy           over its limit for now: another backend may do
        ├── BackendTimeout        accepted, then silent for too long
        ├── BackendRefused        wrong key, unknown deployment, bad request: only the operator can mend it
        │   └── ParametersRefused     a bad request, in which the visitor had set parameters: it may be those
        ├── BackendBroken         answered with something that cannot be read
        ├── ContentFiltered       the service declined to answer this prompt
        └── PromptTooLong         the conversation does not fit into the model's context

`str(error)` is for the operator and may name models and hosts. What a visitor reads is `words`, which never does.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar

from arena.words import N_, _


class ArenaError(Exception):
    """Anything the arena foresees going wrong."""


class ConfigError(ArenaError):
    """The configuration cannot be used. The message names the file, the path inside it, and the mend."""


class StoreError(ArenaError):
    """The database cannot be opened, is from a newer version, or refused a write."""


class Refusal(ArenaError):
    """A request that is not carried out. `words` are written for the visitor, `headers` for the client."""

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class BadRequest(Refusal):
    status = HTTPStatus.BAD_REQUEST


class Unauthorized(Refusal):
    status = HTTPStatus.UNAUTHORIZED
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


class Forbidden(Refusal):
    status = HTTPStatus.FORBIDDEN


class NotFound(Refusal):
    status = HTTPStatus.NOT_FOUND


class Conflict(Refusal):
    status = HTTPStatus.CONFLICT


class TooLarge(Refusal):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class Unprocessable(Refusal):
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class TermsNotAccepted(Refusal):
    status = HTTPStatus.PRECONDITION_REQUIRED


class TooManyRequests(Refusal):
    status = HTTPStatus.TOO_MANY_REQUESTS
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "60"}


class Unavailable(Refusal):
    status = HTTPStatus.SERVICE_UNAVAILABLE


class BackendError(ArenaError):
    """One side could not be answered.

    `kind` is the word stored with the answer, `words` what the visitor reads, `may_move` whether another backend
    of the same model could succeed where this one did not. `retry_after`: in how many seconds the service wants to
    be asked again, where it says so.
    """

    kind: ClassVar[str] = "failed"
    words: ClassVar[str] = N_("This side ran into a problem on our end.")
    may_move: ClassVar[bool] = False
    retry_after: float | None = None


class BackendUnreachable(BackendError):
    kind = "unreachable"
    words = N_("This side could not be reached. Trying again often helps.")
    may_move = True


class BackendBusy(BackendError):
    kind = "busy"
    words = N_("This side is very busy right now. Please try again in a moment.")
    may_move = True


class BackendTimeout(BackendError):
    kind = "timeout"
    words = N_("This side took too long to answer.")
    may_move = True


class BackendRefused(BackendError):
    kind = "refused"
    words = N_("This side is not set up correctly. The people who run this arena can see why in the log.")
    may_move = True


class ParametersRefused(BackendRefused):
    kind = "parameters"
    words = N_(
        "This side did not take the request, perhaps because of its settings. Change them, or leave them empty."
    )


class BackendBroken(BackendError):
    kind = "broken"
    words = N_("This side's answer broke off and could not be read to the end.")
    may_move = True


class ContentFiltered(BackendError):
    kind = "filtered"
    words = N_("This side declined to answer this prompt.")


class PromptTooLong(BackendError):
    kind = "too_long"
    words = N_("This conversation has become too long for this side to read.")


BACKEND_ERRORS: tuple[type[BackendError], ...] = (
    BackendError,
    BackendUnreachable,
    BackendBusy,
    BackendTimeout,
    BackendRefused,
    ParametersRefused,
    BackendBroken,
    ContentFiltered,
    PromptTooLong,
)

_WORDS = {error.kind: error.words for error in BACKEND_ERRORS}


_OF_ONE_ALONE = {
    "busy": N_("The model is very busy right now. Please try again in a moment."),
    "timeout": N_("The model took too long to answer."),
    "parameters": N_("The model did not take the request, perhaps because of its settings. Change or empty them."),
    "broken": N_("The answer broke off and could not be read to the end."),
    "filtered": N_("The model declined to answer this prompt."),
    "too_long": N_("This conversation has become too long for the model to read."),
}


def words_for(kind: str, *, is_alone: bool = False) -> str:
    """What a visitor reads about a side that failed with this stored `kind`, or about the one model of a chat."""
    if is_alone:
        return _(_OF_ONE_ALONE.get(kind, N_("The model could not answer. Trying again often helps.")))
    return _(_WORDS.get(kind, BackendError.words))
