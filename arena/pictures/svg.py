"""Elements of SVG, the axes that pictures share, and the picture with its title and description.

Texts are escaped, numbers are finite, and nothing carries a style: classes and the style sheet do.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape

from arena import words
from arena.pictures.scale import Scale

Value = str | float | None


@dataclass(frozen=True, slots=True)
class Words:
    """What a picture is called, to the eye and to a screen reader. `key`: its id on the page."""

    key: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture. Width and height in pixels."""

    words: Words
    width: float
    height: float
    parts: tuple[Markup, ...]

    @property
    def svg(self) -> Markup:
        """The whole element, with its title and its description."""
        key = self.words.key
        return tag(
            "svg",
            tag("title", text=self.words.title, id=f"{key}-title"),
            tag("desc", text=self.words.description, id=f"{key}-desc"),
            *self.parts,
            class_="picture",
            width=self.width,
            height=self.height,
            viewBox=f"0 0 {number(self.width)} {number(self.height)}",
            role="img",
            aria_labelledby=f"{key}-title",
            aria_describedby=f"{key}-desc",
        )


def tag(name: str, *children: Markup, text: str = "", **attributes: Value) -> Markup:
    """An element. `class_` and the like lose their last stroke, others become hyphens; `None` is left out."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_shown(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = escape(text) + Markup("").join(children)
    return Markup(f"<{name}{shown}>{inner}</{name}>")  # every part of it is escaped above


def number(value: float) -> str:
    """As short as a tenth of a pixel needs."""
    assert math.isfinite(value), "a picture has no room for it"
    return f"{value:.1f}".removesuffix(".0")


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else number(value or 0.0)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def label(x: float, y: float, text: str, *, anchor: str | None = None, class_: str | None = None) -> Markup:
    """A text whose base line begins, ends or has its middle there."""
    return tag("text", text=text, x=x, y=y, text_anchor=anchor, class_=class_)


def path(points: Iterable[tuple[float, float]], class_: str) -> Markup:
    """A line through all these points."""
    steps = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    return tag("polyline", points=steps, class_=class_)


def figures(value: float) -> str:
    """A round number along an axis."""
    return words.number(value) if abs(value) >= 1000 else words.figures(value)


def axis_below(scale: Scale, top: float, bottom: float, about: int = 6) -> list[Markup]:
    """Lines down the picture, with their numbers under it."""
    parts = []
    for value in scale.ticks(about):
        parts += tick_below(scale.at(value), value, top, bottom)
    return parts


def tick_below(x: float, value: float, top: float, bottom: float) -> list[Markup]:
    """One line down the picture, with its number under it."""
    return [
        line(x, top, x, bottom, "grid"),
        label(x, bottom + 16, figures(value), anchor="middle", class_="tick"),
    ]


def axis_beside(scale: Scale, left: float, right: float, about: int = 5) -> list[Markup]:
    """Lines across the picture, with their numbers to the left of it."""
    parts = []
    for value in scale.ticks(about):
        y = scale.at(value)
        parts += [
            line(left, y, right, y, "grid"),
            label(left - 6, y + 4, figures(value), anchor="end", class_="tick"),
        ]
    return parts
