"""The text of one PDF, found in a process of its own: `python worker.py PAGES CHARACTERS SECONDS MEMORY`.

The file comes by standard input, JSON goes out: `pages` and `text`, or in `refused` why there is neither. The
limits hold before the first byte is read, so a file that was made to explode, to loop or to crash its reader ends
this process and nothing else. Knows nothing of the arena.
"""

import json
import sys
from contextlib import suppress

OPEN_FILES = 32
EDGE = 1_000_000.0  # points: no page is as large
_FOR_NOTHING = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160), 0xFEFF, 0xFFFE, 0xFFFF])
"""Characters that no model should read. PDFium marks with U+0002 and U+FFFE where a word was divided."""


class NotRead(Exception):
    """Why a file has no text to give: `encrypted`, `broken`, `pages`, `long`, `scanned`."""


def limit(seconds: int, memory: int) -> None:
    """From here on: no more memory and time than this, no file is written, no process started.

    Where the system does not know such a limit, the clock of whoever started this has to do.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_NPROC: 0,
    }.items():
        with suppress(ValueError, OSError):  # lower already, or not known
            resource.setrlimit(what, (most, most))


def text_of(data: bytes, pages: int, characters: int) -> tuple[int, str]:
    """How many pages it has, and their text. Raises `NotRead`, `MemoryError`."""
    import pypdfium2
    import pypdfium2.raw as pdfium

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as exc:
        locked = exc.err_code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY)
        raise NotRead("encrypted" if locked else "broken") from exc
    if not len(document):
        raise NotRead("broken")
    if len(document) > pages:
        raise NotRead(f"pages {len(document)}")
    found: list[str] = []
    for number in range(len(document)):
        with suppress(pypdfium2.PdfiumError):  # a page that is broken is a page without text
            page = document[number]
            found.append(_tidy(page.get_textpage().get_text_bounded(-EDGE, -EDGE, EDGE, EDGE)))
            page.close()
        if sum(map(len, found)) > characters:
            raise NotRead("long")
    text = "\n\n".join(part for part in found if part)
    if not text:
        raise NotRead("scanned" if found else "broken")
    return len(document), text


def _tidy(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").translate(_FOR_NOTHING).split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def main(pages: int, characters: int, seconds: int, memory: int) -> None:
    limit(seconds, memory)
    try:
        count, text = text_of(sys.stdin.buffer.read(), pages, characters)
        reply: dict[str, object] = {"pages": count, "text": text}
    except NotRead as exc:
        reply = {"refused": str(exc)}
    except MemoryError:
        reply = {"refused": "memory"}
    sys.stdout.write(json.dumps(reply))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
