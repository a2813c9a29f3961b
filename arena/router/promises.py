"""Requests that were let in and are still on their way to the queue: their places are kept for them.

Between the draw of a battle and its two requests lies a write to the database. Without this, a crowd that comes in
one moment would all be let in by the same free place. Pure: time is an argument, in seconds.
"""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence

from arena.router.route import Desk

KEPT_SECONDS = 5.0
"""After these the request will not come."""


class Promises:
    """Places kept, by model. Each desk of the model counts them as `promised`."""

    def __init__(self, desks: Mapping[str, Sequence[Desk]]) -> None:
        self._desks = desks
        self._made: defaultdict[str, deque[float]] = defaultdict(deque)

    def make(self, model: str, now: float) -> None:
        if model in self._desks:
            self._made[model].append(now)
            self._count(model, 1)

    def keep(self, model: str) -> bool:
        """The request is here, or will not come. Whether it had been promised a place."""
        if not self._made[model]:
            return False
        self._made[model].popleft()
        self._count(model, -1)
        return True

    def forget(self, now: float) -> None:
        """Give up the places of those who did not come."""
        for model, made in self._made.items():
            while made and made[0] <= now - KEPT_SECONDS:
                made.popleft()
                self._count(model, -1)

    def _count(self, model: str, step: int) -> None:
        for desk in self._desks[model]:
            desk.promised += step
