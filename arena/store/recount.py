"""Ballots and counts, counted anew from the votes themselves: filled in after an upgrade, compared and mended.

What a ballot should say of a vote (its categories, its leaks) is what the configuration says now: after tags or
names have changed there, a recount finds ballots that would be cast otherwise today.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, Table, bindparam, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from arena import tables
from arena.conversation import CHOICES, Conversation
from arena.store import arrays, casting, columns
from arena.store.arrays import Ballots, Names
from arena.store.batch import Row
from arena.store.casting import ALL, OUTCOMES, Cast
from arena.store.conversations import load_all
from arena.store.database import Database, carry_out
from arena.store.votes import STANDS
from arena.tables import Answer, Ballot, Vote
from arena.tables.board import CHUNK

if TYPE_CHECKING:
    from arena.store.box import BallotBox

log = logging.getLogger(__name__)

PAGE = 200  # votes in a transaction
SAYS_SO_EVERY = 10_000  # votes


@dataclass(frozen=True, slots=True)
class Report:
    """What a recount has found.

    `missing`: votes without their ballot; `wrong`: ballots that say something else than their vote; `restated`:
    ballots whose vote has other categories, leaks or looks by today's configuration; `stray`: ballots without a
    vote; `counts`: pairs whose counts in a category are not the sums of their ballots; `chunks`: packed parts
    of ballots, from the first on that is not what its rows say.
    """

    votes: int
    missing: int = 0
    wrong: int = 0
    restated: int = 0
    stray: int = 0
    counts: int = 0
    chunks: int = 0

    @property
    def is_clean(self) -> bool:
        return not (self.ballots or self.counts or self.chunks)

    @property
    def ballots(self) -> int:
        return self.missing + self.wrong + self.restated + self.stray


async def fill(box: "BallotBox", database: Database) -> int:
    """See `BallotBox.fill`. May be broken off and taken up again: each page is a transaction of its own."""
    filled = 0
    async for page in _pages(database, _WAITING):
        await _put(box, page)
        if filled // SAYS_SO_EVERY != (filled + len(page)) // SAYS_SO_EVERY:
            log.info("%d votes have been given their ballots", filled + len(page))
        filled += len(page)
    return filled


async def settle(box: "BallotBox", database: Database, after: datetime, before: datetime) -> int:
    """See `Booth.settle`. May be broken off and taken up again."""
    settled = 0
    async for page in _pages(database, _DUE, {"after": after, "before": before}):
        await _put(box, page)
        settled += len(page)
    return settled


async def give(box: "BallotBox", voted: Sequence[Conversation]) -> None:
    """Ballots for these votes now, unless they have them."""
    await _put(box, voted)


async def verify(box: "BallotBox", database: Database, *, repair: bool) -> Report:
    """See `BallotBox.verify`."""
    async with database.read() as db:
        wrong = await columns.first_wrong(db)
        report = Report(0, chunks=0 if wrong is None else await columns.packed(db) - wrong)
    async for page in _pages(database, _VOTES):
        found = await _check(box, database, page)
        report = replace(
            report,
            votes=report.votes + len(page),
            missing=report.missing + len(found.missing),
            wrong=report.wrong + len(found.wrong),
            restated=report.restated + len(found.restated),
        )
        if repair and (found.missing or found.ballots):
            await _take_out(database, found.ballots)
            await _put(box, [*found.missing, *found.wrong, *found.restated])
    async with database.write() as db:
        stray = [row.id for row in await db.execute(_STRAY)]
        if repair:
            await _delete(db, stray)
            if wrong is not None:
                await columns.drop(db, wrong)
        report = replace(report, stray=len(stray), counts=await _count(db, repair=repair))
        if repair and not report.is_clean:
            row = {"now": datetime.now(UTC), "ballots": report.ballots, "counts": report.counts}
            await carry_out(db, [(_REPAIRED, [row])], is_last=True)
    return report


# Votes, a page at a time


async def _pages(
    database: Database, question: "Select[str, datetime]", bounds: Row | None = None
) -> AsyncIterator[list[Conversation]]:
    """The votes it asks for with their conversations, as far as they had come by then, oldest first."""
    last: Row = (bounds or {}) | {"at": datetime.min.replace(tzinfo=UTC), "key": ""}
    while True:
        async with database.read() as db:
            rows = (await db.execute(question, last)).all()
            if not rows:
                return
            found = await load_all(db, [row.conversation_id for row in rows])
        last |= {"at": rows[-1].at, "key": rows[-1].conversation_id}
        there = [found[row.conversation_id] for row in rows if row.conversation_id in found]
        yield [one.as_voted for one in there if one.vote]  # some may be undone or deleted by now


async def _put(box: "BallotBox", voted: Sequence[Conversation]) -> None:
    """Give these votes their ballots, unless somebody else has, and their answers the marks they lack.

    A vote that has been undone since gets none, nor one that was cast again: that is another one.
    """
    marked = [await _marked(box, one) for one in voted]
    casts = [await box.cast(one) for one, _ in marked]
    async with box.write() as db:
        keys = {"keys": [one.voted.id for one in casts]}
        waiting = {tuple(row) for row in await db.execute(_STILL_WAITING, keys)}
        if marks := [row for _, rows in marked for row in rows]:
            await db.execute(_MARK, marks)
        due = [one for one in casts if (one.voted.id, one.vote.choice, one.vote.created_at) in waiting]
        await box.put_all(db, due, casting.KEPT)


def _unmarked(voted: Conversation) -> Conversation:
    """The conversation as if nothing had been noted of its answers, which are looked through again."""
    turns = [
        replace(turn, answers={side: replace(answer, is_leak=None) for side, answer in turn.answers.items()})
        for turn in voted.turns
    ]
    return replace(voted, turns=tuple(turns))


async def _marked(box: "BallotBox", voted: Conversation) -> tuple[Conversation, list[Row]]:
    """The conversation with all marks, and those that are new as rows."""
    rows: list[Row] = []
    turns = []
    for turn in voted.turns:
        answers = dict(turn.answers)
        for side, answer in turn.answers.items():
            if answer.is_leak is None:
                marks = await box.marks(answer.text)
                answers[side] = replace(answer, **marks)
                where = {"key": voted.id, "turn_": turn.number, "side_": side, "version_": answer.version}
                rows.append(where | marks)
        turns.append(replace(turn, answers=answers))
    return replace(voted, turns=tuple(turns)), rows


# Ballots


@dataclass(frozen=True, slots=True)
class _Found:
    """What is wrong with the ballots of a page. `ballots`: those that have to go, with their voters' ids."""

    missing: list[Conversation]
    wrong: list[Conversation]
    restated: list[Conversation]
    ballots: list[Row]


async def _check(box: "BallotBox", database: Database, page: list[Conversation]) -> _Found:
    async with database.read() as db:
        names = await arrays.names(db)
        rows = await db.execute(_BALLOTS, {"keys": [voted.id for voted in page]})
        ballots = {row.conversation_id: row._asdict() for row in rows}
    found = _Found([], [], [], [])
    for voted in map(_unmarked, page):
        ballot = ballots.get(voted.id)
        if ballot is None:
            found.missing.append(voted)
            continue
        anew = await box.cast(voted)
        if _says(ballot, names) != _should_say(anew):
            found.wrong.append(voted)
        elif not _is_appraised_so(ballot, names, anew):
            found.restated.append(voted)
        else:
            continue
        found.ballots.append(ballot | {"categories": names.sets.get(ballot["category_set"], ())})
    return found


def _says(ballot: Row, names: Names) -> tuple[Any, ...]:
    pair = (names.entrants.get(ballot["a"]), names.entrants.get(ballot["b"]))
    return (*pair, *(ballot[name] for name in ("outcome", "voter", "day", "probability")))


def _should_say(anew: Cast) -> tuple[Any, ...]:
    outcome = CHOICES.index(anew.vote.choice)
    voter, day = casting.voter_number(anew.voted.voter_id), casting.day_of(anew.vote.created_at)
    return (anew.pair.a, anew.pair.b, outcome, voter, day, anew.pair.probability or 0.0)


def _is_appraised_so(ballot: Row, names: Names, anew: Cast) -> bool:
    return (
        names.sets.get(ballot["category_set"]) == anew.appraisal.categories
        and ballot["is_leak"] == anew.appraisal.is_leak
        and ballot["looks"] == casting.packed(anew.appraisal)
    )


async def _take_out(database: Database, ballots: list[Row]) -> None:
    """Remove these ballots and what they were counted for: their votes wait for new ones."""
    if not ballots:
        return
    cells = [
        casting.counted(ballot, ballot["categories"], ballot["voter_id"]) | {OUTCOMES[ballot["outcome"]]: -1}
        for ballot in ballots
        if not ballot["is_leak"]
    ]
    async with database.write() as db:
        await db.execute(_EMPTY, {"keys": [ballot["conversation_id"] for ballot in ballots]})
        await _delete(db, [ballot["id"] for ballot in ballots])
        await carry_out(db, [(casting.count_of_vote(db.dialect.name), cells)], is_last=True)


async def _delete(db: AsyncConnection, ballots: list[int]) -> None:
    if ballots:
        await columns.drop(db, (min(ballots) - 1) // CHUNK)
    for first in range(0, len(ballots), PAGE):
        await db.execute(_NO_BALLOTS, {"ids": ballots[first : first + PAGE]})


# Counts


async def _count(db: AsyncConnection, *, repair: bool) -> int:
    """Compare the counts with the sums of their ballots; returns how many cells differ."""
    names = await arrays.names(db)
    newest = await db.scalar(text("SELECT max(id) FROM ballots")) or 0
    aside = [casting.voter_number(row.id) for row in await db.execute(_AWAY)]
    size = max(names.entrants, default=0) + 1
    sums: dict[str, NDArray[np.int64]] = {}
    for first in range(0, newest, CHUNK):
        _add(sums, await arrays.rows(db, first, min(first + CHUNK, newest)), names, aside, size)
    kept: dict[str, NDArray[np.int64]] = {}
    for row in await db.execute(select(tables.Count)):
        cells = kept.setdefault(row.category, np.zeros(size * size * 4, np.int64))
        first = (row.a * size + row.b) * 4
        cells[first : first + 4] = [getattr(row, name) for name in OUTCOMES]
    rows = [row for category in sums.keys() | kept.keys() for row in _differences(category, sums, kept, size)]
    if repair and rows:
        await db.execute(_SET_COUNT, rows)
    return len(rows)


def _add(sums: dict[str, NDArray[np.int64]], chunk: Ballots, names: Names, aside: list[int], size: int) -> None:
    """Add these ballots to the sums of their categories."""
    counted = ~chunk.is_leak & ~np.isin(chunk.voter, np.array(aside, np.int64))
    cell = (chunk.a.astype(np.int64) * size + chunk.b) * 4 + chunk.outcome
    for number in np.unique(chunk.category_set):
        votes = np.bincount(cell[counted & (chunk.category_set == number)], minlength=size * size * 4)
        for category in (ALL, *names.sets.get(int(number), ())):
            sums[category] = sums[category] + votes if category in sums else votes


def _differences(
    category: str, sums: dict[str, NDArray[np.int64]], kept: dict[str, NDArray[np.int64]], size: int
) -> list[Row]:
    nothing = np.zeros(size * size * 4, np.int64)
    should, are = (found.get(category, nothing).reshape(-1, 4) for found in (sums, kept))
    return [
        {
            "category": category,
            "a": int(pair) // size,
            "b": int(pair) % size,
            **dict(zip(OUTCOMES, should[pair].tolist(), strict=True)),
        }
        for pair in np.flatnonzero((should != are).any(axis=1))
    ]


_OF_BATTLES = (
    select(Vote.conversation_id, Vote.created_at.label("at"))
    .join(tables.Conversation, tables.Conversation.id == Vote.conversation_id)
    .where(
        tables.Conversation.mode == "battle",
        tables.Conversation.deleted_at.is_(None),  # their ballots are all that is known of them
        (Vote.created_at > bindparam("at"))
        | ((Vote.created_at == bindparam("at")) & (Vote.conversation_id > bindparam("key"))),
    )
    .order_by(Vote.created_at, Vote.conversation_id)
    .limit(PAGE)
)
_VOTES = _OF_BATTLES.where(STANDS)
_WAITING = _VOTES.where(Vote.ballot.is_(None))
_DUE = _OF_BATTLES.where(
    ~STANDS,
    Vote.created_at > bindparam("after", type_=Vote.created_at.type),
    Vote.created_at <= bindparam("before", type_=Vote.created_at.type),
)
_STILL_WAITING = select(Vote.conversation_id, Vote.choice, Vote.created_at).where(
    Vote.conversation_id.in_(bindparam("keys", expanding=True)), Vote.ballot.is_(None)
)
_BALLOTS = (
    select(
        *Ballot.__table__.columns,
        Vote.conversation_id,
        Vote.voter_id,
    )
    .join(Vote, Vote.ballot == Ballot.id)
    .where(Vote.conversation_id.in_(bindparam("keys", expanding=True)))
)
_MARK = update(cast(Table, Answer.__table__)).where(
    Answer.conversation_id == bindparam("key"),
    Answer.turn == bindparam("turn_"),
    Answer.side == bindparam("side_"),
    Answer.version == bindparam("version_"),
)
_STRAY = (
    select(Ballot.id).outerjoin(Vote, Vote.ballot == Ballot.id).where(Vote.ballot.is_(None)).order_by(Ballot.id)
)
_AWAY = select(tables.Voter.id).where(tables.Voter.set_aside_at.is_not(None))
_EMPTY = update(Vote).where(Vote.conversation_id.in_(bindparam("keys", expanding=True))).values(ballot=None)
_NO_BALLOTS = delete(Ballot).where(Ballot.id.in_(bindparam("ids", expanding=True)))
_SET_COUNT = text(f"{casting.NEW_COUNT} {', '.join(f'{name} = excluded.{name}' for name in OUTCOMES)}")
_REPAIRED = "INSERT INTO repairs (created_at, ballots, counts) VALUES (:now, :ballots, :counts)"
