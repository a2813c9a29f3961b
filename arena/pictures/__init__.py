"""Pictures of numbers as SVG: plain elements with classes, which the style sheet colours, light and dark.

    scale.py      numbers -> places in the picture, and the round numbers along an axis
    labels.py     how wide a text is, where it is cut, and where it stands in nobody's way
    svg.py        elements, axes, and the picture with its title and description
    intervals.py  a rating and its interval, model under model
    matrix.py     what every model did against every other one
    scatter.py    rating against a price or a speed, with the line of those that nobody beats in both
    lines.py      ratings over time
    columns.py    a number a day

A picture has the size in pixels that it says: a window that is too narrow scrolls over it, and no text shrinks.
Knows no board, no page and no address.
"""

from arena.pictures.columns import columns
from arena.pictures.intervals import Interval, intervals
from arena.pictures.lines import Line, lines
from arena.pictures.matrix import matrix
from arena.pictures.scatter import Axis, Point, scatter
from arena.pictures.svg import Picture, Words

__all__ = [
    "Axis",
    "Interval",
    "Line",
    "Picture",
    "Point",
    "Words",
    "columns",
    "intervals",
    "lines",
    "matrix",
    "scatter",
]
