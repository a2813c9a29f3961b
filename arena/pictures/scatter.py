"""Rating against a price or a speed, with the line of those that nobody beats in both."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from arena.pictures.labels import Box, Place, Room, cut
from arena.pictures.scale import Scale
from arena.pictures.svg import Picture, Words, axis_below, axis_beside, figures, label, path, tag, tick_below
from arena.words import _
from arena.words import number as in_figures

WIDTH, HEIGHT = 880.0, 460.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 860.0, 28.0, 404.0
LONGEST = 190.0  # of a name, in pixels
AT_ZERO, ASIDE = (
    12.0,
    64.0,
)  # from the left: where 0 is, which a logarithmic scale has not, and where the scale begins


@dataclass(frozen=True, slots=True)
class Point:
    """`y`: the rating. `x` is not under 0."""

    name: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Axis:
    """What is along the foot of the picture. `is_less_better`: as with prices."""

    words: str
    is_less_better: bool


def scatter(words: Words, axis: Axis, points: Sequence[Point]) -> Picture:
    """All points; their names where there is room, those on the line first."""
    scaled = [p.x for p in points if p.x > 0]
    has_zero = len(scaled) < len(points)
    across = Scale.around(scaled, LEFT + ASIDE if has_zero else LEFT, RIGHT, is_log=True)
    up = Scale.around([p.y for p in points], BOTTOM, TOP, margin=0.08)
    best = pareto(points, is_less_better=axis.is_less_better)
    places = {p.name: (across.at(p.x) if p.x > 0 else LEFT + AT_ZERO, up.at(p.y)) for p in points}
    front = [places[p.name] for p in best]
    room = Room(Box(LEFT, 4, RIGHT + 16, BOTTOM), list(places.values()), front)
    parts = [
        *axis_below(across, TOP, BOTTOM),
        *(tick_below(LEFT + AT_ZERO, 0.0, TOP, BOTTOM) if has_zero else ()),
        *axis_beside(up, LEFT, RIGHT),
        label((LEFT + RIGHT) / 2, BOTTOM + 40, axis.words, anchor="middle", class_="axis"),
        label(LEFT - 52, 16, _("Rating"), class_="axis"),
        path(front, "front"),
    ]
    others = sorted((p for p in points if p not in best), key=lambda p: -p.y)
    for point in (*best, *others):
        name = cut(point.name, LONGEST)
        parts.append(_point(point, places[point.name], room.place(*places[point.name], name), point in best))
    return Picture(words, WIDTH, HEIGHT, tuple(parts))


def pareto(points: Sequence[Point], *, is_less_better: bool) -> list[Point]:
    """Those that no other point is as good as in both and better in one, from the best x on."""
    sign = 1 if is_less_better else -1
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (sign * p.x, -p.y)):
        if not found or point.y > found[-1].y:
            found.append(point)
    return found


def _point(point: Point, at: tuple[float, float], place: Place | None, is_best: bool) -> Markup:
    told = _("{model}: rating {rating}, {x}").format(
        model=point.name, rating=in_figures(point.y), x=figures(point.x)
    )
    parts = [
        tag("title", text=told),
        tag("circle", cx=at[0], cy=at[1], r=4.5, class_="dot" if is_best else "dot other"),
    ]
    if place is not None:
        name = cut(point.name, LONGEST)
        parts.append(label(place.x, place.y, name, anchor=place.anchor, class_=None if is_best else "soft"))
    return tag("g", *parts)
