"""The wires of one service: in use, or resting until the next request. Knows no HTTP."""

import asyncio
from dataclasses import dataclass

from arena.providers.transport.dialer import Dialer, Origin
from arena.providers.transport.wire import Wire


@dataclass(frozen=True, slots=True)
class Resting:
    """A wire that nobody uses, and until when it is worth keeping, by the loop's clock."""

    wire: Wire
    until: float


class Pool:
    """Lends wires. It sets no limit to their number."""

    def __init__(self, dialer: Dialer, idle_seconds: float) -> None:
        self._dialer = dialer
        self._idle_seconds = idle_seconds
        self._resting: dict[Origin, list[Resting]] = {}
        self._lent: set[Wire] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def lend(self, origin: Origin, seconds: float | None) -> Wire:
        """The wire to there that rested last, or a new one. Raises as `Dialer.dial` does."""
        wire = self._rested(origin) or await self._dialer.dial(origin, seconds)
        self._lent.add(wire)
        return wire

    def rest(self, origin: Origin, wire: Wire) -> None:
        """Take back a wire that may carry another request."""
        if self._is_closed:
            self.drop(wire)
            return
        self._lent.discard(wire)
        until = asyncio.get_running_loop().time() + self._idle_seconds
        self._resting.setdefault(origin, []).append(Resting(wire, until))
        if self._timer is None:
            self._sweep_at(until)

    def drop(self, wire: Wire) -> None:
        self._lent.discard(wire)
        wire.close()

    def close(self) -> None:
        """Those in use are hung up on; whoever uses them drops them."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for resting in self._resting.values():
            for idle in resting:
                idle.wire.close()
        self._resting.clear()
        for wire in self._lent:
            wire.hang_up()

    def _rested(self, origin: Origin) -> Wire | None:
        resting = self._resting.get(origin, [])
        now = asyncio.get_running_loop().time()
        while resting:
            idle = resting.pop()
            if idle.until > now and idle.wire.is_quiet:
                return idle.wire
            idle.wire.close()
        return None

    def _sweep_at(self, when: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(when, self._sweep)

    def _sweep(self) -> None:
        """Close what has rested too long. In each list the oldest is the first."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        for resting in self._resting.values():
            while resting and resting[0].until <= now:
                resting.pop(0).wire.close()
        self._resting = {origin: resting for origin, resting in self._resting.items() if resting}
        if self._resting:
            self._sweep_at(min(resting[0].until for resting in self._resting.values()))
