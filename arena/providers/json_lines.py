"""A stream of JSON values, one a line, decoded from raw chunks as they come. Knows bytes, not what they say.

It follows the JSON Lines text format (https://jsonlines.org): UTF-8, a value a line, LF or CRLF at its end. Lines
of white space alone, which some services send to keep a connection alive, are skipped.
"""

from collections.abc import Iterator

from arena.errors import BackendBroken
from arena.providers.event_stream import MEBIBYTE

_BOM = b"\xef\xbb\xbf"


class JSONLines:
    """What has come of a stream so far. Feed it the chunks, however they were cut, and it gives each line.

    Lines are told apart before any text is decoded, so a chunk may well end inside a character. `limit` bounds one
    line, in bytes, and so the memory a stream can take.
    """

    def __init__(self, limit: int = MEBIBYTE) -> None:
        self._limit = limit
        self._open: list[bytes] = []
        self._open_bytes = 0
        self._at_start = True

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Each line this chunk completes, to be taken before the next chunk is fed.

        An empty chunk is the end of the stream: a last line without its line break is whole by then. Raises
        `BackendBroken` when a line is over the limit.
        """
        if not chunk:
            yield from self._closed()
            return
        first, *others = chunk.split(b"\n")
        self._keep(first)
        for piece in others:
            yield from self._closed()
            self._keep(piece)

    def _closed(self) -> Iterator[bytes]:
        """The line that was open, unless it is blank."""
        line = b"".join(self._open)
        self._open.clear()
        self._open_bytes = 0
        if self._at_start:
            line = line.removeprefix(_BOM)
        self._at_start = False
        if line and not line.isspace():
            yield line.removesuffix(b"\r")

    def _keep(self, piece: bytes) -> None:
        if not piece:
            return
        self._open.append(piece)
        self._open_bytes += len(piece)
        if self._open_bytes > self._limit:
            raise BackendBroken(f"a line of the stream is larger than {self._limit} bytes")
