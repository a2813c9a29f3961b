"""Turns in flight: the server owns a generation, a connection only watches.

A `LiveTurn` is filled by one task a side and seen by any number of watchers. Watchers see state, not a queue: each
says how far it is (`Cursor`) and gets a `Frame` with what it lacks, so a slow one skips and a late one catches up.
Text is rendered once however many watch, and not at all while nobody does. Knows nothing of HTTP.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

from arena.backend import Delta, Message, Usage
from arena.config import Config
from arena.conversation import Answer, AnswerState, Conversation, Side
from arena.errors import ArenaError, BackendError, StoreError, Unavailable
from arena.markdown import Rendering, render
from arena.router import Handed, Router
from arena.store import Store
from arena.store.store import Partial

log = logging.getLogger(__name__)

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


@dataclass(frozen=True, slots=True)
class Frame:
    """What a watcher lacks, and the cursor it has afterwards."""

    sides: list[SideFrame]
    cursor: Cursor


@dataclass(eq=False)
class _Watcher:
    """Somebody who looks on: woken when something `changed`, and from its pause when it should `hurry`."""

    changed: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event happens within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


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


class LiveTurn:
    """The last turn of a conversation while sides of it are being written, or its pair is still to be drawn."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.sides: dict[Side, LiveSide] = {}
        self.is_settled = False
        self.is_dismissed = False
        self.problem: ArenaError | None = None
        self.task: asyncio.Task[None] | None = None
        self._watchers: set[_Watcher] = set()

    def begin(self, conversation: Conversation) -> list[LiveSide]:
        """The drawn conversation, whose `streaming` sides are to be written; returns those that are new."""
        self.conversation = conversation
        answers = conversation.last.answers
        fresh = {
            side: LiveSide(answers[side])
            for side in conversation.last.sides_in("streaming")
            if side not in self.sides or self.sides[side].answer.version != answers[side].version
        }
        self.sides |= fresh
        return list(fresh.values())

    @property
    def is_drawn(self) -> bool:
        return self.conversation.pair is not None

    @property
    def snapshot(self) -> Conversation:
        """The conversation as it stands, with the answers in flight as far as they are."""
        *earlier, last = self.conversation.turns
        now = replace(last, answers=last.answers | {s: live.answer for s, live in self.sides.items()})
        return replace(self.conversation, turns=(*earlier, now))

    @property
    def cursor(self) -> Cursor:
        """Where a watcher is that has been given everything."""
        return {side: live.position for side, live in self.sides.items()}

    def settle(self) -> None:
        """No side is being written any more."""
        self.is_settled = True
        self.changed()

    def dismiss(self) -> None:
        """Send the watchers away: they come back to another server."""
        self.is_dismissed = True
        self.changed()

    def changed(self, *, at_once: bool = False) -> None:
        """Wake the watchers; `at_once` where they should not wait for the next flush."""
        for watcher in self._watchers:
            watcher.changed.set()
            if at_once:
                watcher.hurry.set()

    def frame(self, cursor: Cursor) -> Frame | None:
        """What a watcher at `cursor` lacks, `None` where it is up to date."""
        found: dict[Side, tuple[SideFrame, SideCursor]] = {}
        for side, live in self.sides.items():
            if step := live.frame(cursor.get(side, SideCursor())):
                found[side] = step
        if not found:
            return None
        return Frame([frame for frame, _ in found.values()], cursor | {s: now for s, (_, now) in found.items()})

    async def watch(
        self, cursor: Cursor, flush_seconds: float, heartbeat_seconds: float
    ) -> AsyncGenerator[Frame | None, None]:
        """What a watcher at `cursor` lacks, again and again until the turn is settled or watchers are dismissed.

        At most one frame every `flush_seconds`, but the first words of a side at once; `None` where nothing has
        happened for `heartbeat_seconds`.
        """
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            while not self.is_dismissed:
                watcher.changed.clear()
                if frame := self.frame(cursor):
                    cursor = frame.cursor
                    yield frame
                    await self._pause(watcher, flush_seconds)
                elif self.is_settled:
                    return
                elif not await _happens(watcher.changed, heartbeat_seconds if self.is_drawn else 1):
                    yield None
        finally:
            self._watchers.discard(watcher)

    async def _pause(self, watcher: _Watcher, seconds: float) -> None:
        if all(live.has_begun for live in self.sides.values()):
            await asyncio.sleep(seconds)
            return
        watcher.hurry.clear()
        await _happens(watcher.hurry, seconds)


@dataclass
class Live:
    """All turns in flight."""

    config: Config
    store: Store
    router: Router
    heartbeat_seconds: float = 15
    _turns: dict[str, LiveTurn] = field(default_factory=dict)
    _saver: asyncio.Task[None] | None = None
    _is_closing: bool = False

    async def start(self) -> None:
        """Answers cut off by the last stop become `interrupted`; from now on texts in flight are saved."""
        if count := await self.store.interrupt_all():
            log.warning("%d answers were cut off by the last stop; they are written again on return", count)
        self._saver = asyncio.create_task(self._save_regularly())

    async def close(self) -> None:
        """Stop all sides, keep what they have. They are `interrupted` after the next start."""
        self.dismiss()
        tasks = [turn.task for turn in self._turns.values() if turn.task]
        for task in (*tasks, *([self._saver] if self._saver else [])):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._save()

    def dismiss(self) -> None:
        """Send every watcher away and take nothing new: the server is stopping."""
        self._is_closing = True
        for turn in self._turns.values():
            turn.dismiss()

    def turn(self, key: str) -> LiveTurn | None:
        """The turn in flight of that conversation, if there is one."""
        return self._turns.get(key)

    # What a visitor does

    async def open(self, voter_id: str, prompt: str) -> Conversation:
        """Start a battle. The row exists before anything runs. Raises `Unavailable` where none can be drawn."""
        pair = self.router.draw()
        conversation = await self.store.open_conversation(voter_id, prompt, pair)
        self._launch(conversation)
        return conversation

    async def follow_up(self, key: str, voter_id: str | None, prompt: str) -> None:
        """The next prompt of a battle. Raises `NotFound`, `Conflict`."""
        self._launch(await self.store.open_turn(key, voter_id, prompt, self.config.limits.turns))

    async def regenerate(self, key: str, voter_id: str | None, side: Side | None) -> None:
        """Answer the last prompt again, on one side or both. Raises `NotFound`, `Conflict`."""
        self._launch(await self.store.regenerate(key, voter_id, side))

    async def stop(self, key: str) -> None:
        """End the sides being written and keep their text; returns when it is kept. A no-op where none is."""
        turn = self._turns.get(key)
        if turn is None or turn.task is None or not turn.is_drawn:
            return
        for side in turn.sides.values():
            side.is_stopping = True
            if side.generation:
                side.generation.cancel()
        await asyncio.wait([turn.task])

    async def revive(self, conversation: Conversation) -> LiveTurn | None:
        """Go on with a battle that a stop of the server had cut off. The turn in flight, if there is one."""
        is_cut_off = not conversation.last.answers or bool(conversation.last.sides_in("interrupted"))
        if conversation.pair is None and not (self.router.can_draw or self.router.is_loading):
            return None
        if conversation.vote is None and is_cut_off and conversation.id not in self._turns:
            if conversation.pair is not None:
                conversation = await self.store.revive(conversation)
            self._launch(conversation)
        return self._turns.get(conversation.id)

    # What the server does about it

    def _launch(self, conversation: Conversation) -> None:
        """Start writing the `streaming` sides of the last turn, except those that are being written already."""
        if self._is_closing:
            return
        if turn := self._turns.get(conversation.id):
            if conversation.pair is not None:
                self._begin(turn, conversation)
            return
        turn = self._turns[conversation.id] = LiveTurn(conversation)
        turn.task = asyncio.create_task(self._play(turn))

    def _begin(self, turn: LiveTurn, conversation: Conversation) -> None:
        for side in turn.begin(conversation):
            side.writing = asyncio.create_task(self._write(turn, side))
        turn.changed(at_once=True)

    async def _play(self, turn: LiveTurn) -> None:
        """One turn from its draw to its last answer, whoever watches."""
        try:
            conversation = turn.conversation
            if conversation.pair is None:
                conversation = await self.store.set_pair(conversation, await self.router.wait_to_draw())
            self._begin(turn, conversation)
            while writing := [s.writing for s in turn.sides.values() if s.writing and not s.writing.done()]:
                await asyncio.wait(writing)
        except (Unavailable, StoreError) as exc:
            log.warning("battle %s could not be started: %s", turn.conversation.id, exc)
            turn.problem = exc
        except asyncio.CancelledError:
            await _cancel([side.writing for side in turn.sides.values()])
            raise
        del self._turns[turn.conversation.id]
        turn.settle()

    async def _write(self, turn: LiveTurn, side: LiveSide) -> None:
        """One side from its prompt to its end, which is on disk before anyone sees it."""
        side.generation = asyncio.create_task(self._generate(turn, side))
        if side.is_stopping:
            side.generation.cancel()
        try:
            await asyncio.wait([side.generation])
            answer = side.end("stopped") if side.generation.cancelled() else side.generation.result()
            await self._keep(turn, answer)
        except asyncio.CancelledError:
            await _cancel([side.generation])
            raise
        except Exception:
            log.exception("side %s of %s could not be kept", side.answer.side, turn.conversation.id)
            side.end("failed", BackendError.kind)
        side.announce()
        turn.changed(at_once=True)

    async def _keep(self, turn: LiveTurn, answer: Answer) -> None:
        """Put an answer on disk, however often that takes."""
        while True:
            try:
                await self.store.finish_answer(turn.conversation.id, turn.conversation.last.number, answer)
            except StoreError as exc:
                log.error("side %s of %s could not be kept yet: %s", answer.side, turn.conversation.id, exc)
            else:
                return
            await asyncio.sleep(self.config.live.checkpoint_seconds)

    async def _generate(self, turn: LiveTurn, side: LiveSide) -> Answer:
        """One side's answer, however it ended. Only the stop of the server passes through."""
        chat = chat_for(turn.conversation, side.answer.side)
        try:
            async with aclosing(self.router.stream(side.answer.model, chat)) as events:
                async for event in events:
                    had_begun = side.has_begun
                    side.take(event)
                    turn.changed(at_once=not had_begun and side.has_begun)
        except BackendError as exc:
            log.warning("side %s of %s failed: %s", side.answer.side, turn.conversation.id, exc)
            return side.end("failed", exc.kind)
        except asyncio.CancelledError:
            if not side.is_stopping:
                raise
            return side.end("stopped")
        except Exception:
            log.exception("side %s of %s failed unexpectedly", side.answer.side, turn.conversation.id)
            return side.end("failed", BackendError.kind)
        return side.end("done")

    async def _save_regularly(self) -> None:
        while True:
            await asyncio.sleep(self.config.live.checkpoint_seconds)
            await self._save()

    async def _save(self) -> None:
        """Save the texts in flight that have grown since they were last saved."""
        grown = list(_grown(self._turns.values()))
        try:
            await self.store.save_partials([partial for _, partial in grown])
        except StoreError as exc:
            log.error("texts in flight could not be saved yet: %s", exc)
            return
        for live, partial in grown:
            live.saved = len(partial.text) + len(partial.reasoning)


async def _cancel(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    """Cancel what still runs, and wait until it has let go."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _grown(turns: Iterable[LiveTurn]) -> Iterable[tuple[LiveSide, Partial]]:
    """The sides that have more text than was saved."""
    for turn in turns:
        for live in turn.sides.values():
            text, reasoning = live.rendering.text, "".join(live.reasoning)
            if live.is_ended or live.saved == len(text) + len(reasoning):
                continue
            key, number = turn.conversation.id, turn.conversation.last.number
            yield live, Partial(key, number, live.answer.side, live.answer.version, text, reasoning)


def chat_for(conversation: Conversation, side: Side) -> tuple[Message, ...]:
    """The chat as this side knows it: every prompt, and its own answers to the earlier ones."""
    chat: list[Message] = []
    for turn in conversation.turns[:-1]:
        chat += [Message("user", turn.prompt), Message("assistant", turn.answers[side].text)]
    return (*chat, Message("user", conversation.last.prompt))
