"""The rows of the board, with what else is known of a model: their columns, their order, their files.

The page, the CSV file and the JSON document show the same rows in the same order.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arena.board import Board, Standing
from arena.config import Config, Model
from arena.store import Speed
from arena.words import N_, _

READ_FOR_ONE_WRITTEN = 3  # tokens, in the price of a million

LOOSE = {
    "undefeated": N_("has lost no point to the others, so no vote says how far above them it is"),
    "winless": N_("has taken no point from the others, so no vote says how far below them it is"),
    "unmet": N_("has not met the others, by any chain of battles"),
    "between": N_(
        "has always won against some of the others and always lost to the rest, so its distance is open"
    ),
}
FEATURES = {
    "characters": N_("Length"),
    "headers": N_("Headings"),
    "lists": N_("List items"),
    "bold": N_("Bold text"),
    "code_blocks": N_("Code blocks"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A standing with what else is known of the model. `price`: of a million tokens, three read to one written."""

    standing: Standing
    organisation: str = ""
    licence: str = ""
    link: str = ""
    first_token_ms: float | None = None
    tokens_per_second: float | None = None
    price: float | None = None

    @property
    def rank_set(self) -> str:
        """`2`, or `2-4`; nothing where it has no rank."""
        best, worst = self.standing.best, self.standing.worst
        if best is None or worst is None:
            return ""
        return f"{best}" if best == worst else f"{best}\N{EN DASH}{worst}"

    @property
    def loose_words(self) -> str:
        words = LOOSE.get(self.standing.loose or "")
        return _(words) if words else ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that rows can be ordered by. `is_falling`: the first click puts the largest first."""

    name: str
    title: str
    of: Callable[[Row], str | float | None]
    is_falling: bool
    is_number: bool = True
    hint: str = ""

    @property
    def words(self) -> str:
        """Its title, in the language of the page."""
        return _(self.title)

    @property
    def says(self) -> str:
        """More about it, where there is more."""
        return _(self.hint) if self.hint else ""


COLUMNS = {
    column.name: column
    for column in (
        Column("rank", N_("Rank"), lambda row: row.standing.rank, False, hint=N_("The ranks it may have")),
        Column("name", N_("Model"), lambda row: row.standing.name.casefold(), False, is_number=False),
        Column("rating", N_("Rating"), lambda row: row.standing.rating, True),
        Column("votes", N_("Votes"), lambda row: row.standing.votes, True),
        Column(
            "win_rate", N_("Win rate"), lambda row: row.standing.win_rate, True, hint=N_("A tie is half a win")
        ),
        Column("both_bad_rate", N_("Both bad"), lambda row: row.standing.both_bad_rate, False),
        Column(
            "organisation",
            N_("Organisation"),
            lambda row: row.organisation.casefold() or None,
            False,
            is_number=False,
        ),
        Column("licence", N_("Licence"), lambda row: row.licence.casefold() or None, False, is_number=False),
        Column(
            "first_token_ms",
            N_("First token"),
            lambda row: row.first_token_ms,
            False,
            hint=N_("Median of its latest answers"),
        ),
        Column(
            "tokens_per_second",
            N_("Tokens/s"),
            lambda row: row.tokens_per_second,
            True,
            hint=N_("Median of its latest answers"),
        ),
        Column(
            "price",
            N_("Price"),
            lambda row: row.price,
            False,
            hint=N_("A million tokens, three read to one written"),
        ),
    )
}
OPTIONAL = ("organisation", "licence", "first_token_ms", "tokens_per_second", "price")
FIELDS = (
    "rank", "best", "worst", "name", "rating", "low", "high", "votes", "wins", "losses", "ties", "both_bad",
    "win_rate", "both_bad_rate", "is_listed", "loose",
)  # fmt: skip
"""What a file says of a standing, before the optional columns."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how texts begin that spreadsheets compute


def rows(board: Board, config: Config, speeds: Mapping[str, Speed], order: str) -> list[Row]:
    """The rows of the board in this order, those that are not listed after those that are."""
    models = {model.name: model for model in config.models}
    found = [_row(s, models.get(s.name), speeds.get(s.name)) for s in board.standings]
    column, is_reversed = COLUMNS[order.removeprefix("-")], order.startswith("-")
    found.sort(key=lambda row: (-row.standing.rating, row.standing.name))
    known = [row for row in found if column.of(row) is not None]
    known.sort(key=column.of, reverse=column.is_falling != is_reversed)  # type: ignore[arg-type]
    ordered = known + [row for row in found if column.of(row) is None]
    return sorted(ordered, key=lambda row: not row.standing.is_listed)


def shown_columns(all_rows: Sequence[Row]) -> list[Column]:
    """The columns that have something in them."""
    return [
        column
        for column in COLUMNS.values()
        if column.name not in OPTIONAL or any(column.of(row) is not None for row in all_rows)
    ]


def next_order(column: Column, order: str) -> str:
    """The order that a click on the head of this column brings."""
    return f"-{column.name}" if order == column.name else column.name


def direction(column: Column, order: str) -> str:
    """For `aria-sort`; nothing where rows are in another column's order."""
    if order.removeprefix("-") != column.name:
        return ""
    return "descending" if column.is_falling != order.startswith("-") else "ascending"


def price_of(model: Model) -> float | None:
    """Of a million tokens, three read to one written."""
    if model.price_in is None or model.price_out is None:
        return None
    return (READ_FOR_ONE_WRITTEN * model.price_in + model.price_out) / (READ_FOR_ONE_WRITTEN + 1)


def values(row: Row) -> dict[str, Any]:
    """A row of a file: numbers as they are, not rounded."""
    return {name: getattr(row.standing, name) for name in FIELDS} | {name: getattr(row, name) for name in OPTIONAL}


def as_csv(all_rows: Sequence[Row]) -> str:
    """RFC 4180, with a header line. An apostrophe stands before what a spreadsheet would take for a formula."""
    out = io.StringIO(newline="")
    file = csv.DictWriter(out, [*FIELDS, *OPTIONAL])
    file.writeheader()
    file.writerows({name: _harmless(value) for name, value in values(row).items()} for row in all_rows)
    return out.getvalue()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _row(standing: Standing, model: Model | None, speed: Speed | None) -> Row:
    return Row(
        standing,
        organisation=model.organisation if model else "",
        licence=model.licence if model else "",
        link=model.link if model else "",
        first_token_ms=speed.first_token_ms if speed else None,
        tokens_per_second=speed.tokens_per_second if speed else None,
        price=price_of(model) if model else None,
    )
