"""Lines, and the items of a JSON array, out of a file of any size: no more of it is held than one piece may have.

A piece that is longer is passed over without being kept; what follows it is read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from arena.intake.problems import BROKEN_OFF, TOO_LONG, LeftOut

LIMIT = 16 * 2**20  # bytes of one vote
CHUNK = 2**20

_MARK = re.compile(rb'["{}\[\]]')
_IN_STRING = re.compile(rb'["\\]')


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes of a vote, or why there are none. `place`: the line it begins on, from 1.

    `quotes`: how many double quotes there were in a line that is passed over.
    """

    place: int
    content: bytes = b""
    problem: LeftOut | None = None
    quotes: int = 0


def lines(file: IO[bytes], limit: int = LIMIT) -> Iterator[Piece]:
    """The lines of a file, with their ends."""
    place = 0
    while line := file.readline(limit + 1):
        place += 1
        if len(line) <= limit or line.endswith(b"\n"):
            yield Piece(place, line)
            continue
        quotes = line.count(b'"')
        while line and not line.endswith(b"\n"):
            line = file.readline(CHUNK)
            quotes += line.count(b'"')
        yield Piece(place, problem=LeftOut(TOO_LONG), quotes=quotes)


def items(file: IO[bytes], limit: int = LIMIT) -> Iterator[Piece]:
    """The items of the JSON array in a file, however it is laid out, without a look at what is in them."""
    array = _Array(limit)
    while chunk := file.read(CHUNK):
        yield from array.feed(chunk)
    yield from array.end()


class _Array:
    """Finds where items begin and end, by brackets and strings alone, from chunk to chunk.

    `_depth` is 1 between items. `_item` has the bytes of the one that is open, from earlier chunks.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._depth = 0
        self._line = 1
        self._item: bytearray | None = None
        self._place = 1
        self._is_over = self._is_closed = self._is_done = False
        self._in_string = self._is_escaped = False
        self._chunk = b""
        self._at = self._from = self._counted = 0

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """The items that end in this chunk."""
        self._chunk, self._at, self._from, self._counted = chunk, 0, 0, 0
        while self._at < len(chunk) and not self._is_done:
            yield from self._through_string() if self._in_string else self._to_next_mark()
        if self._item is not None:
            self._keep(len(chunk))
        self._count(len(chunk))

    def end(self) -> Iterator[Piece]:
        """What is wrong with the end of the file."""
        if self._item is not None:
            yield Piece(self._place, problem=LeftOut(BROKEN_OFF))
        elif not self._is_closed and not self._is_done:
            yield Piece(self._line, problem=LeftOut("the array of votes is not closed"))

    def _to_next_mark(self) -> Iterator[Piece]:
        """Go past the next bracket, or into the next string."""
        mark = _MARK.search(self._chunk, self._at)
        end = mark.start() if mark else len(self._chunk)
        if self._item is None:
            yield from self._between(self._at, end)
        self._at = mark.end() if mark else end
        if not mark or self._is_done:
            return
        if mark[0] in (b"]", b"}"):
            self._depth -= 1
            self._is_closed = self._depth == 0
            if self._depth == 1:
                yield self._finish(self._at)
            return
        if self._depth == 1:
            self._begin(mark.start())
        if mark[0] == b'"':
            self._in_string = True
        else:
            self._depth += 1

    def _between(self, start: int, end: int) -> Iterator[Piece]:
        """What stands between items, where only commas should."""
        stray = self._chunk[start:end].strip(b" \t\r\n,\xef\xbb\xbf")
        if self._is_closed and (stray or end < len(self._chunk)):
            self._is_done = True
            yield Piece(self._count(start), problem=LeftOut("stands after the end of the array of votes"))
        elif stray:
            yield Piece(self._count(start), problem=LeftOut("is no JSON object", stray[:80].decode("latin-1")))

    def _through_string(self) -> Iterator[Piece]:
        """Go to the end of the string, or of the chunk."""
        self._at += self._is_escaped
        self._is_escaped = False
        while found := _IN_STRING.search(self._chunk, self._at):
            if found[0] == b'"':
                self._in_string = False
                self._at = found.end()
                if self._depth == 1:
                    yield self._finish(self._at)
                return
            self._at = found.end() + 1
        self._is_escaped = self._at > len(self._chunk)
        self._at = len(self._chunk)

    def _begin(self, at: int) -> None:
        self._item, self._is_over = bytearray(), False
        self._place, self._from = self._count(at), at

    def _keep(self, end: int) -> None:
        assert self._item is not None
        if not self._is_over:
            self._item += self._chunk[self._from : end]
            if len(self._item) > self._limit:
                self._is_over = True
                self._item = bytearray()

    def _finish(self, end: int) -> Piece:
        self._keep(end)
        content, self._item = bytes(self._item or b""), None
        return Piece(self._place, problem=LeftOut(TOO_LONG)) if self._is_over else Piece(self._place, content)

    def _count(self, upto: int) -> int:
        """The line of this place in the chunk. Places only grow."""
        self._line += self._chunk.count(b"\n", self._counted, upto)
        self._counted = upto
        return self._line
