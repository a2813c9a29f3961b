"""Files on their way in: a form with files, read piece by piece, and what comes with a prompt that is sent."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from arena.config.settings import Limits
from arena.documents.prompt import plain_name
from arena.errors import BadRequest, StoreError, Unprocessable
from arena.store.attachments import GONE
from arena.views.context import context
from arena.views.forms import FIELDS, FORM, Form, arriving, given_back, lines, read_form
from arena.words import _

FILES = "multipart/form-data"
MOST_FILES = 20  # in one form
ATTACHED = "attachment"
NO_FILE = ("", "[object File]")
"""What a browser, and what htmx, makes of an empty file input where a form is sent without files."""


class _Parser(MultiPartParser):
    """Keeps one byte more of a file than any may have, to tell that it is too large. The rest is passed over."""

    def __init__(self, request: Request, limits: Limits) -> None:
        super().__init__(
            request.headers,
            arriving(request, most_bytes(limits)),
            max_files=MOST_FILES,
            max_fields=FIELDS,
            max_part_size=limits.body_bytes,
        )
        self._most = max(limits.image_bytes, limits.document_bytes)
        self._read = 0

    def on_part_begin(self) -> None:
        self._read = 0
        super().on_part_begin()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is None:
            super().on_part_data(data, start, end)
            return
        room = max(self._most + 1 - self._read, 0)
        self._read += end - start
        if room:
            super().on_part_data(data, start, min(end, start + room))


@asynccontextmanager
async def uploaded(request: Request) -> AsyncIterator[tuple[Form, Sequence[UploadFile]]]:
    """The fields and files of a form, which are there as long as this lasts. Raises `BadRequest`, `TooLarge`."""
    limits = context(request).config.limits
    kind = request.headers.get("content-type", FORM).split(";")[0].strip().lower()
    if kind != FILES:
        yield await read_form(request, limits.body_bytes), ()
        return
    parser = _Parser(request, limits)
    try:
        found = await parser.parse()
    except (MultiPartException, UnicodeError) as exc:  # `charset` may name a codec that takes no text
        why = getattr(exc, "message", "charset")
        raise BadRequest(_("This form could not be read: {why}").format(why=why)) from exc
    except OSError as exc:  # files of some size wait on the disk for being read
        raise StoreError(f"files on their way in could not be kept: {exc}") from exc
    try:
        fields = [(name, lines(value)) for name, value in found.multi_items() if isinstance(value, str)]
        files = [value for value in found.getlist("file") if isinstance(value, UploadFile)]
        yield Form(fields), [file for file in files if file.filename]
    finally:
        await found.close()


def most_bytes(limits: Limits) -> int:
    """What a form with files may have in all."""
    return limits.images * limits.image_bytes + limits.document_bytes + limits.body_bytes


def shown_name(file: UploadFile) -> str:
    """What a file is called, without the folders it lies in, as it can be shown on a line."""
    bare = (file.filename or "").replace("\\", "/").rpartition("/")[2]
    return plain_name(bare) or _("File")


async def handed_in(request: Request, form: Form) -> tuple[str, ...]:
    """The ids of what comes with the prompt of this form. Raises `Unprocessable` where that is not all there is.

    What goes wrong from here on gives back what is there.
    """
    arena, keys = context(request), form.every(ATTACHED)
    found = await arena.store.attachments.waiting(arena.visitors.known(request), keys) if keys else ()
    again = given_back(request)
    again.attached, again.draft = found, form.get("prompt", "").replace("\0", "")
    if any(name not in NO_FILE for name in form.every("file")):
        raise Unprocessable(
            _("You have chosen a file and not added it yet, so nothing was sent. Choose it again and press “Add”.")
        )
    if len(found) < len(keys):
        raise Unprocessable(_(GONE))
    return keys
