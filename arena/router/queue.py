"""Requests that no backend can take now, in order of arrival.

Nobody overtakes: a backend's next free place goes to the first in line who can use it. But whoever needs another
backend does not hold up the line: a later request is served where no earlier one could be.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from arena.errors import BackendBusy, BackendError, BackendUnreachable
from arena.router.quota import Charge
from arena.router.route import Desk, Route

TICK_SECONDS = 0.2
"""How often the queue looks at what has no event of its own (the minute going by, deadlines, engines coming up),
and tells those who wait their position: a thousand of them move up with each answer that ends."""

Choice = Callable[[Sequence[Route]], Route]


@dataclass(eq=False, slots=True)
class Ticket:
    """One request in line, and then at its desk: `route` and `charge` are set once it is its turn."""

    model: str
    routes: Sequence[Route]
    prompt_tokens: float
    deadline: float
    ahead: int = 0
    route: Route | None = None
    charge: Charge | None = None
    error: BackendError | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    is_counted: bool = False

    @property
    def desks(self) -> frozenset[Desk]:
        return frozenset(route.desk for route in self.routes)

    @property
    def open_routes(self) -> list[Route]:
        return [route for route in self.routes if route.is_open]

    async def moved(self) -> None:
        """Wait until it is its turn, or its position is another. Raises the `BackendError` that turns it away."""
        await self.changed.wait()
        self.changed.clear()
        if self.error is not None and self.route is None:
            raise self.error


class Queue:
    """Everybody in line. `choose` picks among routes that all have room; `tell` hears how long each line is."""

    def __init__(self, desks: Iterable[Desk], choose: Choice, tell: Callable[[str, int], None]) -> None:
        self._desks = tuple(desks)
        self._choose = choose
        self._tell = tell
        self._line: dict[Ticket, None] = {}
        self._kinds: Counter[frozenset[Desk]] = Counter()  # who waits, by the desks they may go to
        self._timer: asyncio.TimerHandle | None = None

    def join(self, ticket: Ticket) -> None:
        """Go to the end of the line; `ticket.route` is set at once where there is room."""
        self._line[ticket] = None
        self.serve()
        if ticket.route is None:
            ticket.ahead = _ahead(ticket.desks, self._kinds)
            self._count(ticket, 1)
            self._wind()

    def leave(self, ticket: Ticket) -> None:
        """Go away without having been served. A no-op for whoever is not in line."""
        if ticket in self._line:
            del self._line[ticket]
            self._count(ticket, -1)

    def serve(self) -> None:
        """Hand out what is free, first come first served."""
        now = monotonic()
        able = {desk for desk in self._desks if desk.quota.free(now) >= 1} if self._line else set()
        served = []
        for ticket in self._line:
            if not able:
                break
            routes = ticket.open_routes
            room = [r for r in routes if r.desk in able and r.desk.quota.has_room(ticket.prompt_tokens, now)]
            if not room:
                able.difference_update(route.desk for route in routes)
                continue
            route = ticket.route = self._choose(room)
            ticket.charge = route.desk.quota.take(ticket.prompt_tokens, now)
            served.append(ticket)
            if route.desk.quota.free(now) < 1:
                able.discard(route.desk)
        for ticket in served:
            del self._line[ticket]
            if ticket.is_counted:
                self._count(ticket, -1)
            ticket.changed.set()

    def turn_away(self) -> None:
        """Send away whoever waits for backends that are all down, or has waited long enough."""
        now = monotonic()
        for ticket in tuple(self._line):
            if not any(route.is_open or route.is_resting for route in ticket.routes):
                ticket.error = BackendUnreachable(f"{ticket.model}: its backends failed while it waited for one")
            elif now >= ticket.deadline:
                ticket.error = BackendBusy(f"{ticket.model}: no backend was free in time (router.queue_seconds)")
            if ticket.error is not None:
                self.leave(ticket)
                ticket.changed.set()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _wind(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.turn_away()
        self.serve()
        self._tell_positions()
        if self._line:
            self._wind()

    def _tell_positions(self) -> None:
        earlier: Counter[frozenset[Desk]] = Counter()
        for ticket in self._line:
            desks = ticket.desks
            ahead = _ahead(desks, earlier)
            earlier[desks] += 1
            if ahead != ticket.ahead:
                ticket.ahead = ahead
                ticket.changed.set()

    def _count(self, ticket: Ticket, step: int) -> None:
        ticket.is_counted = step > 0
        desks = ticket.desks
        self._kinds[desks] += step
        if not self._kinds[desks]:
            del self._kinds[desks]
        for desk in desks:
            desk.waiting += step
            self._tell(desk.name, desk.waiting)


def _ahead(desks: frozenset[Desk], waiting: Counter[frozenset[Desk]]) -> int:
    """How many of those who wait are after one of these desks too."""
    return sum(count for others, count in waiting.items() if not desks.isdisjoint(others))
