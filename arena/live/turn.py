"""A turn with its sides in flight, and those who look on. Knows neither models nor the store."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from time import monotonic

from arena.conversation import Conversation, Side
from arena.live.pace import PacedSide, Pacer
from arena.live.side import Cursor, LiveSide, SideCursor, SideFrame


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

    async def rest(self, seconds: float) -> None:
        """Pause so long, or until there is reason to hurry."""
        self.hurry.clear()
        alarm = asyncio.get_running_loop().call_later(seconds, self.hurry.set)
        await self.hurry.wait()
        alarm.cancel()


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event happens within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


class LiveTurn:
    """The last turn of a conversation while sides of it are being written, or its pair is still to be drawn.

    With `is_even`, both sides are shown at the pace of the slower.
    """

    def __init__(self, conversation: Conversation, *, is_even: bool = False) -> None:
        self.conversation = conversation
        self.sides: dict[Side, LiveSide] = {}
        self.pacer = Pacer(self.sides) if is_even else None
        self.pacing: asyncio.Task[None] | None = None
        self.is_settled = False
        self.is_dismissed = False
        self.task: asyncio.Task[None] | None = None
        self._watchers: set[_Watcher] = set()
        self._seen = monotonic()

    def begin(self, conversation: Conversation) -> list[LiveSide]:
        """The drawn conversation, whose `streaming` sides are to be written; returns those that are new."""
        self.conversation = conversation
        self.look()
        answers = conversation.last.answers
        fresh: dict[Side, LiveSide] = {
            side: PacedSide(answers[side]) if self.pacer else LiveSide(answers[side])
            for side in conversation.last.sides_in("streaming")
            if side not in self.sides or self.sides[side].answer.version != answers[side].version
        }
        self.sides |= fresh
        if self.pacer:
            self.pacer.keep(answer for side, answer in answers.items() if side not in self.sides)
        return list(fresh.values())

    @property
    def number(self) -> int:
        return self.conversation.last.number

    @property
    def is_drawn(self) -> bool:
        return bool(self.conversation.models)

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

    def look(self) -> None:
        """Somebody has asked for the page as it is now: a browser without JavaScript does nothing else."""
        self._seen = monotonic()

    def unwatched_seconds(self, now: float) -> float:
        """For how long nobody has watched. `now` is on the monotonic clock."""
        return 0.0 if self._watchers else now - self._seen

    def stop(self, *, is_unwatched: bool = False) -> None:
        """End the sides being written; they are kept as they are."""
        for side in self.sides.values():
            side.stop(is_unwatched=is_unwatched)

    async def pace(self, flush_seconds: Callable[[], float]) -> None:
        """Show what may be shown by now, again and again until it is cancelled."""
        assert self.pacer is not None
        with self.pacer:
            while True:
                self.changed(at_once=self.pacer.step(monotonic()))
                await asyncio.sleep(flush_seconds())

    def settle(self) -> None:
        """No side is being written any more."""
        self.is_settled = True
        if self.pacing:
            self.pacing.cancel()
        self.changed(at_once=True)

    def dismiss(self) -> None:
        """Send the watchers away: they come back to another server."""
        self.is_dismissed = True
        self.changed(at_once=True)

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
        self, cursor: Cursor, flush_seconds: Callable[[], float], heartbeat_seconds: float
    ) -> AsyncGenerator[Frame | None, None]:
        """What a watcher at `cursor` lacks, again and again until the turn is settled or watchers are dismissed.

        At most one frame every `flush_seconds`, but the first words of a side at once; `None` where there was
        nothing to show for `heartbeat_seconds`, whatever is held back meanwhile.
        """
        watcher = _Watcher()
        self._watchers.add(watcher)
        told = monotonic()
        try:
            while not self.is_dismissed:
                watcher.changed.clear()
                quiet = (heartbeat_seconds if self.is_drawn else 1) - (monotonic() - told)
                if frame := self.frame(cursor):
                    cursor = frame.cursor
                    yield frame
                    told = monotonic()
                    await watcher.rest(flush_seconds())
                elif self.is_settled:
                    return
                elif quiet <= 0 or not await _happens(watcher.changed, quiet):
                    yield None
                    told = monotonic()
        finally:
            self._watchers.discard(watcher)
            self.look()
