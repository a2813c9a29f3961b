"""The ballot box: ballots and their counts, put in with the vote, taken out as arrays, set aside and recounted.

Arrays are read by `arena.store.arrays`, which needs numpy and is imported when somebody asks for them.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from arena import tables
from arena.appraisal import SHORT, Appraisal, Appraiser
from arena.conversation import Conversation
from arena.errors import NotFound
from arena.store import casting
from arena.store.batch import Row
from arena.store.casting import ALL, Cast, Foreseen, Numbers
from arena.store.database import Database, Step, carry_out, whole
from arena.store.speeds import Speed, speeds
from arena.tables.board import CHUNK
from arena.words import _

if TYPE_CHECKING:
    from arena.store.arrays import Ballots, Counts, Floats, Integers, Names
    from arena.store.recount import Report

Asked = TypeVar("Asked")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class SetAside:
    """A voter whose votes do not count for now."""

    voter_id: str
    at: datetime
    because: str


@dataclass(frozen=True, slots=True)
class Roll:
    """What is in the box: the newest ballot, the last repair, and who is set aside.

    Between two rolls with the same `repairs`, ballots have only been added.
    """

    newest: int
    repairs: int
    set_aside: tuple[SetAside, ...]


@dataclass(frozen=True, slots=True)
class Aside:
    """Ballots that do not count: those that leak, and of the others those of voters who are set aside."""

    leaks: int
    set_aside: int


@dataclass(frozen=True, slots=True)
class WithoutBallot:
    """Votes that are in no ballot: those that were not blind, and those that wait for theirs."""

    not_blind: int
    waiting: int


class BallotBox:
    """All ballots of a database. Every method raises `StoreError` where that fails."""

    def __init__(self, database: Database, appraiser: Appraiser | None) -> None:
        self._database = database
        self.appraiser = appraiser
        self._numbers = Numbers()
        self._foreseen = Foreseen()

    # Put in

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction in which ballots can be put."""
        try:
            async with self._database.write() as db:
                yield db
            self._numbers.keep()
        finally:
            self._numbers.forget()

    async def put(self, db: AsyncConnection, voted: Conversation, appraisal: Appraisal | None) -> None:
        """Store the vote with its ballot and counts, and commit. Without an appraisal it waits for its ballot."""
        if appraisal is None:
            await carry_out(db, [(casting.NEW_VOTE, [casting.vote_row(voted)])], is_last=True)
        else:
            await self.put_all(db, [Cast(voted, appraisal)], casting.NEW)

    async def put_all(
        self, db: AsyncConnection, casts: Sequence[Cast], how: casting.How, also: Sequence[Step] = ()
    ) -> None:
        """Ballots and counts of several votes, new ones, or those that are kept and lack a ballot; and commit.

        `also`: what is to be stored after them, in the same transaction.
        """
        await self._numbers.find(db, casts)
        slips = [(cast.voted, self._numbers.slip(cast.voted, cast.appraisal)) for cast in casts]
        steps = [step for voted, slip in slips for step in slip.steps(voted, db.dialect.name, how)]
        await carry_out(db, [*steps, *also], is_last=True)

    def foresee(self, battle: Conversation) -> None:
        """Have the ballot of a vote on these answers ready, if that takes no time."""
        if self.appraiser is None or self.takes_long(battle):
            return
        slip = self._numbers.slip_of(battle, self.appraiser.conversation(battle))
        if slip is not None:
            self._foreseen.keep(battle, slip)

    async def put_foreseen(self, db: AsyncConnection, voted: Conversation) -> bool:
        """Store the vote as `put` does, if its ballot is ready. Returns whether it was."""
        slip = self._foreseen.take(voted)
        if slip is not None:
            await carry_out(db, slip.steps(voted, db.dialect.name, casting.NEW), is_last=True)
        return slip is not None

    def note(self, prompt: str) -> None:
        """Look at a short prompt now, so that its vote need not."""
        if self.appraiser is not None and len(prompt) <= SHORT:
            self.appraiser.prompt(prompt)

    async def marks(self, answer: str) -> Row:
        """What is noted of an answer's text, as columns of `answers`."""
        if self.appraiser is None:
            return {}
        marks = await _look(self.appraiser.answer, answer, len(answer))
        return {**marks.looks._asdict(), "is_leak": marks.is_leak}

    def takes_long(self, conversation: Conversation) -> bool:
        """Whether its appraisal is nothing to do while others wait to write."""
        return self.appraiser is not None and _unseen(conversation) > SHORT

    async def appraise(self, conversation: Conversation) -> Appraisal | None:
        """What it is to the board, if there is an appraiser."""
        if self.appraiser is None:
            return None
        voted = conversation.as_voted
        return await _look(self.appraiser.conversation, voted, _unseen(voted))

    async def cast(self, voted: Conversation) -> Cast:
        """The vote with its appraisal. There is an appraiser."""
        appraisal = await self.appraise(voted)
        assert appraisal is not None
        return Cast(voted, appraisal)

    # Taken out

    async def tally(self, category: str = ALL) -> "Counts":
        """How often each pair ended in each way, from the counts alone."""
        from arena.store import arrays

        async with self._database.read() as db:
            return await arrays.counts(db, category)

    async def roll(self) -> Roll:
        """What is in the box by now."""
        async with self._database.read() as db:
            newest = await db.scalar(text("SELECT max(id) FROM ballots")) or 0
            repairs = await db.scalar(text("SELECT max(id) FROM repairs")) or 0
            away = await db.execute(_SET_ASIDE)
            return Roll(
                newest, repairs, tuple(SetAside(row.id, row.set_aside_at, row.set_aside_because) for row in away)
            )

    async def names(self) -> "Names":
        """What the numbers in ballots stand for."""
        from arena.store import arrays

        async with self._database.read() as db:
            return await arrays.names(db)

    async def ballots(self, after: int, upto: int) -> "tuple[Names, Ballots]":
        """The ballots with ids over `after` and at most `upto`, in their order: one pass, for any filter."""
        from arena.store import arrays

        async with self._database.read() as db:
            return await arrays.names(db), await arrays.ballots(db, after, upto)

    async def days(self, after: int, upto: int) -> "Integers":
        """Days since 1970 of the same ballots, shape (N,)."""
        found: Integers = await self._column("day", after, upto)
        return found

    async def probabilities(self, after: int, upto: int) -> "Floats":
        """Pair probabilities of the same ballots, shape (N,); 0 where nobody knows."""
        found: Floats = await self._column("probability", after, upto)
        return found

    async def looks(self, after: int, upto: int) -> "Integers":
        """Looks of the same ballots, shape (N, 10): five of side a, then five of side b."""
        found: Integers = await self._column("looks", after, upto)
        return found

    async def without_ballot(self) -> WithoutBallot:
        """How many votes are in no ballot, and why."""
        async with self._database.read() as db:
            row = (await db.execute(_WITHOUT_BALLOT)).one()
        return WithoutBallot(row.not_blind or 0, row.waiting or 0)

    async def left_out(self, category: str = ALL) -> Aside:
        """How many ballots of a category do not count."""
        async with self._database.read() as db:
            sets = {row.id: (ALL, *json.loads(row.names)) for row in await db.execute(_SETS)}
            leaks = (await db.execute(_LEAKS)).all()
            away = (await db.execute(_ASIDE)).all()
        return Aside(
            sum(row.votes for row in leaks if category in sets[row.category_set]),
            sum(row.votes for row in away if category in sets[row.category_set]),
        )

    async def categories(self) -> dict[str, int]:
        """How many votes count in each category, from the counts alone."""
        async with self._database.read() as db:
            rows = await db.execute(text(_VOTES_BY_CATEGORY))
            found = {row.category: int(row.votes) for row in rows if row.votes}
        return dict(sorted(({ALL: 0} | found).items(), key=lambda item: (item[0] != ALL, item[0])))

    async def voters(self, roll: Roll, rows: Sequence[int]) -> list[str]:
        """Who cast these ballots, which are told by their places among all of that roll."""
        async with self._database.read() as db:
            return [await db.scalar(_VOTER, {"newest": roll.newest, "row": row}) for row in rows]

    async def speeds(self) -> dict[str, Speed]:
        """How quickly models answered in the latest battles with a vote, by name."""
        async with self._database.read() as db:
            return await speeds(db)

    # Set aside

    @whole
    async def set_aside(self, voter_id: str, because: str) -> None:
        """Let the voter's votes, those to come as well, count no more. Nothing is deleted. Raises `NotFound`."""
        await self._move(voter_id, because, datetime.now(UTC))

    @whole
    async def restore(self, voter_id: str) -> None:
        """Let the voter's votes count again. Raises `NotFound`."""
        await self._move(voter_id, None, None)

    # Recounted

    async def fill(self) -> int:
        """Give every vote that lacks one its ballot, some hundred in a transaction. Returns how many."""
        from arena.store import recount

        return await recount.fill(self, self._database)

    async def verify(self, *, repair: bool = False) -> "Report":
        """Recount ballots and counts from the votes themselves, and mend what is wrong where that is asked."""
        from arena.store import recount

        self._numbers, self._foreseen = Numbers(), Foreseen()  # what is remembered may be the damage
        return await recount.verify(self, self._database, repair=repair)

    async def pack(self) -> int:
        """Pack the ballots that are many enough by now, for boards to be read from. Returns how many chunks.

        May be broken off and taken up again: each chunk is a transaction of its own.
        """
        chunks = 0
        while await self._is_chunk_due():
            await self._pack_one()
            chunks += 1
        return chunks

    async def _is_chunk_due(self) -> bool:
        async with self._database.read() as db:
            return db.dialect.name == "sqlite" and bool(await db.scalar(_CHUNK_IS_DUE, {"size": CHUNK}))

    @whole
    async def _pack_one(self) -> None:
        columns = await asyncio.to_thread(_load_columns)
        async with self._database.write() as db:
            await columns.pack(db)

    async def _column(self, name: str, after: int, upto: int) -> Any:
        from arena.store import columns

        async with self._database.read() as db:
            (found,) = await columns.read(db, [name], after, upto)
        return found

    async def _move(self, voter_id: str, because: str | None, at: datetime | None) -> None:
        async with self._database.write() as db:
            voter = (await db.execute(_VOTER_ROW, {"voter": voter_id})).one_or_none()
            if voter is None:
                raise NotFound(_("There is no such voter here."))
            row = {"voter": voter_id, "at": at, "because": because}
            is_moved = (voter.set_aside_at is None) != (at is None)
            steps = [(_MOVE, [row])]
            if is_moved:
                steps.append((casting.COUNT, await _cells_of(db, voter_id, -1 if at else 1)))
            await carry_out(db, steps, is_last=True)


def _load_columns() -> Any:
    """numpy comes with it, so this is done in a thread."""
    from arena.store import columns

    return columns


async def _cells_of(db: AsyncConnection, voter_id: str, sign: int) -> list[Row]:
    """What the voter's ballots are worth, as rows of `counts`."""
    cells = (await db.execute(_CELLS_OF_VOTER, {"voter": voter_id})).all()
    sets = {row.id: row.names for row in await db.execute(_SETS)}
    return [
        row
        for cell in cells
        for row in casting.cells_of(cell._asdict(), json.loads(sets[cell.category_set]), sign * cell.votes)
    ]


def _unseen(conversation: Conversation) -> int:
    """How many characters an appraisal has to look through."""
    fresh = [a for turn in conversation.turns for a in turn.answers.values() if a.is_leak is None]
    return sum(len(turn.prompt) for turn in conversation.turns) + sum(len(answer.text) for answer in fresh)


async def _look(question: Callable[[Asked], Found], asked: Asked, size: int) -> Found:
    """The answer at once, or from a thread where there is much to look through."""
    return question(asked) if size <= SHORT else await asyncio.to_thread(question, asked)


_CHUNK_IS_DUE = text(  # elsewhere than in SQLite a smaller id may be committed after a larger one
    "SELECT coalesce((SELECT max(id) FROM ballots), 0) "
    ">= (coalesce((SELECT max(number) + 1 FROM ballot_chunks), 0) + 1) * :size"
)
_SET_ASIDE = (
    select(tables.Voter.id, tables.Voter.set_aside_at, tables.Voter.set_aside_because)
    .where(tables.Voter.set_aside_at.is_not(None))
    .order_by(tables.Voter.set_aside_at)
)
_VOTER_ROW = select(tables.Voter.set_aside_at).where(tables.Voter.id == bindparam("voter"))
_MOVE = "UPDATE voters SET set_aside_at = :at, set_aside_because = :because WHERE id = :voter"
_VOTER = text(
    "SELECT voter_id FROM votes WHERE ballot = "
    "(SELECT id FROM ballots WHERE id <= :newest ORDER BY id LIMIT 1 OFFSET :row)"
)
_VOTES_BY_CATEGORY = f"SELECT category, sum({' + '.join(casting.OUTCOMES)}) AS votes FROM counts GROUP BY category"
_SETS = text("SELECT id, names FROM category_sets")
_LEAKS = text("SELECT category_set, count(*) AS votes FROM ballots WHERE is_leak = 1 GROUP BY category_set")
_ASIDE = text(
    # SQLite keeps the order of cross joins: from the few voters who are set aside, not from all ballots.
    "SELECT category_set, count(*) AS votes "
    "FROM voters CROSS JOIN conversations CROSS JOIN votes CROSS JOIN ballots "
    "WHERE set_aside_at IS NOT NULL AND conversations.voter_id = voters.id "
    "AND votes.conversation_id = conversations.id AND ballots.id = votes.ballot "
    "AND is_leak = 0 GROUP BY category_set"
)
_CELLS_OF_VOTER = text(
    "SELECT category_set, a, b, outcome, count(*) AS votes FROM conversations "
    "JOIN votes ON votes.conversation_id = conversations.id JOIN ballots ON ballots.id = votes.ballot "
    "WHERE conversations.voter_id = :voter AND is_leak = 0 GROUP BY category_set, a, b, outcome"
)
_WITHOUT_BALLOT = text(
    # Those whose names are hidden are not spoken of: who sees a number move could tell whose vote it was.
    "SELECT sum(mode != 'battle') AS not_blind, "
    "sum(mode = 'battle' AND (reveal = 'on_vote' OR revealed_at IS NOT NULL)) AS waiting "
    "FROM votes JOIN conversations ON conversations.id = conversation_id WHERE ballot IS NULL"
)
