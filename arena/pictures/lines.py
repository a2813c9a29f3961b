"""Ratings over time: a line a model, its name at the end of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from arena.pictures.labels import HEIGHT, cut, spread
from arena.pictures.scale import Scale
from arena.pictures.svg import Picture, Words, axis_beside, label, line, path, tag
from arena.words import day as in_figures

WIDTH, LEFT, RIGHT, NAMES = 880.0, 56.0, 640.0, 668.0
TOP, LEAST = 20.0, 340.0
COLOURS = 6  # the first lines have one each, later ones share a quiet one
ROOM_FOR_A_DAY = 84.0


@dataclass(frozen=True, slots=True)
class Line:
    """A value for each day, where there is one."""

    name: str
    values: tuple[float | None, ...]


def lines(words: Words, days: Sequence[date], series: Sequence[Line]) -> Picture:
    """All lines, with their names beside their ends. `days` are in order; the first lines stand out."""
    drawn = [one for one in series if any(value is not None for value in one.values)]
    bottom = max(LEAST, TOP + HEIGHT * len(drawn))
    up = Scale.around([v for one in drawn for v in one.values if v is not None], bottom, TOP)
    across = Scale(0.0, max(len(days) - 1, 1), LEFT, RIGHT)
    ends = [up.at(next(v for v in reversed(one.values) if v is not None)) for one in drawn]
    heights = spread(ends, HEIGHT, TOP, bottom)
    parts = [*axis_beside(up, LEFT, RIGHT), *_days(days, across, bottom)]
    for number in reversed(range(len(drawn))):  # so that the first one lies on top
        parts.append(_line(drawn[number], number, (across, up), heights[number]))
    return Picture(words, WIDTH, bottom + 30, tuple(parts))


def _line(one: Line, number: int, scales: tuple[Scale, Scale], height: float) -> Markup:
    across, up = scales
    points = [(across.at(day), up.at(value)) for day, value in enumerate(one.values) if value is not None]
    colour = f"line-{number}" if number < COLOURS else "line-other"
    x, y = points[-1]
    return tag(
        "g",
        tag("title", text=one.name),
        path(points, f"course {colour}"),
        *(tag("circle", cx=x, cy=y, r=2.5, class_=f"mark {colour}") for x, y in points),
        path([(x + 4, y), (NAMES - 14, height), (NAMES - 4, height)], f"leader {colour}"),
        label(NAMES, height + 4, cut(one.name, WIDTH - NAMES - 6)),
    )


def _days(days: Sequence[date], across: Scale, bottom: float) -> list[Markup]:
    """As many days along the foot as there is room for, the last one among them."""
    most = max(1, int((RIGHT - LEFT) // ROOM_FOR_A_DAY))
    every = -(-len(days) // most) or 1
    shown = range(len(days) - 1, -1, -every)
    return [
        part
        for number in shown
        for part in (
            line(across.at(number), TOP, across.at(number), bottom, "grid"),
            label(across.at(number), bottom + 18, in_figures(days[number]), anchor="middle", class_="tick"),
        )
    ]
