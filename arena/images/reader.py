"""Files -> pictures as they are kept, shown and given to models. `worker.py` reads them, one process a file.

Knows nothing of Pillow, which only the worker imports.
"""

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from arena.config.settings import Limits
from arena.errors import Refusal, TooLarge, Unprocessable
from arena.words import _, number
from arena.workers import Died, Workers

WORKER = Path(__file__).with_name("worker.py")
BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it is kept. `hash`: SHA-256 of `data`, in hexadecimal."""

    hash: str
    media_type: str
    width: int
    height: int
    data: bytes = field(repr=False)


class _Reply(msgspec.Struct):
    """What the worker says before the picture."""

    media_type: str = ""
    width: int = 0
    height: int = 0
    refused: str = ""


def is_image(data: bytes) -> bool:
    """Whether a file begins as a JPEG, PNG, WebP or GIF does, whatever it is called."""
    return data.startswith(BEGINNINGS) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


class ImageReader:
    """Reads pictures within these limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._workers = Workers(WORKER, limits.image_workers)

    async def read(self, data: bytes) -> Picture:
        """The picture in this file. Raises `TooLarge`, `Unprocessable`, `Unavailable`."""
        if len(data) > self._limits.image_bytes:
            words = _("This picture has {size} bytes; the limit is {limit}. Save a smaller copy and add that.")
            raise TooLarge(words.format(size=number(len(data)), limit=number(self._limits.image_bytes)))
        if not is_image(data):
            raise self._refusal("broken")
        return self._understand(await self._ask(data))

    async def _ask(self, data: bytes) -> bytes:
        """What the worker says about this file: nothing where it died. Raises `Unprocessable`, `Unavailable`."""
        limits = self._limits
        numbers = (limits.image_side, limits.image_pixels, math.ceil(limits.image_seconds), limits.image_memory)
        try:
            return await self._workers.ask(data, *numbers, seconds=limits.image_seconds, most=_most(limits))
        except TimeoutError as exc:
            raise self._refusal("memory") from exc
        except Died:
            return b""

    def _understand(self, said: bytes) -> Picture:
        """Raises `Unprocessable`."""
        first, _end, data = said.partition(b"\n")
        try:
            reply = msgspec.json.decode(first, type=_Reply)
        except msgspec.DecodeError as exc:
            raise self._refusal("broken") from exc
        if reply.refused or not data:
            raise self._refusal(reply.refused)
        return Picture(hashlib.sha256(data).hexdigest(), reply.media_type, reply.width, reply.height, data)

    def _refusal(self, why: str) -> Refusal:
        match why:
            case "pixels":
                words = _("This picture has more than {n} pixels. Save a smaller copy and add that.")
                words = words.format(n=number(self._limits.image_pixels))
            case "memory":
                words = _("It takes too much to read this picture. Save a smaller copy and add that.")
            case _:
                words = _("This picture could not be read. It has to be a JPEG, PNG, WebP or GIF, and whole.")
        return Unprocessable(words)


def _most(limits: Limits) -> int:
    """Bytes, which no picture of that size has: four for each pixel, and what is said of it."""
    return 4 * limits.image_side**2 + 65_536
