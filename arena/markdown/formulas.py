"""LaTeX in an answer: found however models delimit it, and turned into MathML."""

import re
from collections.abc import Iterator
from functools import lru_cache
from html import escape, unescape
from typing import Final
from xml.etree.ElementTree import Element, tostring

from arena.markdown.text import PARSER_WITHOUT_MATH, kind_of

LONGEST_FORMULA: Final = 1_000
"""In characters."""


# Stand-ins of one byte, so that a place in the marked text is the same place in the text.
DOLLAR = "\x01"  # a dollar sign that delimits nothing
NOTHING = "\x02"
_MATH_LIKE = re.compile(r"\$|\\[(\[]")
_DELIMITER = re.compile(rb"\\[^\n]|\$\$?|\n[ \t>]*(?=\n)")
_CLOSERS = {b"$": b"$", b"$$": b"$$", rb"\(": rb"\)", rb"\[": rb"\]"}
_QUOTED_LINE_END = re.compile(rb"\n[ \t>]*")


def mark_math(text: str) -> tuple[str, int | None]:
    r"""Make `$` and `$$` the delimiters of all formulas and of nothing else, without moving a byte.

    The parser knows `$a$` and `$$a$$` inside a paragraph. So `\(a\)` and `\[a\]` become those; line ends within a
    formula become spaces, as a line that begins with `-` would start a list; and dollar signs that are money are
    hidden. Also returned: the byte where a formula begins that is not closed yet and may span lines, since all
    from there on may turn out to be one line.
    """
    if not _MATH_LIKE.search(text):
        return text, None
    data = text.encode()
    marks = _Marks(data)
    borders = _borders(text)
    start = end = 0
    for found in _DELIMITER.finditer(data):
        while found.start() >= end:
            marks.interrupt(start, is_code=start < end)
            start, end = next(borders, (len(data), len(data) + 1))
        if found.end() <= start:
            marks.add(found[0], found.start())
    marks.interrupt(start, is_code=start < end)
    return marks.finish()


_SPANS = ("Emphasis", "Strong", "Strikethrough", "Link", "Image")


def _borders(text: str) -> Iterator[tuple[int, int]]:
    """What formulas keep to, in bytes: where code, a block of raw HTML or the target of a link begins and ends.

    Where any other block, list item or cell begins is an empty range.
    """
    last = 0
    for event, span in PARSER_WITHOUT_MATH.events_with_range(text):
        if isinstance(event, dict):
            kind = kind_of(event)
            if "Code" in event or kind in ("CodeBlock", "HtmlBlock"):
                yield span["start"], span["end"]
            elif event.get("End") in ("Link", "Image"):
                yield last, span["end"]
            elif "Start" in event and kind not in _SPANS:
                yield span["start"], span["start"]
        last = span["end"]


class _Marks:
    """Takes the delimiters of a text in order and marks the formulas they make."""

    def __init__(self, data: bytes) -> None:
        self._data = bytearray(data)
        self._opener = b""
        self._at = 0

    def add(self, delimiter: bytes, at: int) -> None:
        if delimiter == _CLOSERS.get(self._opener) and self._is_formula(at):
            self._close(at)
        elif delimiter in _CLOSERS:
            self._abandon()
            self._opener, self._at = delimiter, at
        elif delimiter.startswith(b"\n") or delimiter == _CLOSERS.get(self._opener):
            self._abandon()

    def interrupt(self, at: int, *, is_code: bool) -> None:
        """No formula holds code, and only one whose line ends are taken away goes on in the next block."""
        if self._at < at < len(self._data) and (is_code or not self._may_span_lines()):
            self._abandon()

    def finish(self) -> tuple[str, int | None]:
        is_unfinished = self._may_span_lines()
        self._abandon()
        return self._data.decode(), self._at if is_unfinished else None

    def _is_formula(self, end: int) -> bool:
        formula = self._formula(end)
        after = end + len(self._opener)
        following = bytes(self._data[after : after + 1])
        opened = formula.count(b"{") - formula.count(rb"\{")
        if not formula.strip() or opened != formula.count(b"}") - formula.count(rb"\}"):
            return False
        if self._opener == b"$":
            return _is_inline(formula, following)
        # `\[1\]` and `\[text\](url)` are brackets somebody escaped.
        return self._opener != rb"\[" or not (formula.strip().isdigit() or following == b"(")

    def _formula(self, end: int) -> bytes:
        return bytes(self._data[self._at + len(self._opener) : end])

    def _close(self, end: int) -> None:
        formula = self._formula(end)
        if self._opener == rb"\(":
            self._data[self._at : end + 2] = _inline(self._joined(formula))
        elif self._may_span_lines():
            self._data[self._at : end + 2] = b"$$" + self._joined(formula) + b"$$"
        self._opener = b""

    def _joined(self, formula: bytes) -> bytes:
        """On one line. In a quote the `>` that begin its lines are no part of it."""
        if b">" in self._line():
            return _QUOTED_LINE_END.sub(lambda found: b" " * len(found[0]), formula)
        return formula.replace(b"\n", b" ")

    def _abandon(self) -> None:
        """What seemed to open a formula is text."""
        if self._opener.startswith(b"$"):
            self._data[self._at : self._at + len(self._opener)] = DOLLAR.encode() * len(self._opener)
        self._opener = b""

    def _may_span_lines(self) -> bool:
        """Before dollars, only space and the marks of a quote may stand on the line."""
        return self._opener in (rb"\(", rb"\[") or (self._opener == b"$$" and not self._line().strip(b" \t>"))

    def _line(self) -> bytes:
        """What stands before the formula on its line, as far as it matters."""
        before = self._data[max(0, self._at - 40) : self._at]
        return bytes(before[before.rfind(b"\n") + 1 :])


def _is_inline(formula: bytes, following: bytes) -> bool:
    """Whether `$formula$` is one, and not two amounts of money or two shell variables."""
    if formula[:1].isspace() or formula[-1:].isspace() or following.isdigit():
        return False
    is_word = not re.search(rb"\s", formula) and (formula[-1:].isalnum() or formula[-1:] in b"})'")
    return is_word or not following.isalpha()


def _inline(formula: bytes) -> bytes:
    """`\\(formula\\)` with dollar signs, which bear no space inside; as many bytes as before."""
    before = len(formula) - len(formula.lstrip())
    after = len(formula) - len(formula.rstrip())
    nothing = NOTHING.encode()
    return nothing * (1 + before) + b"$" + formula.strip() + b"$" + nothing * (1 + after)


_DEFINES = re.compile(r"\\(?:def|let|newcommand|renewcommand|providecommand|newenvironment|Declare)")
_NUMBERED = re.compile(r"\{(align|equation|gather|alignat|multline)\}")
_LENGTH = re.compile(r"[+-]?\d?(?:\.\d{1,3})?(?:em|ex|mu|pt|px|width)?|[a-z]+mathspace")
_LENGTHS = ("width", "height", "depth", "lspace", "voffset")


def formula(latex: str, *, is_display: bool) -> str:
    """LaTeX as MathML, or as its own source where it cannot be read, is very long or defines commands."""
    latex = latex.replace(NOTHING, "").replace(DOLLAR, "$").strip()
    is_readable = len(latex) <= LONGEST_FORMULA and not _DEFINES.search(latex)
    mathml = _mathml(latex, is_display=is_display) if is_readable else ""
    return mathml or f'<code class="math">{escape(latex, quote=False)}</code>'


@lru_cache(maxsize=1024)
def _mathml(latex: str, *, is_display: bool) -> str:
    from latex2mathml.converter import Converter  # slow: only where needed

    converter = Converter(display="block" if is_display else "inline")
    try:
        math = converter.convert_to_element(_NUMBERED.sub(r"{\1*}", latex))
        return _serialised(math)
    except Exception:  # noqa: BLE001 - half of LaTeX raises whatever the converter stumbles over, recursion included
        return ""


def _serialised(math: Element) -> str:
    """The converter keeps symbols as entities beside text as written: unescape both, then escape once."""
    if math.get("display") == "inline":
        del math.attrib["display"]
    for element in math.iter():
        element.text = unescape(element.text or "")
        for name in _LENGTHS:
            if not _LENGTH.fullmatch(element.get(name, "")):
                element.attrib.pop(name, None)
    return tostring(math, encoding="unicode")
