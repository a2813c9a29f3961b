"""One answer being written, and what a watcher who has seen some of it still lacks."""

import asyncio
from dataclasses import dataclass, replace
from time import monotonic

from arena.backend import Delta, Usage
from arena.conversation import Answer, AnswerState, Side
from arena.markdown import Rendering, render
from arena.router import Handed

ENDED = -1  # the `opened` of an answer that has no open block any more


@dataclass(frozen=True, slots=True)
class SideCursor:
    """How much of one side a watcher has: which version, its finished blocks, its open block and what follows."""

    version: int = 0
    blocks: int = 0
    opened: int = 0
    rest: int = 0


Cursor = dict[Side, SideCursor]


@dataclass(frozen=True, slots=True)
class SideFrame:
    """What a watcher lacks of one side.

    With `is_whole`, `blocks` replace all it has; otherwise they are appended. `open_html` replaces the open block
    where it is not `None`; otherwise `rest` is appended inside it.
    """

    side: Side
    is_whole: bool
    blocks: list[str]
    open_html: str | None
    rest: str
    is_ended: bool


class LiveSide:
    """One answer being written."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.rendering = Rendering()
        self.reasoning: list[str] = []
        self.is_ended = False
        self.is_stopping = False
        self.generation: asyncio.Task[Answer] | None = None
        self.writing: asyncio.Task[None] | None = None
        self.saved = 0
        self._replaced = 0  # how often all that was shown had to be replaced
        self._asked = monotonic()
        self._is_stale = False
        self._has_text = False

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
        opened = ENDED if self.is_ended else page.opened
        version = self.answer.version * 2 + self._replaced
        return SideCursor(version, len(page.blocks), opened, len(page.rest))

    def take(self, event: Handed | Delta | Usage) -> None:
        """Note the next event of the stream."""
        match event:
            case Delta(text, reasoning):
                if self.answer.first_token_ms is None:
                    self._note(first_token_ms=self._elapsed())
                if text:
                    self.rendering.feed(text)
                    self._is_stale = self._has_text = True
                if reasoning:
                    self.reasoning.append(reasoning)
            case Usage(prompt_tokens, completion_tokens, finish_reason, request_id):
                self._note(
                    prompt_tokens=prompt_tokens,
                    completion_tokens=completion_tokens,
                    finish_reason=finish_reason,
                    request_id=request_id,
                )
            case Handed(backend):
                self._note(backend=backend)

    def end(self, state: AnswerState, error: str | None = None) -> Answer:
        """The answer as it is kept: no more text will come."""
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
            is_ended=self.is_ended,
        )
        return frame, now

    def _note(self, **changes: object) -> None:
        self.answer = replace(self.answer, **changes)  # type: ignore[arg-type]

    def _elapsed(self) -> float:
        return (monotonic() - self._asked) * 1000
