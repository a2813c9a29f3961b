"""The parser's events -> HTML, written by us tag by tag, and sanitised all the same."""

import re
from html import escape
from typing import Any, Final

from pyromark.event import Event

from arena.markdown.code import LONGEST_HIGHLIGHTED, highlight
from arena.markdown.formulas import DOLLAR, NOTHING, formula, mark_math
from arena.markdown.sanitiser import sanitised
from arena.markdown.text import PARSER

MARKER: Final = '<span class="rest"></span>'
"""Where text that arrives later continues the open block."""

DEEPEST: Final = 32
"""Elements nested deeper than this keep their text and lose their tags: browsers flatten at 512."""


def to_html(text: str, *, is_open: bool = False, deeper: int = 2) -> str:
    """Clean text as sanitised HTML; an open block carries the marker, and its code is not highlighted.

    Headings become `deeper` by so many levels, `<h2>` at the highest.
    """
    marked, _ = mark_math(text)
    page = _Page(is_open=is_open, deeper=deeper)
    most_pieces = 10_000 + 10 * len(text)
    for event in PARSER.events(marked):
        page.add(event)
        if len(page.pieces) > most_pieces:
            # Far more HTML than text: a table whose short rows are filled up with empty cells.
            return f'<pre tabindex="0"><code>{escape(text, quote=False)}{MARKER if is_open else ""}</code></pre>\n'
    return sanitised(page.html())


_LEAVES = {
    "Paragraph": ("<p>", "</p>\n"),
    "HtmlBlock": ('<p class="html">', "</p>\n"),
    "TableHead": ("<thead><tr>", "</tr></thead>\n<tbody>\n"),
    "TableRow": ("<tr>", "</tr>\n"),
    "Table": (
        '<div class="table" tabindex="0" role="group" aria-label="Table"><table>\n',
        "</tbody></table></div>\n",
    ),
}
_NESTED = {
    "BlockQuote": ("<blockquote>\n", "</blockquote>\n"),
    "Item": ("<li>", "</li>\n"),
    "Emphasis": ("<em>", "</em>"),
    "Strong": ("<strong>", "</strong>"),
    "Strikethrough": ("<del>", "</del>"),
}
_BLOCK_ENDS = {end for _, end in _LEAVES.values()} | {f"</h{level}>\n" for level in range(2, 7)}
_BLOCK_ENDS |= {"</blockquote>\n", "</li>\n", "</ul>\n", "</ol>\n", "</th>", "</td>", "</code></pre>\n", ""}
_BREAKS = {"SoftBreak": "\n", "HardBreak": "<br>\n", "Rule": "<hr>\n"}
_SCHEME = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
_LANGUAGE = re.compile(r"[\w+#.-]{1,30}", re.ASCII)


class _Page:
    """Collects HTML from the events of the parser, in order."""

    def __init__(self, *, is_open: bool, deeper: int) -> None:
        self.pieces: list[str] = []
        self._is_open = is_open
        self._deeper = deeper
        self._ends: list[str] = []  # what each open element ends with; "" where its tags are left out
        self._code: list[str] | None = None
        self._language = ""
        self._alignments: tuple[str, ...] = ()
        self._cells = 0  # in this row so far
        self._cell = "td"
        self._links = 0  # open ones
        self._target = ""  # of the link opened last,
        self._inside = 0  # and where its text begins

    def html(self) -> str:
        at = len(self.pieces)
        while self._is_open and at and self.pieces[at - 1] in _BLOCK_ENDS:
            at -= 1
        if self._is_open:
            self.pieces.insert(at, MARKER)
        return "".join(self.pieces)

    def add(self, event: Event) -> None:
        if isinstance(event, str):
            self.pieces.append(_BREAKS[event])
            return
        name: str
        value: Any
        ((name, value),) = event.items()
        if name == "Text" and self._code is not None:
            self._code.append(value)
        elif name in ("Text", "Html", "InlineHtml"):
            self.pieces.append(_text(value))
        elif name == "Start":
            self._start(*(next(iter(value.items())) if isinstance(value, dict) else (value, None)))
        elif name == "End":
            self._end(value)
        elif name == "Code":
            self.pieces.append(f"<code>{_text(value)}</code>")
        elif name == "TaskListMarker":
            self.pieces.append(f'<input type="checkbox" disabled{" checked" if value else ""}> ')
        else:
            self.pieces.append(formula(value, is_display=name == "DisplayMath"))

    def _start(self, name: str, value: Any) -> None:
        start, end = self._tags(name, value)
        self.pieces.append(start)
        self._ends.append(end)
        if name in ("Link", "Image"):
            self._inside = len(self.pieces)

    def _tags(self, name: str, value: Any) -> tuple[str, str]:
        if name in _LEAVES:
            return self._leaf(name, value)
        if name == "TableCell":
            return self._table_cell()
        if name == "CodeBlock":
            return self._code_block("" if value == "Indented" else value["Fenced"])
        if name == "Heading":
            level = max(2, min(int(value["level"][1]) + self._deeper, 6))
            return f"<h{level}>", f"</h{level}>\n"
        if name in ("Link", "Image"):
            return self._link(value["dest_url"])
        if len(self._ends) >= DEEPEST:
            return "", ""
        return _list(value) if name == "List" else _NESTED[name]

    def _leaf(self, name: str, value: Any) -> tuple[str, str]:
        if name == "Table":
            self._alignments = value
        self._cells, self._cell = 0, "th" if name == "TableHead" else "td"
        return _LEAVES[name]

    def _table_cell(self) -> tuple[str, str]:
        alignment = self._alignments[self._cells]
        self._cells += 1
        align = "" if alignment == "None" else f' align="{alignment.lower()}"'
        return f"<{self._cell}{align}>", f"</{self._cell}>"

    def _code_block(self, info: str) -> tuple[str, str]:
        self._code = []
        language = _LANGUAGE.match(info.strip())
        self._language = language[0].lower() if language else ""
        attribute = f' class="language-{self._language}"' if language else ""
        return f'<pre tabindex="0"><code{attribute}>', "</code></pre>\n"

    def _link(self, url: str) -> tuple[str, str]:
        self._target = url.replace(DOLLAR, "$")
        if self._links or len(self._ends) >= DEEPEST or not _SCHEME.match(url):
            return "", ""
        self._links += 1
        return f'<a href="{escape(self._target)}">', "</a>"

    def _end(self, name: Any) -> None:
        end = self._ends.pop()
        if self._code is not None:
            self.pieces.append(self._code_html("".join(self._code)))
            self._code = None
        if name in ("Link", "Image") and len(self.pieces) == self._inside:
            self.pieces.append(escape(self._target, quote=False))
        self._links -= end == "</a>"
        self.pieces.append(end)

    def _code_html(self, code: str) -> str:
        if self._is_open or len(code) > LONGEST_HIGHLIGHTED:
            return escape(code, quote=False)
        return highlight(code, self._language)


def _list(first: int | None) -> tuple[str, str]:
    if first is None:
        return "<ul>\n", "</ul>\n"
    return ("<ol>\n" if first == 1 else f'<ol start="{first}">\n'), "</ol>\n"


def _text(text: str) -> str:
    return escape(text, quote=False).replace(DOLLAR, "$").replace(NOTHING, "")
