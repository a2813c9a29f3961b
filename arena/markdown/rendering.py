"""A growing answer: its finished blocks, each rendered once, and the open last one. Also the whole at once."""

import re
from functools import lru_cache
from html import escape
from typing import Final

from arena.markdown.page import MARKER, to_html
from arena.markdown.splitting import Splitter
from arena.markdown.text import clean

# Sizes in characters.
SHORT_BLOCK: Final = 600
"""An open block up to this size is rendered again at each update, a longer one once it has grown by GROWTH."""
GROWTH: Final = 1.2
LONGEST_CACHED: Final = 20_000


def render(text: str) -> str:
    """The whole answer as sanitised HTML."""
    return _render_cached(text) if len(text) <= LONGEST_CACHED else to_html(clean(text))


@lru_cache(maxsize=256)
def _render_cached(text: str) -> str:
    return to_html(clean(text))


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
        self._visible = 0  # its last visible character is before here
        self._shown = 0  # open_html shows _source up to here,
        self._sent = 0  # and rest goes on from there to here
        self._split = Splitter()
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
        delta = clean(delta)
        self._fed.append(delta)
        self._fresh.append(delta)

    def update(self) -> None:
        """Bring `blocks`, `open_html` and `rest` up to the text fed so far."""
        fresh = "".join(self._fresh)
        self._fresh.clear()
        if not fresh:
            return
        source, self._source = self._source, ""  # with one reference alone, a string grows in place
        source += fresh
        if seen := fresh.rstrip():
            self._visible = len(source) - len(fresh) + len(seen)
        over = 0
        for finished in self._split.feed(source, len(fresh)):
            self._finish(finished)
            over += len(finished)
        self._source = source[over:] if over else source
        self._visible = max(0, self._visible - over)
        del source
        if seen or self._stale or self._split.code_start:  # white space alone waits for what follows it
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
        self.blocks.append(to_html(block))
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
        return after_a_letter and bool(_PLAIN.fullmatch(self._source, self._sent))  # what was sent is plain

    def _open(self) -> None:
        """Render the open block up to its last visible character: what follows decides what the space means."""
        self._opened(to_html(self._source[: self._visible], is_open=True), self._visible)

    def _open_code(self, start: int) -> None:
        """A top-level code block is opened empty and from then on only appended to."""
        self._opened(to_html(self._source[:start], is_open=True), start)

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
        rest, self.rest = self.rest, ""  # as in `update`
        rest += escape(self._source[self._sent : end], quote=False)
        self.rest = rest
        self._sent = max(self._sent, end)


# Within a line that has begun, none of this changes what stands before it.
_PLAIN = re.compile(r"[^\n\t`*_~\[\]()<>&;|\\$#]*")
_CLOSING = re.compile(r"(?<=\n) {0,3}[`~]+[ \t]*\Z")
