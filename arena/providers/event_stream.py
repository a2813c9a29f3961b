"""A server-sent event stream, decoded from raw chunks as they come. Knows bytes, not who sent them or what for.

It follows the HTML standard, section 9.2 "Server-sent events" (https://html.spec.whatwg.org/multipage/), and
keeps of an event only its data: services repeat an event's name inside it, and no answer is resumed by id.
"""

from collections.abc import Iterator

from arena.errors import BackendBroken

MEBIBYTE = 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class EventStream:
    """What has come of a stream so far. Feed it the chunks, however they were cut, and it gives each event's data.

    Events are told apart before any text is decoded, so a chunk may well end inside a character. An event that
    is not closed by its blank line when the stream ends is dropped, as the standard asks. `limit` bounds one
    event, in bytes, and so the memory a stream can take.
    """

    def __init__(self, limit: int = MEBIBYTE) -> None:
        self._limit = limit
        self._open: list[bytes] = []
        self._open_bytes = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of each event this chunk completes, to be taken before the next chunk is fed.

        Nearly every event is one line, `data: {...}`, so that case is decided here and the rest in `_data`.
        Raises `BackendBroken` when an event is over the limit.
        """
        if self._after_cr or b"\r" in chunk:
            chunk = self._with_newlines(chunk)
        if self._open:
            if not self._closes(chunk):
                self._keep(chunk)
                return
            chunk = self._joined(chunk)
        blocks = chunk.split(b"\n\n")
        unfinished = blocks.pop()
        for block in blocks:
            if len(block) > self._limit:
                raise self._too_large()
            data = block[6:] if block.startswith(b"data: ") and b"\n" not in block else self._data(block)
            self._at_start = False
            if data:
                yield data
        self._keep(unfinished)

    def _with_newlines(self, chunk: bytes) -> bytes:
        """The chunk with CR and CRLF turned into LF, also where a CRLF was cut in two."""
        if not chunk:
            return chunk
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _closes(self, chunk: bytes) -> bool:
        """Does this chunk bring the blank line that the open event waits for?"""
        return b"\n\n" in chunk or (chunk.startswith(b"\n") and self._open[-1].endswith(b"\n"))

    def _joined(self, chunk: bytes) -> bytes:
        whole = b"".join((*self._open, chunk))
        self._open.clear()
        self._open_bytes = 0
        return whole

    def _keep(self, piece: bytes) -> None:
        if not piece:
            return
        self._open.append(piece)
        self._open_bytes += len(piece)
        if self._open_bytes > self._limit + 1:  # the first half of its blank line may be among them
            raise self._too_large()

    def _data(self, block: bytes) -> bytes:
        """The data lines of an event, joined; empty for a comment or an event that has none."""
        if self._at_start:
            block = block.removeprefix(_BOM)
        values = []
        for line in block.split(b"\n"):
            field, _, value = line.partition(b":")
            if field == b"data":
                values.append(value.removeprefix(b" "))
        return b"\n".join(values)

    def _too_large(self) -> BackendBroken:
        return BackendBroken(f"an event of the stream is larger than {self._limit} bytes")
