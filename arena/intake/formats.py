"""What a format is: the names by which its rows are known, and how one becomes a vote."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from arena.store.votes import VoteRecord

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """A format of rows. `marks`: the names by which it is known; `fields`: all that are looked at.

    `parse` raises `LeftOut`.
    """

    name: str
    marks: frozenset[str]
    fields: frozenset[str]
    parse: Callable[[Row], VoteRecord]
