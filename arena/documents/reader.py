"""Files -> what models read of them. PDFs are read by `worker.py`, a process for each."""

import asyncio
import math
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import msgspec

from arena.config.settings import Limits
from arena.documents.plain import decoded
from arena.errors import Refusal, TooLarge, Unprocessable
from arena.words import _, number
from arena.workers import Died, Workers

WORKER = Path(__file__).with_name("worker.py")
HEAD = 1024  # bytes, in which a PDF says what it is


@dataclass(frozen=True, slots=True)
class Reading:
    """What models read of a file. `pages`: of a PDF."""

    text: str
    pages: int | None = None


class _Reply(msgspec.Struct):
    """What the worker says."""

    text: str = ""
    pages: int = 0
    refused: str = ""


class DocumentReader:
    """Reads files within these limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._workers = Workers(WORKER, limits.document_workers)
        self._texts = asyncio.Semaphore(limits.document_workers)

    def room(self, head: bytes) -> AbstractAsyncContextManager[None]:
        """A place to read a file that begins so, and to store it: texts take several times their size in memory.

        PDFs stand in line for a worker, which is no longer than `Workers` allows.
        """
        return nullcontext() if _is_pdf(head) else self._texts

    async def read(self, data: bytes) -> Reading:
        """What models read of this file. Raises `TooLarge`, `Unprocessable`, `Unavailable`."""
        if len(data) > self._limits.document_bytes:
            words = _("This file has {size} bytes; the limit for documents is {limit}.")
            raise TooLarge(words.format(size=number(len(data)), limit=number(self._limits.document_bytes)))
        if not _is_pdf(data):
            return Reading(await asyncio.to_thread(decoded, data))
        return await asyncio.to_thread(self._understand, await self._ask(data))

    async def _ask(self, data: bytes) -> bytes:
        """What the worker says about this PDF. Raises `Unprocessable`, `Unavailable`."""
        limits = self._limits
        most = limits.document_bytes  # characters of its text: no file of text has more
        numbers = (limits.document_pages, most, math.ceil(limits.document_seconds), limits.document_memory)
        try:
            # In JSON a character takes 12 bytes at most.
            return await self._workers.ask(data, *numbers, seconds=limits.document_seconds, most=12 * most + 100)
        except TimeoutError as exc:
            raise self._refusal("seconds") from exc
        except Died as exc:
            raise self._refusal("memory") from exc  # PDFium ends itself where it gets no more

    def _understand(self, said: bytes) -> Reading:
        """Raises `Unprocessable`."""
        try:
            reply = msgspec.json.decode(said, type=_Reply)
        except msgspec.DecodeError as exc:
            raise self._refusal("broken") from exc
        if reply.refused:
            raise self._refusal(*reply.refused.split())
        return Reading(reply.text, reply.pages)

    def _refusal(self, why: str, pages: str = "") -> Refusal:
        limits = self._limits
        match why:
            case "encrypted":
                words = _("This PDF is locked with a password. Save a copy without one and hand that in.")
            case "scanned":
                words = _(
                    "There is no text in this PDF: its pages are pictures, as a scanner makes them. Have a "
                    "program recognise the text (OCR) first, or hand in the pages as pictures."
                )
            case "pages":
                words = _("This PDF has {pages} pages; the limit is {limit}. Hand in the part that matters.")
                words = words.format(pages=number(int(pages)), limit=number(limits.document_pages))
            case "seconds":
                words = _("It took longer than {seconds} seconds to read this PDF. Try a simpler or shorter one.")
                words = words.format(seconds=number(limits.document_seconds))
            case "long":
                words = _(
                    "There is more text than a document may have in this PDF. Hand in the part that matters."
                )
            case "memory":
                words = _("Reading this PDF takes more memory than it may. Try a simpler or shorter one.")
            case _:
                words = _("This PDF could not be read. It may be damaged: open it, save it anew and try again.")
        return Unprocessable(words)


def _is_pdf(data: bytes) -> bool:
    return b"%PDF-" in data[:HEAD]
