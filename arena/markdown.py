"""Answer text -> safe HTML, whole or block by block as it grows. Knows nothing of HTTP, pages or conversations.

    text ─▶ _clean ─▶ _mark_math ─▶ parser events ─▶ _Page ─▶ sanitiser ─▶ HTML

What a model wrote is untrusted: raw HTML is shown as text, images become links, and the sanitiser lets through
only what `_Page` itself writes.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from html import escape, unescape
from itertools import pairwise
from time import perf_counter
from typing import Any, Final
from xml.etree.ElementTree import Element, tostring

import nh3
import pyromark
from pyromark import Options
from pyromark.event import Event

MARKER: Final = '<span class="rest"></span>'
"""Where text that arrives later continues the open block."""

# Sizes in characters.
SHORT_BLOCK: Final = 600
"""An open block up to this size is rendered again at each update, a longer one once it has grown by GROWTH."""
GROWTH: Final = 1.2
LONGEST_HIGHLIGHTED: Final = 10_000
LONGEST_FORMULA: Final = 1_000
LONGEST_CACHED: Final = 20_000
SLOWEST_HIGHLIGHTING: Final = 0.1
"""In seconds, as the caller's event loop waits for it."""
DEEPEST: Final = 32
"""Elements nested deeper than this keep their text and lose their tags: browsers flatten at 512."""

_FEATURES = Options.ENABLE_TABLES | Options.ENABLE_STRIKETHROUGH | Options.ENABLE_TASKLISTS
_PARSER = pyromark.Markdown(options=_FEATURES | Options.ENABLE_MATH)
_PARSER_WITHOUT_MATH = pyromark.Markdown(options=_FEATURES)


def render(text: str) -> str:
    """The whole answer as sanitised HTML."""
    return _render_cached(text) if len(text) <= LONGEST_CACHED else _html(_clean(text))


@lru_cache(maxsize=256)
def _render_cached(text: str) -> str:
    return _html(_clean(text))


class Rendering:
    """One growing answer: finished top-level blocks, each rendered once, and the open last one.

    What a watcher sees is `blocks`, then `open_html` with `rest` inside its marker. `rest` only grows until
    `opened` changes; then `open_html` replaces what stood there.
    """

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.opened = 0
        self.open_html = MARKER
        self.rest = ""
        self._fed: list[str] = []
        self._fresh: list[str] = []
        self._after_return = False
        self._source = ""  # the text after the last finished block
        self._shown = 0  # open_html shows _source up to here,
        self._sent = 0  # and rest goes on from there to here
        self._split = _Splitter()
        self._stale = False  # a block was finished, so that open_html shows the past

    @property
    def text(self) -> str:
        """Everything fed so far, with plain line ends and without control characters."""
        self._fed = ["".join(self._fed)]
        return self._fed[0]

    @property
    def open_with_rest(self) -> str:
        """The open block for a watcher that joins late."""
        return self.open_html.replace(MARKER, f'<span class="rest">{self.rest}</span>')

    def feed(self, delta: str) -> None:
        """Append to the answer. Cheap: nothing is rendered before the next `update`."""
        if self._after_return and delta:
            delta = delta.removeprefix("\n")
            self._after_return = False
        self._after_return = self._after_return or delta.endswith("\r")
        delta = _clean(delta)
        self._fed.append(delta)
        self._fresh.append(delta)

    def update(self) -> None:
        """Bring `blocks`, `open_html` and `rest` up to the text fed so far."""
        fresh = "".join(self._fresh)
        self._fresh.clear()
        if not fresh:
            return
        self._source += fresh
        for finished in self._split.feed(self._source, len(fresh)):
            self._finish(finished)
        self._show()

    def finish(self) -> bool:
        """No more text: the open block is finished too.

        False when the blocks do not add up to `render(text)`, because a link in one block is defined in another:
        then the whole has to be sent again.
        """
        self.update()
        if self._source.strip():
            self._finish(self._source)
        self.opened += 1
        self.open_html = self.rest = ""
        return "".join(self.blocks) == render(self.text)

    def _finish(self, block: str) -> None:
        self.blocks.append(_html(block))
        self._source = self._source[len(block) :]
        self._stale = True

    def _show(self) -> None:
        if self._split.code_start and (self._stale or self._shown < self._split.code_start):
            self._open_code(self._split.code_start)
        elif not self._split.code_start and (self._stale or not self._can_append()):
            self._open()
        self._append()

    def _can_append(self) -> bool:
        """Whether the new text may be shown as it is: the block is long, or the text cannot mean anything else."""
        if self._shown > SHORT_BLOCK:
            return len(self._source) < GROWTH * self._shown
        after_a_letter = self._source[self._shown - 1 : self._shown].isalpha()
        return after_a_letter and bool(_PLAIN.fullmatch(self._source, self._shown))

    def _open(self) -> None:
        """Render the open block up to its last visible character: what follows decides what the space means."""
        visible = self._source.rstrip()
        self._opened(_html(visible, is_open=True), len(visible))

    def _open_code(self, start: int) -> None:
        """A top-level code block is opened empty and from then on only appended to."""
        self._opened(_html(self._source[:start], is_open=True), start)

    def _opened(self, html: str, shown: int) -> None:
        self.open_html = html
        self.rest = ""
        self.opened += 1
        self._shown = self._sent = shown
        self._stale = False

    def _append(self) -> None:
        end = len(self._source)
        if self._split.code_start and (closing := _CLOSING.search(self._source, self._sent)):
            end = closing.start()  # this may become the closing fence
        self.rest += escape(self._source[self._sent : end], quote=False)
        self._sent = max(self._sent, end)


# Within a line that has begun, none of this changes what stands before it.
_PLAIN = re.compile(r"[^\n\t`*_~\[\]()<>&;|\\$#]*")
_CLOSING = re.compile(r"(?<=\n) {0,3}[`~]+[ \t]*\Z")


# Splitting ------------------------------------------------------------------------------------------------------

_FENCE = re.compile(r"(`{3,}|~{3,}).*\n")
# Lines that certainly go on with an open block of this kind: no need to parse it again.
_GOES_ON = {
    "List": re.compile(r"(?:(?:[ \t]|[-*+] |\d{1,9}[.)] ).*\n|\n)*"),
    "BlockQuote": re.compile(r"(?:>.*\n|\n)*"),
    "Table": re.compile(r"(?:\|.*\n)*"),
}
_NOWHERE = re.compile("")


class _Splitter:
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
        complete = source[: source.rfind("\n", len(source) - grown) + 1]
        while complete and (blocks := self._finished(complete)):
            yield from blocks
            complete = complete[sum(map(len, blocks)) :]

    def _finished(self, complete: str) -> list[str]:
        if self.code_start:
            return self._closed(complete)
        goes_on = _GOES_ON.get(self._kind, _NOWHERE)
        self._is_due = self._is_due or not goes_on.fullmatch(complete, self._seen)
        self._seen = len(complete)
        if not self._is_due or self._credit < len(complete):
            return []
        self._credit -= len(complete)
        return self._divided(complete)

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
        return blocks or self._closed(complete)

    def _closed(self, complete: str) -> list[str]:
        """The open code block, once its closing line is there."""
        closing = self._closing.search(complete, self._seen)
        if closing is None:
            self._seen = len(complete)
            return []
        self.code_start = self._seen = 0
        self._kind = ""
        return [complete[: closing.end()]]


def _divide(text: str) -> tuple[list[str], str, int]:
    """Complete lines -> all their top-level blocks but the last, the kind of the last, and where it starts.

    A block reaches up to the end of its last line, so that definitions, which make no event, go with the next.
    """
    marked, unfinished = _mark_math(text)
    data = marked.encode()
    data = data[: data.rfind(b"\n", 0, unfinished) + 1]
    cuts, kind, start, end, depth = [0], "", 0, 0, 0
    for event, span in _PARSER.events_with_range(data.decode()):
        if depth == 0:
            if end:  # which may lie before the line end, or after it among the spaces that begin the next block
                line_end = data.find(b"\n", end - 1) + 1
                cuts.append(min(line_end, data.rfind(b"\n", 0, span["start"]) + 1))
            kind, start, end = _kind(event), span["start"], span["end"]
        if isinstance(event, dict):
            depth += ("Start" in event) - ("End" in event)
    chars = [len(data[:cut].decode()) for cut in cuts]
    return [text[a:b] for a, b in pairwise(chars)], kind, len(data[:start].decode())


def _kind(event: Event) -> str:
    tag: object = event.get("Start") if isinstance(event, dict) else event
    return next(iter(tag)) if isinstance(tag, dict) else str(tag)


# Events -> HTML -------------------------------------------------------------------------------------------------


def _html(text: str, *, is_open: bool = False) -> str:
    """Clean text as sanitised HTML; an open block carries the marker, and its code is not highlighted."""
    marked, _ = _mark_math(text)
    page = _Page(is_open=is_open)
    most_pieces = 10_000 + 10 * len(text)
    for event in _PARSER.events(marked):
        page.add(event)
        if len(page.pieces) > most_pieces:
            # Far more HTML than text: a table whose short rows are filled up with empty cells.
            return f'<pre tabindex="0"><code>{escape(text, quote=False)}{MARKER if is_open else ""}</code></pre>\n'
    return _cleaner().clean(page.html())


_LEAVES = {
    "Paragraph": ("<p>", "</p>\n"),
    "HtmlBlock": ('<p class="html">', "</p>\n"),
    "TableHead": ("<thead><tr>", "</tr></thead>\n<tbody>\n"),
    "TableRow": ("<tr>", "</tr>\n"),
    "Table": (
        '<div class="table" tabindex="0" role="region" aria-label="Table"><table>\n',
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
_BLOCK_ENDS = {end for _, end in _LEAVES.values()} | {f"</h{level}>\n" for level in range(3, 7)}
_BLOCK_ENDS |= {"</blockquote>\n", "</li>\n", "</ul>\n", "</ol>\n", "</th>", "</td>", "</code></pre>\n", ""}
_BREAKS = {"SoftBreak": "\n", "HardBreak": "<br>\n", "Rule": "<hr>\n"}
_SCHEME = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
_LANGUAGE = re.compile(r"[\w+#.-]{1,30}", re.ASCII)


class _Page:
    """Collects HTML from the events of the parser, in order."""

    def __init__(self, *, is_open: bool) -> None:
        self.pieces: list[str] = []
        self._is_open = is_open
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
            self.pieces.append(_formula(value, is_display=name == "DisplayMath"))

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
            level = min(int(value["level"][1]) + 2, 6)
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
        self._target = url.replace(_DOLLAR, "$")
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
        return _highlight(code, self._language)


def _list(first: int | None) -> tuple[str, str]:
    if first is None:
        return "<ul>\n", "</ul>\n"
    return ("<ol>\n" if first == 1 else f'<ol start="{first}">\n'), "</ol>\n"


def _text(text: str) -> str:
    return escape(text, quote=False).replace(_DOLLAR, "$").replace(_NOTHING, "")


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def _clean(text: str) -> str:
    """Plain line ends; control characters and lone surrogates become the replacement character."""
    if not _CONTROL.search(text):
        return text
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


# Code -----------------------------------------------------------------------------------------------------------

# What is coloured, by the short class names of Pygments; a token takes the class of its nearest ancestor.
_COLOURED = {
    "Keyword": "k",
    "Operator.Word": "k",
    "Name.Builtin": "nb",
    "Name.Class": "nb",
    "Name.Exception": "nb",
    "Name.Function": "nf",
    "Name.Attribute": "nf",
    "Name.Decorator": "nf",
    "Name.Tag": "k",
    "Literal.String": "s",
    "Literal.Number": "m",
    "Keyword.Constant": "m",
    "Comment": "c",
    "Generic.Inserted": "gi",
    "Generic.Deleted": "gd",
    "Generic.Heading": "k",
    "Generic.Subheading": "k",
}
# Languages by the names models write. Others stay plain: looking for them would import every plugin there is.
_LANGUAGES = """
    bash c c++ clojure cmake console cpp cs csharp css dart diff docker dockerfile elixir erlang fortran fsharp go
    golang graphql groovy haskell hcl hs html ini java javascript js json jsx julia kotlin latex less lisp lua
    make makefile matlab nginx objc objective-c ocaml perl php powershell proto protobuf ps1 py python python3 r
    rb ruby rust rs scala scheme scss sh shell solidity sql swift terraform tex toml ts tsx typescript vim
    xml yaml yml zig zsh
"""


# Many lexers take quadratic time for such text: minutes for a model that got stuck in a code block.
_MONOTONOUS = re.compile(r".{1000}|(?:[ \t]*\n){30}")


@lru_cache(maxsize=128)
def _highlight(code: str, language: str) -> str:
    """Code as spans with the classes of `_COLOURED`; plain where the language is unknown or the lexer too slow."""
    plain = escape(code, quote=False)
    if language not in _LANGUAGES.split() or _MONOTONOUS.search(code):
        return plain
    from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]  # slow: only where needed

    lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    spans: list[tuple[str, list[str]]] = [("", [])]
    end = perf_counter() + SLOWEST_HIGHLIGHTING
    for token, text in lexer.get_tokens(code):
        if perf_counter() > end:
            return plain
        colour = _colour(token)
        if colour != spans[-1][0]:
            spans.append((colour, []))
        spans[-1][1].append(text)
    return "".join(_span(colour, "".join(texts)) for colour, texts in spans)


def _span(colour: str, text: str) -> str:
    text = escape(text, quote=False)
    return f'<span class="{colour}">{text}</span>' if colour else text


@cache
def _colour(token: tuple[str, ...]) -> str:
    """The class of a Pygments token type, which is a tuple of names from the general to the special."""
    names = list(token)
    while names and ".".join(names) not in _COLOURED:
        names.pop()
    return _COLOURED[".".join(names)] if names else ""


# Formulas -------------------------------------------------------------------------------------------------------

# Stand-ins of one byte, so that a place in the marked text is the same place in the text.
_DOLLAR = "\x01"  # a dollar sign that delimits nothing
_NOTHING = "\x02"
_MATH_LIKE = re.compile(r"\$|\\[(\[]")
_DELIMITER = re.compile(rb"\\[^\n]|\$\$?|\n[ \t>]*(?=\n)")
_CLOSERS = {b"$": b"$", b"$$": b"$$", rb"\(": rb"\)", rb"\[": rb"\]"}
_QUOTED_LINE_END = re.compile(rb"\n[ \t>]*")


def _mark_math(text: str) -> tuple[str, int | None]:
    r"""Make `$` and `$$` the delimiters of all formulas and of nothing else, without moving a byte.

    The parser knows `$a$` and `$$a$$` inside a paragraph. So `\(a\)` and `\[a\]` become those; line ends within a
    display formula become spaces, as a line that begins with `-` would start a list; and dollar signs that are
    money are hidden. Also returned: the byte where a formula begins that is not closed yet and may span lines, since all
    from there on may turn out to be one line.
    """
    if not _MATH_LIKE.search(text):
        return text, None
    data = text.encode()
    marks = _Marks(data)
    verbatim = _verbatim(text)
    start = end = 0
    for found in _DELIMITER.finditer(data):
        while found.start() >= end:
            marks.interrupt(start)
            start, end = next(verbatim, (len(data), len(data) + 1))
        if found.end() <= start:
            marks.add(found[0], found.start())
    marks.interrupt(start)
    return marks.finish()


def _verbatim(text: str) -> Iterator[tuple[int, int]]:
    """Where text is no Markdown, in bytes: code, raw HTML, the target of a link."""
    last = 0
    for event, span in _PARSER_WITHOUT_MATH.events_with_range(text):
        if isinstance(event, dict):
            if "Code" in event or "InlineHtml" in event or _kind(event) in ("CodeBlock", "HtmlBlock"):
                yield span["start"], span["end"]
            elif event.get("End") in ("Link", "Image"):
                yield last, span["end"]
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

    def interrupt(self, at: int) -> None:
        """Code begins there, which no formula holds."""
        if self._at < at < len(self._data):
            self._abandon()

    def finish(self) -> tuple[str, int | None]:
        is_unfinished = self._opener in (rb"\(", rb"\[") or (self._opener == b"$$" and self._begins_line())
        self._abandon()
        return self._data.decode(), self._at if is_unfinished else None

    def _is_formula(self, end: int) -> bool:
        formula = self._formula(end)
        following = bytes(self._data[end + len(self._opener) :][:1])
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
        elif self._opener == rb"\[" or (self._opener == b"$$" and self._begins_line()):
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
            self._data[self._at : self._at + len(self._opener)] = _DOLLAR.encode() * len(self._opener)
        self._opener = b""

    def _begins_line(self) -> bool:
        """Only space and the marks of a quote stand before it."""
        return not self._line().strip(b" \t>")

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
    nothing = _NOTHING.encode()
    return nothing * (1 + before) + b"$" + formula.strip() + b"$" + nothing * (1 + after)


_DEFINES = re.compile(r"\\(?:def|let|newcommand|renewcommand|providecommand|newenvironment|Declare)")
_NUMBERED = re.compile(r"\{(align|equation|gather|alignat|multline)\}")
_LENGTH = re.compile(r"[+-]?\d?(?:\.\d{1,3})?(?:em|ex|mu|pt|px|width)?|[a-z]+mathspace")
_LENGTHS = ("width", "height", "depth", "lspace", "voffset")


@lru_cache(maxsize=1024)
def _formula(latex: str, *, is_display: bool) -> str:
    """LaTeX as MathML, or as its own source where it cannot be read, is very long or defines commands."""
    source = f'<code class="math">{_text(latex.strip())}</code>'
    if len(latex) > LONGEST_FORMULA or _DEFINES.search(latex):
        return source
    from latex2mathml.converter import Converter  # slow: only where needed

    latex = _NUMBERED.sub(r"{\1*}", latex.strip())
    try:
        math = Converter(display="block" if is_display else "inline").convert_to_element(latex)
        return _mathml(math)
    except Exception:  # noqa: BLE001 - half of LaTeX raises whatever the converter stumbles over, recursion included
        return source


def _mathml(math: Element) -> str:
    """The converter keeps symbols as entities beside text as written: unescape both, then escape once."""
    if math.get("display") == "inline":
        del math.attrib["display"]
    for element in math.iter():
        element.text = unescape(element.text or "")
        for name in _LENGTHS:
            if not _LENGTH.fullmatch(element.get(name, "")):
                element.attrib.pop(name, None)
    return tostring(math, encoding="unicode")


# The last line ---------------------------------------------------------------------------------------------------

_MATHML = {
    "math": {"display"},
    "menclose": {"notation"},
    "mfrac": {"linethickness"},
    "mi": {"mathvariant"},
    "mn": {"mathvariant"},
    "mo": {
        *("accent", "fence", "form", "largeop", "lspace", "mathvariant", "maxsize", "minsize", "movablelimits"),
        *("rspace", "separator", "stretchy", "symmetric"),
    },
    "mover": {"accent"},
    "mpadded": {"depth", "height", "lspace", "voffset", "width"},
    "mspace": {"depth", "height", "linebreak", "width"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mtable": {"columnalign", "columnlines", "columnspacing", "displaystyle", "rowlines", "rowspacing"},
    "mtd": {"columnalign"},
    "mtext": {"mathvariant"},
    "munder": {"accentunder"},
}
_BARE_MATHML = "mmultiscripts mphantom mprescripts mroot mrow msqrt msub msubsup msup mtr munderover none"
_TAGS = """
    a blockquote br code del div em h3 h4 h5 h6 hr input li ol p pre span strong table tbody td th thead tr ul
"""


@cache
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags={*_TAGS.split(), *_BARE_MATHML.split(), *_MATHML},
        clean_content_tags=set(),
        attributes={"a": {"href"}, "ol": {"start"}, "code": {"class"}, **_MATHML},
        tag_attribute_values={
            "div": {"tabindex": {"0"}, "role": {"region"}, "aria-label": {"Table"}},
            "input": {"type": {"checkbox"}, "checked": {""}, "disabled": {""}},
            "pre": {"tabindex": {"0"}},
            "td": {"align": {"left", "center", "right"}},
            "th": {"align": {"left", "center", "right"}},
        },
        set_tag_attribute_values={"a": {"target": "_blank"}},
        allowed_classes={"div": {"table"}, "p": {"html"}, "span": {"rest", *_COLOURED.values()}},
        link_rel="nofollow noopener noreferrer",
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
    )
