"""Rows of a file -> the store, a few hundred at a time: each time whole, or not at all.

Stopped in the middle, it has taken in whole battles; run again, it finds them there and goes on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from arena.errors import ArenaError
from arena.intake.checking import check
from arena.intake.files import Found, rows
from arena.intake.formats import Format, Row
from arena.intake.known import recognise
from arena.intake.problems import LeftOut, Report
from arena.store import Store
from arena.store.arrivals import Arrival
from arena.store.votes import VoteRecord

VOTES = 200  # in one transaction
CHARACTERS = 8_000_000  # of them, whichever is reached first

OTHER = "has the id of another vote that is kept"


@dataclass(frozen=True, slots=True)
class Placed:
    """A vote on its way in, and where it stood."""

    place: int
    arrival: Arrival


async def take_in(
    store: Store,
    path: Path,
    known: Format | None = None,
    *,
    is_dry: bool = False,
    read: Callable[[int], None] = lambda _: None,
) -> Report:
    """Take in a file; `known`: the format of its rows, where that is not to be recognised.

    `read` is told how many bytes have been read. `is_dry`: only look. Raises `ArenaError`.
    """
    try:
        unit, found = rows(path, read)
        report = Report(unit)
        for batch in _batches(_placed(found, known, report)):
            await _store(store, batch, report, is_dry=is_dry)
    except OSError as exc:
        raise ArenaError(f"{path}: cannot be read: {exc.strerror or exc}. Name a file that can.") from exc
    return report


async def _store(store: Store, batch: list[Placed], report: Report, *, is_dry: bool) -> None:
    arrivals = [placed.arrival for placed in batch]
    fates = await (store.foresee(arrivals) if is_dry else store.take_in(arrivals))
    for placed, fate in zip(batch, fates, strict=True):
        if fate == "stored":
            report.stored += 1
        elif fate == "there":
            report.there += 1
        else:
            report.leave_out(placed.place, LeftOut(OTHER, placed.arrival.vote.conversation_id))


def _placed(found: Iterator[Found], known: Format | None, report: Report) -> Iterator[Placed]:
    """The rows that can be kept; the others are noted."""
    for one in found:
        report.read += 1
        try:
            arrival = _arrival(one.row, known)
        except LeftOut as why:
            report.leave_out(one.place, why)
        else:
            report.formats[arrival.origin] += 1
            yield Placed(one.place, arrival)


def _arrival(row: Row | LeftOut, known: Format | None) -> Arrival:
    if isinstance(row, LeftOut):
        raise row
    fitting = known or recognise(row)
    if fitting is None:
        raise LeftOut("is in no known format", ", ".join(sorted(map(str, row))[:6]))
    vote = fitting.parse(row)
    check(vote)
    return Arrival(vote, fitting.name)


def _batches(votes: Iterator[Placed]) -> Iterator[list[Placed]]:
    batch: list[Placed] = []
    size = 0
    for placed in votes:
        batch.append(placed)
        size += _size(placed.arrival.vote)
        if len(batch) == VOTES or size >= CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _size(vote: VoteRecord) -> int:
    return sum(len(turn.prompt) + len(turn.a.text) + len(turn.b.text) for turn in vote.turns)
