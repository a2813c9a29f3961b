"""What a form sent: bounded, strictly UTF-8, nothing replaced in silence."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from arena.conversation import Attachment, Parameters
from arena.errors import BadRequest, TooLarge, Unprocessable
from arena.views.parameters import Settings
from arena.words import _, number

FORM = "application/x-www-form-urlencoded"
FIELDS = 50


@dataclass(frozen=True, slots=True)
class Draft:
    """What a visitor has written and not sent.

    `attached`: what is to come with it, and `problems`: why something is not, in words. `said`: how it is to be
    answered, where that was said.
    """

    text: str = ""
    attached: tuple[Attachment, ...] = ()
    problems: tuple[str, ...] = ()
    said: Parameters | None = None


NOTHING = Draft()


@dataclass(slots=True)
class GivenBack:
    """What the page of a refused request gives back, so that it can be sent again.

    `action`: where to, if not where it came; `draft`: the prompt; `attached`: what is with it; `fields`: what else
    its form said; `settings`: how it was to be answered.
    """

    action: str = ""
    draft: str = ""
    attached: tuple[Attachment, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    settings: Settings | None = None


def given_back(request: Request) -> GivenBack:
    """That of this request, to be filled in as it is read."""
    if not hasattr(request.state, "given_back"):
        request.state.given_back = GivenBack()
    found: GivenBack = request.state.given_back
    return found


class Form(dict[str, str]):
    """Fields by their names, the last value of each. `every`: all that came under one name."""

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self._fields = tuple(fields)
        super().__init__(self._fields)

    def every(self, wanted: str) -> tuple[str, ...]:
        """The values of all fields of this name, each once, in their order."""
        return tuple(dict.fromkeys(value for name, value in self._fields if name == wanted))


async def read_form(request: Request, max_bytes: int) -> Form:
    """The fields of a posted form, with lines ended by `\\n`. Raises `BadRequest`, `TooLarge`."""
    kind = request.headers.get("content-type", FORM).split(";")[0].strip().lower()
    if kind != FORM:
        raise BadRequest(_("This page takes forms ({form}), not {kind}.").format(form=FORM, kind=kind[:100]))
    body = b"".join([piece async for piece in arriving(request, max_bytes)])
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
    except UnicodeDecodeError as exc:
        raise BadRequest(_("The text could not be read: it is not valid UTF-8.")) from exc
    except ValueError as exc:
        raise BadRequest(_("The form has more than {n} fields.").format(n=FIELDS)) from exc
    return Form((name, lines(value)) for name, value in fields)


async def arriving(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body, piece by piece, read no further than `max_bytes`. Raises `TooLarge`.

    Raises `BadRequest` where its sender hangs up: that is no fault of ours.
    """
    words = _("This is more than the {n} bytes the arena reads at once.").format(n=number(max_bytes))
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise TooLarge(words)
    read = 0
    try:
        async for piece in request.stream():
            read += len(piece)
            if read > max_bytes:
                raise TooLarge(words)
            yield piece
    except ClientDisconnect as exc:
        raise BadRequest(_("The connection was lost before all of it had arrived.")) from exc


def lines(value: str) -> str:
    """The text with its lines ended by `\\n`, however the browser ends them."""
    return value.replace("\r\n", "\n").replace("\r", "\n")


def check_prompt(prompt: str, max_characters: int) -> None:
    """Raises `Unprocessable` for a prompt that is empty, too long or holds a NUL."""
    if not prompt.strip():
        raise Unprocessable(_("The prompt is empty. Write something for the two models to answer."))
    if len(prompt) > max_characters:
        raise Unprocessable(
            _(
                "The prompt has {n} characters; the limit is {limit}. "
                "Nothing was sent: shorten it and send it again."
            ).format(n=number(len(prompt)), limit=number(max_characters))
        )
    if "\0" in prompt:
        raise Unprocessable(_("The prompt holds a NUL character, which no model can read."))
