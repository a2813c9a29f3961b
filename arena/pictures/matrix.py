"""What every model did against every other one: a square of squares, darker for more."""

from collections.abc import Callable, Sequence
from typing import Literal

from markupsafe import Markup

from arena.pictures.labels import cut, widest
from arena.pictures.svg import Picture, Words, label, number, tag
from arena.words import number as in_figures

Cells = Sequence[Sequence[float | None]]
Kind = Literal["share", "count"]

MOST_FOR_NAMES, NUMBERS, TOP = 172.0, 40.0, 24.0
SMALLEST, LARGEST, SIDE = 15.0, 46.0, 840.0
ROOM_FOR_TEXT = 30.0
SHADES = 10


def matrix(words: Words, names: Sequence[str], cells: Cells, kind: Kind) -> Picture:
    """Rows and columns as `names`. `share`: from 0 to 1, with 1/2 in the middle; `count`: from 0 up.

    Columns carry the numbers of the rows. All cells of a shade are one path: so 60 models are a small picture.
    """
    size = max(SMALLEST, min(LARGEST, SIDE / max(len(names), 1)))
    shade, shown = (_share, _percent) if kind == "share" else (_count(cells), _short)
    left = widest(names, MOST_FOR_NAMES) + NUMBERS
    paths: dict[int, list[str]] = {}
    texts = []
    for row, values in enumerate(cells):
        for column, value in enumerate(values):
            if value is None or row == column:
                continue
            x, y = left + column * size, TOP + row * size
            edge = number(size - 1)
            paths.setdefault(shade(value), []).append(f"M{number(x)} {number(y)}h{edge}v{edge}h-{edge}z")
            if size >= ROOM_FOR_TEXT:
                text = shown(value)
                texts.append(label(x + size / 2, y + size / 2 + 4, text, anchor="middle", class_="cell"))
    drawn = [tag("path", d="".join(steps), class_=f"{kind}-{which}") for which, steps in sorted(paths.items())]
    end = len(names) * size
    return Picture(words, left + end + 8, TOP + end + 8, (*_names(names, size, left), *drawn, *texts))


def _names(names: Sequence[str], size: float, left: float) -> list[Markup]:
    every = 1 if size >= 22 else 5
    parts = []
    for place, name in enumerate(names):
        middle = (place + 0.5) * size
        words = cut(name, MOST_FOR_NAMES)
        row = label(left - 30, TOP + middle + 4, words, anchor="end")
        parts += [
            tag("g", tag("title", text=name), row) if words != name else row,
            label(left - 6, TOP + middle + 4, str(place + 1), anchor="end", class_="tick"),
        ]
        if place == 0 or (place + 1) % every == 0:
            parts.append(label(left + middle, TOP - 8, str(place + 1), anchor="middle", class_="tick"))
    return parts


def _share(value: float) -> int:
    return round(min(max(value, 0.0), 1.0) * SHADES)


def _count(cells: Cells) -> Callable[[float], int]:
    """By square roots: few battles are told apart as well."""
    most = max((value or 0.0 for row in cells for value in row), default=0.0) or 1.0
    return lambda value: round((min(max(value, 0.0), most) / most) ** 0.5 * SHADES)


def _percent(value: float) -> str:
    return in_figures(100 * value)


def _short(value: float) -> str:
    """At most four signs: 950, 1.2k, 34k, 1.5M."""
    for unit, sign in ((1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * unit:
            scaled = value / unit
            return f"{in_figures(scaled, 1 if scaled < 9.95 else 0)}{sign}"
    return in_figures(value)
