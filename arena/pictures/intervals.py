"""A rating and its interval, model under model."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from arena.pictures.labels import cut, widest
from arena.pictures.scale import Scale
from arena.pictures.svg import Picture, Words, axis_below, label, line, tag
from arena.words import _
from arena.words import number as in_figures

ROW = 24.0
MOST_FOR_NAMES = 196.0
PLOT, NOTES, GAP = 580.0, 80.0, 12.0


@dataclass(frozen=True, slots=True)
class Interval:
    """`note`: what stands at the end of the row."""

    name: str
    value: float
    low: float
    high: float
    note: str = ""


def intervals(words: Words, rows: Sequence[Interval]) -> Picture:
    """A row for each, in their order."""
    bottom = 8 + ROW * max(len(rows), 1)
    edges = [edge for row in rows for edge in (row.low, row.value, row.high)]
    left = widest([row.name for row in rows], MOST_FOR_NAMES) + 2 * GAP
    scale = Scale.around(edges, left, left + PLOT, margin=0.03)
    parts = axis_below(scale, 4, bottom)
    for number, row in enumerate(rows):
        parts += _row(row, scale, 8 + ROW * (number + 0.5))
    return Picture(words, left + PLOT + NOTES, bottom + 28, tuple(parts))


def _row(row: Interval, scale: Scale, y: float) -> list[Markup]:
    low, value, high = (scale.at(v) for v in (row.low, row.value, row.high))
    name = cut(row.name, MOST_FOR_NAMES)
    parts = [
        label(scale.start - GAP, y + 4, name, anchor="end"),
        line(low, y, high, y, "whisker"),
        line(low, y - 4, low, y + 4, "whisker"),
        line(high, y - 4, high, y + 4, "whisker"),
        tag("circle", cx=value, cy=y, r=4.5, class_="dot"),
    ]
    if row.note:
        parts.append(label(scale.end + NOTES - 4, y + 4, row.note, anchor="end", class_="tick"))
    told = _("{model}: {rating}, {low} to {high}").format(
        model=row.name, rating=in_figures(row.value), low=in_figures(row.low), high=in_figures(row.high)
    )
    return [tag("g", tag("title", text=told), *parts)]
