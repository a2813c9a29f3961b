"""Which board an address asks for, and in which order: the query of /leaderboard, read strictly and written again.

An address holds only what differs from the plain board, so a view has one address.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from arena.board import View
from arena.errors import Unprocessable
from arena.words import _
from arena.words import day as day_in_figures

RANK = "rank"
LONGEST = 100  # characters of a value that are said again


@dataclass(frozen=True, slots=True)
class Look:
    """A view of the board, on a page. `order`: a column, with `-` before it from its other end.

    `is_still`: the page does not refresh itself. `seen`: the state of the board that a page shows already.
    """

    view: View = View()  # noqa: RUF009  # frozen
    order: str = RANK
    is_still: bool = False
    seen: str = ""

    @property
    def query(self) -> str:
        """What differs from the plain board, with a question mark before it."""
        return f"?{urlencode(self.parameters)}" if self.parameters else ""

    @property
    def parameters(self) -> dict[str, str]:
        """What differs from the plain board, by name."""
        values = {name: write(self) for name, (_parse, write) in PARAMETERS.items()}
        return {name: value for name, value in values.items() if value}

    @property
    def data_query(self) -> str:
        """The same for the file that holds what is shown."""
        return replace(self, is_still=False, seen="").query

    def of(self, **changes: Any) -> "Look":
        """The same with another view."""
        return replace(self, view=replace(self.view, **changes), seen="")

    @property
    def has_more(self) -> bool:
        """Whether it differs in more than its category."""
        return replace(self.view, category=View().category) != View()

    @property
    def is_plain(self) -> bool:
        """Whether it is the board that most people mean."""
        return self.view == View()


def read(query: Mapping[str, str], columns: Iterable[str]) -> Look:
    """What a query asks for. Raises `Unprocessable`."""
    look = Look()
    for name, value in query.items():
        if name not in PARAMETERS:
            known = ", ".join(name for name in PARAMETERS if name != "seen")
            raise Unprocessable(
                _("The board knows no “{name}”. An address may have: {known}.").format(
                    name=name[:LONGEST], known=known
                )
            )
        if value:
            parse, _write = PARAMETERS[name]
            look = parse(look, name, value)
    if look.order.removeprefix("-") not in columns:
        raise Unprocessable(
            _("There is no column “{name}”. Known are: {known}.").format(
                name=look.order[:LONGEST], known=", ".join(columns)
            )
        )
    view = look.view
    if view.since and view.until and view.since > view.until:
        raise Unprocessable(
            _("The first day ({since}) is after the last one ({until}).").format(
                since=day_in_figures(view.since), until=day_in_figures(view.until)
            )
        )
    return look


def _not(name: str, only: str, value: str) -> Unprocessable:
    """For a parameter that has one value alone."""
    words = _("“{name}” is “{only}”, or is left out. It was “{value}”.")
    return Unprocessable(words.format(name=name, only=only, value=value[:LONGEST]))


Parse = Callable[[Look, str, str], Look]
Write = Callable[[Look], str]


def _switch(attribute: str, on: str) -> tuple[Parse, Write]:
    """A setting of the view that is on with one word, and off without it."""

    def parse(look: Look, name: str, value: str) -> Look:
        if value != on:
            raise _not(name, on, value)
        return look.of(**{attribute: True})

    return parse, lambda look: on if getattr(look.view, attribute) else ""


def _day(attribute: str) -> tuple[Parse, Write]:
    def parse(look: Look, name: str, value: str) -> Look:
        try:
            day = date.fromisoformat(value)
        except ValueError as exc:
            words = _("“{name}” is a day like 2026-01-31. It was “{value}”.")
            raise Unprocessable(words.format(name=name, value=value[:LONGEST])) from exc
        return look.of(**{attribute: day})

    def write(look: Look) -> str:
        day = getattr(look.view, attribute)
        return day.isoformat() if day else ""

    return parse, write


def _clusters(look: Look, name: str, value: str) -> Look:
    if value != "votes":
        raise _not(name, "votes", value)
    return look.of(clusters="votes")


def _still(look: Look, name: str, value: str) -> Look:
    if value != "on":
        raise _not(name, "on", value)
    return replace(look, is_still=True)


PARAMETERS: dict[str, tuple[Parse, Write]] = {
    "category": (
        lambda look, name, value: look.of(category=value),
        lambda look: look.view.category if look.view.category != View().category else "",
    ),
    "style": _switch("is_style_controlled", "on"),
    "anytime": _switch("is_anytime", "on"),
    "weighted": _switch("is_weighted", "on"),
    "set_aside": _switch("has_set_aside", "with"),
    "since": _day("since"),
    "until": _day("until"),
    "intervals": (_clusters, lambda look: look.view.clusters if look.view.clusters != View().clusters else ""),
    "order": (
        lambda look, name, value: replace(look, order=value),
        lambda look: look.order if look.order != RANK else "",
    ),
    "still": (_still, lambda look: "on" if look.is_still else ""),
    "seen": (lambda look, name, value: replace(look, seen=value[:LONGEST]), lambda look: look.seen),
}
