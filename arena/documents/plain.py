"""Files of plain text: their encoding, and whether they are text at all."""

import codecs

from arena.errors import Unprocessable
from arena.words import _

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_FOR_NOTHING = dict.fromkeys([*range(1, 9), *range(11, 32), *range(127, 160), 0xFEFF])
"""Control characters: nobody sees them."""


def decoded(data: bytes) -> str:
    """The text of a file: by its byte order mark, else UTF-8; never guessed. Raises `Unprocessable`."""
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in data:
        raise Unprocessable(_("This is neither a PDF nor a text file, and no other kind can be read."))
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as exc:
        raise Unprocessable(
            _(
                "This is neither a PDF nor text in UTF-8 or UTF-16. If it is text, save it as UTF-8 in the "
                "program that you write it with, and try again."
            )
        ) from exc
    if "\0" in text:
        raise Unprocessable(_("This text holds NUL characters, which no model can read."))
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_FOR_NOTHING)
    if not text.strip():
        raise Unprocessable(_("There is no text in this file."))
    return text
