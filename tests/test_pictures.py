"""Pictures of numbers: whatever numbers and names are, nothing lies outside and no text lies on another."""

import math
from datetime import date, timedelta
from html import unescape
from itertools import combinations, pairwise
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.pictures import (
    Axis,
    Interval,
    Line,
    Picture,
    Point,
    Words,
    columns,
    intervals,
    lines,
    matrix,
    scatter,
)
from arena.pictures.labels import HEIGHT, Box, cut, spread, width
from arena.pictures.scale import Scale
from arena.pictures.scatter import pareto
from arena.pictures.svg import tag

WORDS = Words("key", "A title", "A description")
PRICE = Axis("USD", is_less_better=True)
FIRST = date(2026, 1, 1)

numbers = st.floats(allow_nan=False)
anything = st.floats()
names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=60)
ratings = st.floats(-1e9, 1e9)


def elements(picture: Picture) -> list[Element]:
    return list(fromstring(str(picture.svg)).iter())


def texts(picture: Picture) -> list[tuple[str, Box]]:
    """Every text of a picture, and the room that it takes."""
    found = []
    for element in elements(picture):
        if element.tag != "text" or not (said := element.text):
            continue
        x, y = float(element.get("x", 0)), float(element.get("y", 0))
        small = {"tick": 12 / 13, "cell": 11 / 13}.get(element.get("class") or "", 1.0)
        wide = width(said) * small
        left = {"end": x - wide, "middle": x - wide / 2}.get(element.get("text-anchor") or "", x)
        found.append((said, Box(left, y - 10, left + wide, y + 2)))
    return found


def assert_sound(picture: Picture) -> None:
    """Numbers are numbers, and whatever has a place has it inside."""
    for element in elements(picture):
        for key in ("x", "x1", "x2", "cx", "y", "y1", "y2", "cy"):
            most = picture.width if "x" in key else picture.height
            if (value := element.get(key)) is not None:
                assert 0 <= float(value) <= most, (element.tag, key, value)
        for value in element.attrib.values():
            assert "nan" not in value.lower().split()
            assert "inf" not in value.lower().split()


def assert_readable(picture: Picture) -> None:
    """No text lies on another one, and none reaches over the edge."""
    found = texts(picture)
    for (one, first), (other, second) in combinations(found, 2):
        assert not first.meets(second), (one, other)
    for said, box in found:
        assert box.is_in(Box(-1, -1, picture.width + 1, picture.height + 1)), said


# Scales


@given(st.lists(anything, max_size=8), anything, st.booleans(), st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_a_place_is_between_the_ends_of_the_scale(
    values: list[float], value: float, is_log: bool, start: float, end: float
) -> None:
    scale = Scale.around(values, start, end, is_log=is_log)
    assert min(start, end) <= scale.at(value) <= max(start, end)


@given(st.lists(anything, max_size=8), st.booleans(), st.integers(1, 10))
def test_ticks_are_few_finite_and_on_the_scale(values: list[float], is_log: bool, about: int) -> None:
    scale = Scale.around(values, 0, 100, is_log=is_log)
    ticks = scale.ticks(about)
    assert len(ticks) <= 4 * about + 1
    assert all(math.isfinite(tick) for tick in ticks)
    assert ticks == sorted(ticks)


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_larger_numbers_are_farther_along(one: float, other: float) -> None:
    scale = Scale.around([one, other], 0, 100)
    assert (scale.at(one) <= scale.at(other)) or one > other


@given(st.lists(st.integers(0, 10**9), max_size=8))
def test_a_scale_from_zero_has_room_for_the_highest(values: list[int]) -> None:
    scale = Scale.from_zero(values, 100, 0)
    assert scale.low == 0
    assert scale.high >= max(values, default=0)


def test_ticks_are_round_numbers() -> None:
    assert Scale(800, 1200, 0, 100).ticks(5) == [800, 900, 1000, 1100, 1200]
    assert Scale(0.1, 10, 0, 100, is_log=True).ticks(5) == [0.1, 0.2, 0.5, 1, 2, 5, 10]


def test_a_narrow_logarithmic_scale_has_ticks_all_the_same() -> None:
    assert Scale(62, 163, 0, 100, is_log=True).ticks(6) == [80, 100, 120, 140, 160]


# Labels


@given(names, st.floats(20, 400))
def test_a_cut_name_has_room(name: str, most: float) -> None:
    shown = cut(name, most)
    assert shown == name or (shown.endswith("…") and width(shown) <= most)


@given(st.lists(st.floats(0, 500), max_size=40))
def test_labels_that_are_spread_keep_their_distance_and_their_order(wanted: list[float]) -> None:
    places = spread(wanted, HEIGHT, 0, 700)
    assert all(-1e-6 <= place <= 700 + 1e-6 for place in places)
    ordered = sorted(places)
    assert all(b - a >= min(HEIGHT, 700 / max(len(wanted) - 1, 1)) - 1e-6 for a, b in pairwise(ordered))
    assert [p for _, p in sorted(zip(wanted, places, strict=True))] == ordered


# Pictures


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(names, anything, anything, anything), max_size=20))
def test_intervals_of_anything_are_a_picture(rows: list[tuple[str, float, float, float]]) -> None:
    kept = [Interval(*row) for row in rows if all(map(math.isfinite, row[1:]))]
    assert_sound(intervals(WORDS, kept))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(names, st.floats(0, 1e9), ratings), max_size=20, unique_by=lambda p: p[0]))
def test_a_scatter_of_anything_is_a_picture(points: list[tuple[str, float, float]]) -> None:
    assert_sound(scatter(WORDS, PRICE, [Point(*point) for point in points]))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.none() | ratings, min_size=4, max_size=4), max_size=12))
def test_lines_through_anything_are_a_picture(series: list[list[float | None]]) -> None:
    days = [FIRST + timedelta(days=n) for n in range(4)]
    assert_sound(lines(WORDS, days, [Line(f"Model {n}", tuple(values)) for n, values in enumerate(series)]))


@given(st.lists(st.integers(0, 10**7), max_size=100))
def test_columns_of_any_height_are_a_picture(counts: list[int]) -> None:
    assert_sound(columns(WORDS, [(FIRST + timedelta(days=n), count) for n, count in enumerate(counts)]))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 12), st.none() | st.floats(0, 1e9), st.sampled_from(["share", "count"]))
def test_a_matrix_of_anything_is_a_picture(size: int, value: float | None, kind: str) -> None:
    cells = [[value] * size for _ in range(size)]
    assert_sound(matrix(WORDS, [f"Model {n}" for n in range(size)], cells, kind))  # type: ignore[arg-type]


def model(number: int) -> str:
    return (
        f"Model {number} with a name that goes on and on, thinking, preview of 2026"
        if number % 3
        else f"M{number}"
    )


@pytest.mark.parametrize("count", [4, 12, 20, 33, 60])
def test_no_text_lies_on_another(count: int) -> None:
    many = range(count)
    rows = [Interval(model(n), 1300 - n * 9.7, 1280 - n * 9.7, 1320 - n * 9.7, f"{n}-{n + 3}") for n in many]
    assert_readable(intervals(WORDS, rows))
    cells = [[None if a == b else a / count for b in many] for a in many]
    assert_readable(matrix(WORDS, [model(n) for n in many], cells, "share"))
    assert_readable(matrix(WORDS, [model(n) for n in many], [[123456.0] * count] * count, "count"))
    points = [Point(model(n), 0.1 * 1.1**n, 1000 + 37 * (n % 17)) for n in many]
    assert_readable(scatter(WORDS, PRICE, points))
    series = [Line(model(n), tuple(1000.0 + n % 7 + day for day in range(14))) for n in many]
    assert_readable(lines(WORDS, [FIRST + timedelta(days=n) for n in range(14)], series))


def test_no_name_lies_on_the_line_of_the_best() -> None:
    picture = scatter(WORDS, PRICE, [Point("The cheapest of all", 1, 1000), Point("The best", 9, 1001)])
    [front] = [element for element in elements(picture) if element.tag == "polyline"]
    heights = [float(spot.split(",")[1]) for spot in (front.get("points") or "").split()]
    boxes = dict(texts(picture))
    for said in ("The cheapest of all", "The best"):
        assert boxes[said].bottom <= min(heights) or boxes[said].top >= max(heights), said


def test_what_is_free_stands_beside_the_prices_and_on_the_line() -> None:
    points = [Point("free", 0, 1000), Point("cheap", 1, 990), Point("dear", 9, 1100)]
    assert [point.name for point in pareto(points, is_less_better=True)] == ["free", "dear"]
    circles = [element for element in elements(scatter(WORDS, PRICE, points)) if element.tag == "circle"]
    free, dear, cheap = (float(circle.get("cx") or "") for circle in circles)
    assert free < cheap - 50 < dear
    assert "0" in dict(texts(scatter(WORDS, PRICE, points)))


@pytest.mark.parametrize("days", [1, 2, 10, 31, 92])
def test_no_day_lies_on_another(days: int) -> None:
    assert_readable(columns(WORDS, [(FIRST + timedelta(days=n), n * 997) for n in range(days)]))


def test_a_long_name_is_cut_and_told_in_full() -> None:
    name = model(1)
    for picture in (
        intervals(WORDS, [Interval(name, 1, 0, 2)]),
        matrix(WORDS, [name, "B"], [[None, 0.4], [0.6, None]], "share"),
        scatter(WORDS, PRICE, [Point(name, 1, 2)]),
        lines(WORDS, [FIRST], [Line(name, (1.0,))]),
    ):
        assert any(said.endswith("…") for said, _ in texts(picture))
        titles = [element.text or "" for element in elements(picture) if element.tag == "title"]
        assert any(name in title for title in titles)


def test_a_picture_has_a_title_and_a_description_for_screen_readers() -> None:
    root = fromstring(str(columns(WORDS, []).svg))
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "key-title"
    assert root.get("aria-describedby") == "key-desc"
    assert [(child.tag, child.text) for child in root][:2] == [("title", "A title"), ("desc", "A description")]


def test_a_picture_carries_no_style_and_runs_nothing() -> None:
    bad = '<script>alert(1)</script> " onload="x'
    picture = intervals(Words("key", bad, bad), [Interval(bad, 1, 0, 2, bad)])
    assert "<script" not in str(picture.svg)
    attributes = {name for element in elements(picture) for name in element.attrib}
    assert not {name for name in attributes if name == "style" or name.startswith("on")}
    assert bad in unescape(str(picture.svg))


def test_what_is_no_number_is_never_drawn() -> None:
    with pytest.raises(AssertionError):
        tag("circle", cx=math.nan)


# The line of the best


@pytest.mark.parametrize(("is_less_better", "best"), [(True, ["cheap", "good"]), (False, ["dear", "good"])])
def test_nobody_beats_those_on_the_line_in_both(is_less_better: bool, best: list[str]) -> None:
    points = [Point("cheap", 1, 900), Point("good", 5, 1100), Point("dear", 9, 1000), Point("poor", 6, 890)]
    assert [point.name for point in pareto(points, is_less_better=is_less_better)] == best


@given(st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 2000)), max_size=20), st.booleans())
def test_whoever_is_off_the_line_is_beaten_by_somebody_on_it(
    places: list[tuple[float, float]], is_less_better: bool
) -> None:
    points = [Point(str(number), *place) for number, place in enumerate(places)]
    front = pareto(points, is_less_better=is_less_better)
    sign = 1 if is_less_better else -1
    for point in points:
        if point not in front:
            assert any(sign * best.x <= sign * point.x and best.y >= point.y for best in front)
