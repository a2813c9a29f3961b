"""Both sides of a battle at one pace, that of the slower: nothing shown tells which of them is the faster.

What a side says is held back until the other has come as far, counted in characters. A side that is over is taken
to go on as fast as it was, so that the other does not leap ahead at that moment. Ends are shown together.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final

from arena.conversation import Answer, AnswerState, Side
from arena.live.side import LiveSide
from arena.router import Event, Handed, Waiting

AT_ONCE: Final = 1e9  # characters a second, of what came in one piece or not at all


@dataclass(slots=True)
class Course:
    """How far an answer is: so many `characters`; once it is over, it is taken to gain `rate` a second."""

    characters: int = 0
    rate: float = AT_ONCE
    over_since: float | None = None

    @classmethod
    def again(cls, answer: Answer, now: float) -> "Course":
        """A kept answer, as if it were written once more from now on."""
        begun = (answer.first_token_ms or 0) + (answer.thought_ms or 0)
        took = (answer.duration_ms or 0) - begun
        rate = len(answer.text) / took * 1000 if answer.text and took > 0 else AT_ONCE
        return cls(0, rate, now + begun / 1000 if answer.text else now)

    def reach(self, now: float) -> float:
        if self.over_since is None:
            return self.characters
        return self.characters + self.rate * max(0.0, now - self.over_since)


class PacedSide(LiveSide):
    """An answer being written, of which only so much is shown as the other side has reached.

    What `LiveSide` knows is what is shown; in here is what has been heard as well.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.course = Course()
        self.queued: int | None = None  # so many are served first; `ahead` is what is shown of it
        self.may_end = asyncio.Event()
        self._held: list[str] = []
        self._held_thoughts: list[str] = []
        self._shown = 0
        self._first = (0.0, 0)  # when the first piece of text came, and its length
        self._latest = 0.0

    @property
    def is_shown(self) -> bool:
        """Whether nothing more will come, and all that came is shown."""
        return self.is_ended or (self.course.over_since is not None and not self._held)

    def take(self, event: Event) -> None:
        shown = self.ahead
        super().take(event)
        if isinstance(event, Waiting | Handed):
            self.queued, self.ahead = self.ahead, shown

    def hear(self, text: str, reasoning: str) -> None:
        if text:
            self._latest = monotonic()
            if not self.course.characters:
                self._first = (self._latest, len(text))
            self.course.characters += len(text)
            self._held.append(text)
        if reasoning:
            self._held_thoughts.append(reasoning)

    def show(self, reach: float, ahead: int | None) -> None:
        """Show `reach` characters of the answer, and its thoughts once both sides have begun to answer."""
        self.ahead = ahead
        step = int(min(reach, self.course.characters)) - self._shown
        if reach > 0:
            super().hear("", "".join(self._held_thoughts))
            self._held_thoughts.clear()
        if step > 0:
            held = "".join(self._held)
            self._held = [held[step:]] if len(held) > step else []
            self._shown += step
            super().hear(held[:step], "")

    async def hold(self) -> None:
        """Nothing more will come. Returns once that may be shown."""
        self._close()
        await self.may_end.wait()

    def end(self, state: AnswerState, error: str | None = None) -> Answer:
        """One that is stopped keeps what is shown: the rest would tell how far ahead it was."""
        self._close()
        if state != "stopped":
            super().hear("".join(self._held), "".join(self._held_thoughts))
        self._held.clear()
        self._held_thoughts.clear()
        return super().end(state, error)

    def _close(self) -> None:
        if self.course.over_since is not None:
            return
        began, length = self._first
        if self._latest > began:
            self.course.rate = (self.course.characters - length) / (self._latest - began)
        self.course.over_since = monotonic()
        self.queued = None

    def _elapsed(self) -> float:
        over = self.course.over_since
        return super()._elapsed() - (0.0 if over is None else (monotonic() - over) * 1000)


class Pacer:
    """Shows the sides of a turn step by step. `kept`: sides that have answered before, as if they did it again."""

    def __init__(self, sides: Mapping[Side, LiveSide]) -> None:
        self.kept: list[Course] = []
        self._sides = sides

    def keep(self, answers: Iterable[Answer]) -> None:
        self.kept = [Course.again(answer, monotonic()) for answer in answers]

    def step(self, now: float) -> bool:
        """Show what may be shown by now. Returns whether a side has begun."""
        sides = [side for _, side in sorted(self._sides.items()) if isinstance(side, PacedSide)]
        reach = min(course.reach(now) for course in (*(side.course for side in sides), *self.kept))
        ahead = max((side.queued for side in sides if side.queued is not None), default=None)
        begun = sum(side.has_begun for side in sides)
        for side in sides:
            if not side.is_ended:
                side.show(reach, ahead)
        if all(side.is_shown for side in sides):
            self._release(sides)
        return sum(side.has_begun for side in sides) > begun

    def __enter__(self) -> "Pacer":
        return self

    def __exit__(self, *_: object) -> None:
        """No side waits for a pacer that is gone."""
        self._release(side for side in self._sides.values() if isinstance(side, PacedSide))

    def _release(self, sides: Iterable[PacedSide]) -> None:
        for side in sides:
            side.may_end.set()
