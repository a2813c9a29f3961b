"""The board in pictures, each with a table beside it for whoever does not see them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from arena.board import Board, View
from arena.errors import NotFound
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
from arena.views.context import Context, context
from arena.views.leaderboard import Shown, ask
from arena.views.standings import Row
from arena.words import _, day, figures, number

MOMENTS = 14  # boards in the picture over time, at most: each is a fit of its own
COLUMNS_AT_MOST = 92
WEEK = 7

Cell = str | int


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A picture, and the same in a table: `heads` over `cells`, of which the first names the row."""

    picture: Picture
    heads: Sequence[str]
    cells: Sequence[Sequence[Cell]]


async def pictures(request: Request) -> Response:
    """GET /leaderboard/pictures: the board of the view in the address."""
    arena = context(request)
    shown = await Shown.find(arena, ask(request))
    days = _within(await arena.pulse.days.get(), shown.look.view)
    exhibits = [_intervals(shown), *_matrices(shown.board), *_scatters(shown), *_days(days)]
    return arena.pages.page(
        "leaderboard_pictures.html", exhibits=exhibits, board=shown.board, look=shown.look.of()
    )


async def history(request: Request) -> Response:
    """GET /leaderboard/history: the ratings as the board had them at the ends of days or weeks."""
    arena = context(request)
    look = ask(request)
    days = moments(list(_within(await arena.pulse.days.get(), look.view)), MOMENTS)
    boards = [(day, board) for day in days if (board := await _board(arena, look.view, day)) is not None]
    exhibit = _history(boards) if boards else None
    return arena.pages.page("leaderboard_history.html", exhibit=exhibit, look=look.of())


def moments(days: Sequence[date], most: int) -> list[date]:
    """The last day, and before it every day, week or several weeks, so that there are at most so many."""
    if not days:
        return []
    first, last = days[0], days[-1]
    span = (last - first).days
    step = 1 if span < most else WEEK * -(-span // (WEEK * (most - 1)))
    found = [last - timedelta(days=n * step) for n in range(most)]
    return sorted(day for day in found if day >= first)


async def _board(arena: Context, view: View, until: date) -> Board | None:
    """The board at the end of that day, if its category had votes by then."""
    try:
        return await arena.boards.board(replace(view, until=until))
    except NotFound:
        return None


def _within(days: dict[date, int], view: View) -> dict[date, int]:
    since, until = view.since or date.min, view.until or date.max
    return {day: count for day, count in days.items() if since <= day <= until}


def _intervals(shown: Shown) -> Exhibit:
    listed = [row for row in shown.rows if row.standing.is_listed] or shown.rows
    drawn = [Interval(s.name, s.rating, s.low, s.high, row.rank_set) for row in listed for s in (row.standing,)]
    if shown.look.view.is_anytime:
        told = _(
            "A row for each of {n} models: a dot at its rating, a line over the interval that holds at every look "
            "of a lifetime, and at the end of the row the ranks it may have."
        )
    else:
        told = _(
            "A row for each of {n} models: a dot at its rating, a line over the interval that holds at one look, "
            "and at the end of the row the ranks it may have."
        )
    words = Words("intervals", _("Ratings and their 95 % intervals"), told.format(n=len(drawn)))
    cells = [[d.name, number(d.value), number(d.low), number(d.high), d.note] for d in drawn]
    return Exhibit(intervals(words, drawn), [_("Model"), _("Rating"), _("From"), _("To"), _("Ranks")], cells)


def _matrices(board: Board) -> list[Exhibit]:
    shares = _("Of 100 points the row takes so many from the column; a tie gives half a point to each.")
    drawn: list[tuple[Words, Any, Any, Callable[[float], str]]] = [
        (
            Words("predicted", _("Share of wins, as the ratings predict"), shares),
            board.predicted,
            "share",
            _percent,
        ),
        (Words("observed", _("Share of wins, as they were voted"), shares), board.observed, "share", _percent),
        (
            Words(
                "battles",
                _("Battles between two models"),
                _("How often row and column met; a stronger colour is more often."),
            ),
            board.games,
            "count",
            number,
        ),
    ]
    return [
        Exhibit(matrix(words, board.names, cells, kind), *_grid(board.names, cells, tell))
        for words, cells, kind, tell in drawn
    ]


def _grid(
    names: Sequence[str], cells: Sequence[Sequence[float | None]], tell: Callable[[float], str]
) -> tuple[list[str], list[list[Cell]]]:
    heads = [_("Model"), *(f"{place}. {name}" for place, name in enumerate(names, 1))]
    told: list[list[Cell]] = [
        [
            heads[place + 1],
            *("" if value is None or place == other else tell(value) for other, value in enumerate(row)),
        ]
        for place, row in enumerate(cells)
    ]
    return heads, told


def _scatters(shown: Shown) -> list[Exhibit]:
    """Against price, wait and speed, as far as they are known of two models or more."""
    rows = [row for row in shown.rows if row.standing.is_listed]
    kinds: list[tuple[str, str, str, bool, Callable[[Row], float | None]]] = [
        (
            "price",
            _("Rating and price"),
            _("{currency} a million tokens, three read to one written").format(currency=shown.currency),
            True,
            lambda r: r.price,
        ),
        (
            "speed",
            _("Rating and speed"),
            _("Tokens a second, median of the latest answers"),
            False,
            lambda r: r.tokens_per_second,
        ),
        (
            "wait",
            _("Rating and time to the first token"),
            _("Milliseconds to the first token, median of the latest answers"),
            True,
            lambda r: r.first_token_ms,
        ),
    ]
    found = []
    for key, title, along, is_less_better, of in kinds:
        points = [Point(row.standing.name, x, row.standing.rating) for row in rows if (x := of(row)) is not None]
        if len(points) > 1 and any(point.x for point in points):
            found.append(_scatter(f"rating-by-{key}", title, Axis(along, is_less_better), points))
    return found


def _scatter(key: str, title: str, axis: Axis, points: list[Point]) -> Exhibit:
    along = _("{axis}, lower is better") if axis.is_less_better else _("{axis}, higher is better")
    description = _(
        "A dot for each of {n} models. Along the foot: {along}. The line joins the models that no other one beats "
        "in both. Where a name has no room, the table has it."
    ).format(n=len(points), along=along.format(axis=axis.words))
    cells = [[p.name, number(p.y), figures(p.x)] for p in sorted(points, key=lambda p: -p.y)]
    heads = [_("Model"), _("Rating"), axis.words]
    return Exhibit(scatter(Words(key, title, description), axis, points), heads, cells)


def _days(days: dict[date, int]) -> list[Exhibit]:
    """A column for each day from the first to the last, or for each week where there are many."""
    if not days:
        return []
    first, last = min(days), max(days)
    span = (last - first).days + 1
    step = 1 if span <= COLUMNS_AT_MOST else WEEK * -(-span // (WEEK * COLUMNS_AT_MOST))
    sums = [0] * -(-span // step)
    for at, count in days.items():
        sums[(at - first).days // step] += count
    counted = [(first + timedelta(days=place * step), total) for place, total in enumerate(sums)]
    title = {1: _("Votes per day"), WEEK: _("Votes per week")}.get(step, _("Votes per {n} days").format(n=step))
    told = _("A column for each, from {first} to {last} (UTC): all votes of battles.")
    words = Words("days", title, told.format(first=day(first), last=day(last)))
    cells: list[list[Cell]] = [[day(at), number(count)] for at, count in counted]
    return [Exhibit(columns(words, counted), [_("From") if step > 1 else _("Day"), _("Votes")], cells)]


def _history(boards: Sequence[tuple[date, Board]]) -> Exhibit:
    ratings = [{s.name: s.rating for s in board.listed} for at, board in boards]
    latest = ratings[-1]
    names = sorted({name for one in ratings for name in one}, key=lambda name: (-latest.get(name, -1e9), name))
    series = [Line(name, tuple(one.get(name) for one in ratings)) for name in names]
    days = [at for at, board in boards]
    told = _(
        "A line for each of {models} models, through its rating on {boards} boards, from the end of {first} to "
        "the end of {last} (UTC). A line begins where its model has enough votes to be listed."
    )
    told = told.format(models=len(series), boards=len(days), first=day(days[0]), last=day(days[-1]))
    words = Words("over-time", _("Ratings over time"), told)
    cells: list[list[Cell]] = [
        [one.name, *("" if value is None else number(value) for value in one.values)] for one in series
    ]
    return Exhibit(lines(words, days, series), [_("Model"), *map(day, days)], cells)


def _percent(share: float) -> str:
    return number(100 * share)
