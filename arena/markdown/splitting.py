"""A growing text -> its finished top-level blocks. Knows where blocks end, not what they look like."""

import re
from collections.abc import Iterator
from itertools import pairwise

from arena.markdown.formulas import mark_math
from arena.markdown.text import PARSER, kind_of

_FENCE = re.compile(r"(`{3,}|~{3,}).*\n")
# Lines that certainly go on with an open block of this kind: no need to parse it again.
_GOES_ON = {
    "List": re.compile(r"(?:(?:[ \t]|[-*+] |\d{1,9}[.)] ).*\n|\n)*"),
    "BlockQuote": re.compile(r"(?:>.*\n|\n)*"),
    "Table": re.compile(r"(?:\|.*\n)*"),
}
_NOWHERE = re.compile("")


class Splitter:
    """Finds the finished top-level blocks of a growing text.

    Only complete lines decide, since `***` may yet become `***bold***`, and the last block they make stays open,
    since the next line may still belong to it. Inside a fence at the margin only the closing line counts. Parsing
    is paid for by text that arrives, so that the total stays linear in it however the text is made.
    """

    def __init__(self) -> None:
        self.code_start = 0  # where the code of an open fence at the margin begins; 0 outside
        self._closing = re.compile("")
        self._kind = ""
        self._seen = 0  # lines up to here are taken into account
        self._is_due = False
        self._credit = 20_000  # characters that may be parsed

    def feed(self, source: str, grown: int) -> Iterator[str]:
        """The blocks finished by the last `grown` characters of `source`, which begins after the one before."""
        self._credit += 10 * grown
        begin, end = 0, source.rfind("\n", max(0, len(source) - grown)) + 1
        while begin < end and (blocks := self._finished(source, begin, end)):
            yield from blocks
            begin += sum(map(len, blocks))

    def _finished(self, source: str, begin: int, end: int) -> list[str]:
        """The next blocks of the complete lines from `begin` to `end`. Nothing is copied that is not parsed."""
        if self.code_start:
            return self._closed(source, begin, end)
        goes_on = _GOES_ON.get(self._kind, _NOWHERE)
        self._is_due = self._is_due or not goes_on.fullmatch(source, begin + self._seen, end)
        self._seen = end - begin
        if not self._is_due or self._credit < end - begin:
            return []
        self._credit -= end - begin
        return self._divided(source[begin:end])

    def _divided(self, complete: str) -> list[str]:
        blocks, self._kind, start = _divide(complete)
        opened = sum(map(len, blocks))
        self._seen = len(complete) - opened
        self._is_due = False
        fence = _FENCE.match(complete, start) if self._kind == "CodeBlock" else None
        if fence is None or (start and complete[start - 1] != "\n"):
            return blocks
        self.code_start = self._seen = fence.end() - opened
        mark = fence[1]
        self._closing = re.compile(rf"^ {{0,3}}{mark[0]}{{{len(mark)},}}[ \t]*\n", re.MULTILINE)
        return blocks or self._closed(complete, 0, len(complete))

    def _closed(self, source: str, begin: int, end: int) -> list[str]:
        """The open code block, once its closing line is there."""
        closing = self._closing.search(source, begin + self._seen, end)
        if closing is None:
            self._seen = end - begin
            return []
        self.code_start = self._seen = 0
        self._kind = ""
        return [source[begin : closing.end()]]


def _divide(text: str) -> tuple[list[str], str, int]:
    """Complete lines -> all their top-level blocks but the last, the kind of the last, and where it starts.

    A block reaches up to the end of its last line, so that definitions, which make no event, go with the next.
    """
    marked, unfinished = mark_math(text)
    data = marked.encode()
    data = data[: data.rfind(b"\n", 0, unfinished) + 1]
    cuts, kind, start, end, depth = [0], "", 0, 0, 0
    for event, span in PARSER.events_with_range(data.decode()):
        if depth == 0:
            if end:  # which may lie before the line end, or after it among the spaces that begin the next block
                line_end = data.find(b"\n", end - 1) + 1
                cuts.append(min(line_end, data.rfind(b"\n", 0, span["start"]) + 1))
            kind, start, end = kind_of(event), span["start"], span["end"]
        if isinstance(event, dict):
            depth += ("Start" in event) - ("End" in event)
    chars = [len(data[:cut].decode()) for cut in cuts]
    return [text[a:b] for a, b in pairwise(chars)], kind, len(data[:start].decode())
