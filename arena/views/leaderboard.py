"""The leaderboard as a page, as CSV and as JSON; how fragile it is, and what its numbers mean."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from arena.board import ALL, Board, View
from arena.pictures.scale import Scale
from arena.views import look as looks
from arena.views.context import Context, context
from arena.views.look import Look
from arena.views.standings import (
    COLUMNS,
    FEATURES,
    Column,
    Row,
    as_csv,
    direction,
    next_order,
    rows,
    shown_columns,
    values,
)
from arena.words import _

PATH = "/leaderboard"
PAIRS = 20
NO_STORE = {"Cache-Control": "no-store"}


async def leaderboard(request: Request) -> Response:
    """GET /leaderboard: the board of the view in the address; 204 where the page shows it already (`seen`)."""
    arena, look = context(request), ask(request)
    if request.query_params.keys() != look.parameters.keys():  # a form sends what it is not asked for as well
        return RedirectResponse(PATH + look.query, HTTPStatus.SEE_OTHER)
    found = await Shown.find(arena, look)
    if look.seen == found.state:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=NO_STORE)
    return arena.pages.page(
        "leaderboard.html", **found.for_page(), refresh=arena.config.leaderboard.refresh_seconds
    )


async def as_file(request: Request) -> Response:
    """GET /leaderboard.csv: the rows of the page."""
    found = await Shown.find(context(request), ask(request))
    name = f"leaderboard-{found.board.computed_at:%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(as_csv(found.rows), media_type="text/csv", headers=NO_STORE | headers)


async def as_json(request: Request) -> Response:
    """GET /leaderboard.json: the rows of the page, and all that it says of the board."""
    arena = context(request)
    found = await Shown.find(arena, ask(request))
    return JSONResponse(_report(found, arena.config.leaderboard.currency), headers=NO_STORE)


async def fragile(request: Request) -> Response:
    """GET /leaderboard/fragile: how few votes hold neighbours apart."""
    arena, look = context(request), ask(request)
    board = await arena.boards.board(look.view)
    pairs = await arena.boards.fragile(look.view, PAIRS)
    return arena.pages.page("leaderboard_fragile.html", pairs=pairs, board=board, look=look)


async def method(request: Request) -> Response:
    """GET /leaderboard/method: what every number means, and which votes do not count."""
    arena = context(request)
    board = await arena.boards.board()
    return arena.pages.page("leaderboard_method.html", board=board, settings=arena.config.leaderboard)


def ask(request: Request) -> Look:
    """The view in the address. Raises `Unprocessable`."""
    return looks.read(request.query_params, COLUMNS)


@dataclass(frozen=True, slots=True)
class Shown:
    """A board with its rows as a page shows them."""

    look: Look
    board: Board
    rows: list[Row]
    currency: str
    min_votes: int

    @classmethod
    async def find(cls, arena: Context, look: Look) -> "Shown":
        """Raises `NotFound` for a category without votes, `Unprocessable`, `StoreError`."""
        board = await arena.boards.board(look.view)
        found = rows(board, arena.config, await arena.pulse.speeds.get(), look.order)
        settings = arena.config.leaderboard
        return cls(look, board, found, settings.currency, settings.min_votes)

    @property
    def state(self) -> str:
        """Changes whenever votes have come in, or others count."""
        return f"{self.board.digest[:16]}-{self.board.left_out.total}"

    def for_page(self) -> dict[str, Any]:
        """What the template needs."""
        plain = self.look.of()
        return {
            "board": self.board,
            "listed": [row for row in self.rows if row.standing.is_listed],
            "unlisted": [row for row in self.rows if not row.standing.is_listed],
            "columns": [Head.of(column, self.look) for column in shown_columns(self.rows)],
            "look": plain,
            "poll": PATH + replace(plain, seen=self.state).query,
            "toggle": PATH + replace(plain, is_still=not plain.is_still).query,
            "scale": self._scale(),
            "features": {name: _(words) for name, words in FEATURES.items()},
            "categories": self._categories(),
            "currency": self.currency,
            "min_votes": self.min_votes,
            "order_words": COLUMNS[self.look.order.removeprefix("-")].words,
        }

    def _scale(self) -> Scale:
        """From points to hundredths of a cell's width: all ratings, and the intervals of listed models."""
        found = [row.standing for row in self.rows]
        drawn = [s for s in found if s.is_listed] or found
        return Scale.around(
            [s.rating for s in found] + [e for s in drawn for e in (s.low, s.high)], 2, 98, margin=0.01
        )

    def _categories(self) -> Mapping[str, int]:
        """Those with votes, the one that is looked at among them."""
        return {ALL: self.board.categories.get(ALL, self.board.votes), **self.board.categories}


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column. `href`: where a click leads; `sort`: for `aria-sort`."""

    column: Column
    href: str
    sort: str

    @classmethod
    def of(cls, column: Column, look: Look) -> "Head":
        other = replace(look, order=next_order(column, look.order), seen="")
        return cls(column, PATH + other.query, direction(column, look.order))


def _report(shown: Shown, currency: str) -> dict[str, Any]:
    board, view = shown.board, shown.look.view
    plain = {name: value for name, value in asdict(view).items() if name != "order"}
    return {
        "view": plain | {day: plain[day] and plain[day].isoformat() for day in ("since", "until")},
        "order": shown.look.order,
        "is_plain": view == View(),
        "computed_at": board.computed_at.isoformat(),
        "digest": board.digest,
        "votes": board.votes,
        "voters": board.voters,
        "left_out": asdict(board.left_out),
        "has_prior": board.has_prior,
        "anchor": board.anchor,
        "currency": currency,
        "categories": board.categories,
        "effects": [asdict(effect) for effect in board.effects],
        "standings": [values(row) for row in shown.rows],
    }
