"""Numbers -> places in a picture, and the round numbers along an axis."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

LARGEST = 1e12  # what lies farther out is drawn at the edge
SMALLEST = 1e-12
FEWEST = 3  # ticks of 1, 2, 5, 10, …: a logarithmic scale with fewer has even steps


@dataclass(frozen=True, slots=True)
class Scale:
    """From the numbers `low` to `high` to the places `start` to `end`, which may run backwards.

    Whatever is asked of it, the answer lies between the two places.
    """

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    @classmethod
    def around(
        cls, values: Iterable[float], start: float, end: float, *, is_log: bool = False, margin: float = 0.05
    ) -> "Scale":
        """A scale on which all these numbers are, with some room beside them."""
        floor = SMALLEST if is_log else -LARGEST
        kept = [min(max(v, floor), LARGEST) for v in values if math.isfinite(v)] or [1.0]
        low, high = min(kept), max(kept)
        if is_log:
            room = (high / low) ** margin if high > low * 1.001 else 2.0
            return cls(low / room, high * room, start, end, is_log=True)
        room = (high - low) * margin or max(abs(high) * margin, 1.0)
        return cls(low - room, high + room, start, end)

    @classmethod
    def from_zero(cls, values: Iterable[float], start: float, end: float) -> "Scale":
        """A scale from 0 to a round number that is not under any of these."""
        highest = min(max([1.0, *(v for v in values if math.isfinite(v))]), LARGEST)
        step = _step(highest / 4)
        return cls(0.0, math.ceil(highest / step) * step, start, end)

    def at(self, value: float) -> float:
        """Where this number is."""
        share = min(max(self._share(value), 0.0), 1.0)
        place = self.start * (1 - share) + self.end * share
        return min(max(place, min(self.start, self.end)), max(self.start, self.end))

    def ticks(self, about: int = 5) -> list[float]:
        """Round numbers on the scale, in their order: roughly so many."""
        if self.is_log and len(powers := self._powers(about)) >= FEWEST:
            return powers
        step = _step((self.high - self.low) / max(about, 1))
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [number * step for number in range(first, min(last, first + 4 * about) + 1)]

    def _share(self, value: float) -> float:
        if math.isnan(value):
            return 0.0
        if not self.is_log:
            return (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        value = min(max(value, self.low), self.high)
        return math.log(value / self.low) / math.log(self.high / self.low)

    def _powers(self, about: int) -> list[float]:
        """1, 2, 5, 10, … as densely as there is room for."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        every = max(1, math.ceil((last - first) / about))
        for digits in ((1, 2, 5), (1, 3), (1,)):
            found = [
                digit * 10.0**power
                for power in range(first, last + 1, every if digits == (1,) else 1)
                for digit in digits
                if self.low <= digit * 10.0**power <= self.high
            ]
            if len(found) <= 2 * about:
                return found
        return found


def _step(about: float) -> float:
    """1, 2 or 5 times a power of ten, at least `about`."""
    power = 10.0 ** math.floor(math.log10(max(about, SMALLEST)))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= about * 0.999999)
