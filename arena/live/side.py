"""One answer being written, and what a watcher who has seen some of it still lacks."""

import asyncio
from dataclasses import asdict, dataclass, replace
from time import monotonic

from arena.backend import Delta, Usage
from arena.conversation import Answer, AnswerState, Side
from arena.markdown import Rendering, clean, render
from arena.router import Event, Handed, Waiting

# The `opened` of an answer that has no open block: any more; or yet, and then less by one for each who is ahead.
ENDED = -1
WAITING = -2

UNWATCHED = "unwatched"
"""The finish reason of an answer that was stopped because nobody looked on."""


@dataclass(frozen=True, slots=True)
class SideCursor:
    """How much of one side a watcher has.

    Which version, its finished blocks, its open block and what follows in it, and characters of its reasoning.
    """

    version: int = 0
    blocks: int = 0
    opened: int = 0
    rest: int = 0
    thoughts: int = 0


Cursor = dict[Side, SideCursor]


@dataclass(frozen=True, slots=True)
class SideFrame:
    """What a watcher lacks of one side.

    With `is_whole`, `blocks` replace all it has; otherwise they are appended. `open_html` replaces the open block
    where it is not `None`; otherwise `rest` is appended inside it. `thoughts` is plain text, to be appended to the
    reasoning. With `is_silent` there is nothing to read yet; with `begins` there is, since this frame.
    """

    side: Side
    is_whole: bool
    blocks: list[str]
    open_html: str | None
    rest: str
    thoughts: str
    is_ended: bool
    is_silent: bool
    begins: bool


class LiveSide:
    """One answer being written."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.rendering = Rendering()
        self.reasoning: list[str] = []
        self.is_ended = False
        self.ahead: int | None = None  # so many are served first, while the answer waits for a backend
        self.is_stopping = False
        self.is_unwatched = False  # which is why it is stopping
        self.generation: asyncio.Task[Answer] | None = None
        self.writing: asyncio.Task[None] | None = None
        self.saved = 0
        self._replaced = 0  # how often all that was shown had to be replaced
        self._asked = monotonic()  # and once it has been, the moment a backend was first handed the request
        self._is_handed = False
        self._is_stale = False
        self._has_text = False
        self._thoughts = 0  # characters of reasoning
        self._thinks = False  # it began with reasoning, and has not begun to answer

    @property
    def has_begun(self) -> bool:
        """Whether there is something to read, or nothing to come."""
        return self.is_ended or self._has_text

    @property
    def position(self) -> SideCursor:
        """Where a watcher is that has been given everything of this side."""
        if self._is_stale:
            self.rendering.update()
            self._is_stale = False
        page = self.rendering
        opened = ENDED if self.is_ended else page.opened if self.ahead is None else WAITING - self.ahead
        version = self.answer.version * 2 + self._replaced
        return SideCursor(version, len(page.blocks), opened, len(page.rest), self._thoughts)

    def stop(self, *, is_unwatched: bool) -> None:
        """End the generation; what it has written stays. Once is enough."""
        if self.is_stopping or self.is_ended:
            return
        self.is_stopping, self.is_unwatched = True, is_unwatched
        if self.generation:
            self.generation.cancel()

    def take(self, event: Event) -> None:
        """Note the next event of the stream."""
        match event:
            case Delta(text, reasoning):
                if self.answer.first_token_ms is None:
                    self._note(first_token_ms=self._elapsed())
                    self._thinks = not text
                if text and self._thinks:
                    self._note(thought_ms=self._elapsed() - (self.answer.first_token_ms or 0))
                    self._thinks = False
                self.hear(text, reasoning)
            case Usage():
                self._note(**asdict(event))
            case Waiting(ahead):
                self.ahead = ahead
            case Handed(backend):
                self.ahead = None
                if not self._is_handed:
                    self._is_handed, self._asked = True, monotonic()
                self._note(backend=backend)

    def hear(self, text: str, reasoning: str) -> None:
        """Take in what the model says, to be shown."""
        if text:
            self.rendering.feed(text)
            self._is_stale = self._has_text = True
        if reasoning:
            self.reasoning.append(clean(reasoning))
            self._thoughts += len(self.reasoning[-1])

    async def hold(self) -> None:
        """Nothing more will come. Returns once that may be shown: at once, where each side has its own pace."""

    def end(self, state: AnswerState, error: str | None = None) -> Answer:
        """The answer as it is kept: no more text will come."""
        if state == "stopped" and self.is_unwatched:
            self._note(finish_reason=UNWATCHED)
        self._note(
            state=state,
            error=error,
            text=self.rendering.text,
            reasoning="".join(self.reasoning),
            duration_ms=self._elapsed(),
        )
        return self.answer

    def announce(self) -> None:
        """Let watchers see that the answer has ended: only now, that it is kept."""
        if not self.rendering.finish():
            self.rendering.blocks = [render(self.rendering.text)]
            self._replaced += 1
        self._is_stale = False
        self.is_ended = True

    def frame(self, seen: SideCursor) -> tuple[SideFrame, SideCursor] | None:
        """What a watcher that is at `seen` lacks, and where it is then; `None` where it lacks nothing."""
        now = self.position
        if now == seen:
            return None
        page = self.rendering
        is_whole = seen.version != now.version or seen.blocks > now.blocks
        is_new = is_whole or seen.opened != now.opened
        frame = SideFrame(
            side=self.answer.side,
            is_whole=is_whole,
            blocks=page.blocks[0 if is_whole else seen.blocks :],
            open_html=page.open_with_rest if is_new else None,
            rest="" if is_new else page.rest[seen.rest :],
            thoughts="".join(self.reasoning)[0 if is_whole else seen.thoughts :],
            is_ended=self.is_ended,
            is_silent=not self.has_begun,
            begins=self.has_begun and (seen.opened == 0 or seen.opened <= WAITING),
        )
        return frame, now

    def _note(self, **changes: object) -> None:
        self.answer = replace(self.answer, **changes)  # type: ignore[arg-type]

    def _elapsed(self) -> float:
        return (monotonic() - self._asked) * 1000
