"""How wide a text is, where it is cut, and where it stands in nobody's way.

A server has no fonts: widths are those of a wide sans-serif, so that a text is rather narrower than it is thought.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal
from unicodedata import combining, east_asian_width

Anchor = Literal["start", "middle", "end"]
Spot = tuple[float, float]

HEIGHT = 16.0  # of a line of text, in pixels
_NARROW, _MIDDLE, _BROAD, _FULL = 4.6, 7.6, 11.5, 14.0


def width(text: str) -> float:
    """In pixels, at 13 pixels a letter; rather too much."""
    return sum(_width(letter) for letter in text)


def _width(letter: str) -> float:
    if combining(letter):
        return 0.0
    if east_asian_width(letter) in "WF":
        return _FULL
    if letter in "iljtf.,:;'|!()[] -·":
        return _NARROW
    return _BROAD if letter in "mwMW@%—…" or ord(letter) > 0x2FF else _MIDDLE + letter.isupper()


def cut(text: str, most: float) -> str:
    """The text, or as much of it as has room, with a sign that there is more."""
    if width(text) <= most:
        return text
    kept = text
    while kept and width(kept) + _BROAD > most:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def widest(texts: Iterable[str], most: float) -> float:
    """How wide the widest of these texts is, each cut to `most`."""
    return max((width(cut(text, most)) for text in texts), default=0.0)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places as near as can be to those that are wanted, in their order, at least `gap` apart, from low to high.

    Where there is no room for all, they are as far apart as they can be.
    """
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = [0.0] * len(wanted)
    least = low
    for i in order:
        places[i] = max(least, wanted[i])
        least = places[i] + gap
    most = high
    for i in reversed(order):
        places[i] = min(most, places[i])
        most = places[i] - gap
    return places


@dataclass(frozen=True, slots=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def is_in(self, outer: "Box") -> bool:
        return (
            outer.left <= self.left
            and self.right <= outer.right
            and outer.top <= self.top
            and self.bottom <= outer.bottom
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text begins, or ends, or has its middle; `y` is its base line."""

    x: float
    y: float
    anchor: Anchor

    def box(self, wide: float) -> Box:
        """What a text so wide covers there."""
        left = self.x - {"start": 0.0, "middle": wide / 2, "end": wide}[self.anchor]
        return Box(left, self.y - 12, left + wide, self.y + 4)


class Room:
    """The part of a picture in which labels find a place by their points, one after the other, off a `line`."""

    def __init__(self, area: Box, points: Sequence[Spot], line: Sequence[Spot] = (), radius: float = 5.0) -> None:
        self._area = area
        self._taken = [Box(x - radius, y - radius, x + radius, y + radius) for x, y in points]
        self._taken += [Box(x - 1, y - 1, x + 1, y + 1) for x, y in _along(line)]
        self._radius = radius

    def place(self, x: float, y: float, text: str) -> Place | None:
        """By the point, clear of texts, other points and the line; `None`: there is no such place."""
        wide, away = width(text), self._radius + 3
        beside, over, under = y + 4, y - away - 3, y + away + 12
        candidates = (
            Place(x + away, beside, "start"),
            Place(x - away, beside, "end"),
            Place(x, over, "middle"),
            Place(x, under, "middle"),
            Place(x - away, over, "start"),
            Place(x - away, under, "start"),
            Place(x + away, over, "end"),
            Place(x + away, under, "end"),
        )
        for place in candidates:
            box = place.box(wide)
            if box.is_in(self._area) and not any(box.meets(taken) for taken in self._taken):
                self._taken.append(box)
                return place
        return None


def _along(line: Sequence[Spot]) -> Iterator[Spot]:
    """Spots on the line, close enough together that no text fits between them."""
    for (x, y), (to_x, to_y) in pairwise(line):
        steps = 1 + int(math.hypot(to_x - x, to_y - y) / (HEIGHT / 2))
        for step in range(steps + 1):
            yield x + (to_x - x) * step / steps, y + (to_y - y) * step / steps
