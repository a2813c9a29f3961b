"""A number a day, as columns."""

from collections.abc import Sequence
from datetime import date

from markupsafe import Markup

from arena.pictures.scale import Scale
from arena.pictures.svg import Picture, Words, axis_beside, label, tag
from arena.words import day as in_figures
from arena.words import number as told

WIDTH, HEIGHT = 880.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 860.0, 16.0, 224.0
WIDEST = 48.0
ROOM_FOR_A_DAY = 90.0


def columns(words: Words, days: Sequence[tuple[date, int]]) -> Picture:
    """A column for each, in their order."""
    up = Scale.from_zero([count for _, count in days], BOTTOM, TOP)
    step = min(WIDEST, (RIGHT - LEFT) / max(len(days), 1))
    parts = axis_beside(up, LEFT, RIGHT, 4)
    for number, (day, count) in enumerate(days):
        parts.append(_column(LEFT + number * step, step, up.at(count), f"{in_figures(day)}: {told(count)}"))
    every = max(1, -(-int(ROOM_FOR_A_DAY) // max(int(step), 1)))
    parts += [
        label(LEFT + number * step, BOTTOM + 20, in_figures(days[number][0]), class_="tick")
        for number in range(0, len(days), every)
        if LEFT + number * step + ROOM_FOR_A_DAY <= WIDTH
    ]
    return Picture(words, WIDTH, HEIGHT, tuple(parts))


def _column(x: float, step: float, top: float, title: str) -> Markup:
    space = 2 if step > 6 else 0
    column = tag("rect", x=x, y=top, width=step - space, height=BOTTOM - top, class_="column")
    return tag("g", tag("title", text=title), column)
