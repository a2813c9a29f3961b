"""What an operator looks through: battles by their texts, voters by their votes, and the votes of each day."""

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, bindparam, func, or_, select, text
from sqlalchemy.orm import InstrumentedAttribute

from arena.errors import NotFound
from arena.store.database import Database
from arena.tables import Answer, Ballot, CategorySet, Conversation, Reaction, Turn, Vote, Voter
from arena.words import _

PAGE = 50
PROMPT = 300  # characters of a prompt that a list shows


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which battles: with these words in a prompt or an answer, or this id; of this voter; older than that one.

    `is_flagged`: only chats with an answer that their visitor has flagged.
    """

    words: str = ""
    voter_id: str = ""
    before: str = ""
    is_flagged: bool = False


@dataclass(frozen=True, slots=True)
class BattleLine:
    """A battle in a list. `prompt`: how its first one begins; `deleted_at`: when its visitor had it removed.

    `up`, `down`, `flags`: how many answers of a chat have such a thumb, or are flagged.
    """

    id: str
    started_at: datetime
    voter_id: str
    mode: str
    model_a: str | None
    model_b: str | None
    prompt: str
    turns: int
    choice: str | None
    set_aside_at: datetime | None
    deleted_at: datetime | None = None
    up: int = 0
    down: int = 0
    flags: int = 0


@dataclass(frozen=True, slots=True)
class BallotNote:
    """What a vote is to the board."""

    is_leak: bool
    categories: tuple[str, ...]
    set_aside_at: datetime | None


@dataclass(frozen=True, slots=True)
class VoterLine:
    """A voter in a list."""

    id: str
    created_at: datetime
    votes: int
    last_vote_at: datetime | None
    set_aside_at: datetime | None
    because: str | None


class Browse:
    """Questions about all that is kept. Every method raises `StoreError` where that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def battles(self, wanted: Wanted, limit: int = PAGE) -> tuple[BattleLine, ...]:
        """The latest battles that are wanted, newest first. Words are looked for in any case."""
        async with self._database.read() as db:
            rows = await db.execute(_filtered(wanted).limit(limit))
            return tuple(BattleLine(**row._mapping) for row in rows)

    async def owner(self, key: str) -> str:
        """Whose battle this is. Raises `NotFound`."""
        async with self._database.read() as db:
            found = (await db.execute(_OWNER, {"key": key})).one_or_none()
        if found is None:
            raise NotFound(_("There is no battle with this id."))
        if found.deleted_at is not None:
            raise NotFound(_("This battle was deleted by its visitor. Its vote counts; its words are gone."))
        return str(found.voter_id)

    async def ballot(self, key: str) -> BallotNote | None:
        """The ballot of this battle's vote, if it has one."""
        async with self._database.read() as db:
            row = (await db.execute(_BALLOT, {"key": key})).one_or_none()
        return BallotNote(bool(row.is_leak), tuple(json.loads(row.names)), row.set_aside_at) if row else None

    async def voters(self, words: str = "", skipped: int = 0, limit: int = PAGE) -> tuple[VoterLine, ...]:
        """Voters whose id begins so, those with most votes first, without so many of the first ones."""
        question = _VOTERS.where(Voter.id.startswith(words, autoescape=True)) if words else _VOTERS
        async with self._database.read() as db:
            rows = await db.execute(question.limit(limit).offset(skipped))
            return tuple(VoterLine(**row._mapping) for row in rows)

    async def set_aside(self) -> tuple[VoterLine, ...]:
        """Voters whose votes do not count for now, the latest first."""
        async with self._database.read() as db:
            rows = await db.execute(_VOTERS.where(Voter.set_aside_at.is_not(None)))
            return tuple(VoterLine(**row._mapping) for row in rows)

    async def totals(self) -> tuple[int, int, int]:
        """How many battles, votes and voters there are."""
        async with self._database.read() as db:
            counts = [await db.scalar(select(func.count()).select_from(t)) for t in (Conversation, Vote, Voter)]
        return counts[0] or 0, counts[1] or 0, counts[2] or 0

    async def votes_by_day(self) -> dict[date, int]:
        """How many ballots were cast on each day (UTC) that had any, in their order, leaks and all."""
        async with self._database.read() as db:
            rows = (await db.execute(_BY_DAY)).all()
        return {date(1970, 1, 1) + timedelta(days=row.day): row.ballots for row in rows}


def _filtered(wanted: Wanted) -> Select[Any]:
    question = _BATTLES
    if wanted.words:
        in_prompt = _has(Turn, Turn.prompt.icontains(wanted.words, autoescape=True))
        in_answer = _has(Answer, Answer.text.icontains(wanted.words, autoescape=True))
        question = question.where(or_(Conversation.id == wanted.words, in_prompt, in_answer))
    if wanted.voter_id:
        question = question.where(Conversation.voter_id == wanted.voter_id)
    if wanted.is_flagged:
        question = question.where(_reactions(Reaction.is_flagged) > 0)
    if wanted.before:
        question = question.where(Conversation.id < wanted.before)
    return question


def _has(table: type[Turn] | type[Answer], condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a conversation has a row like that."""
    rows = select(table.conversation_id).where(table.conversation_id == Conversation.id, condition)
    return rows.correlate(Conversation).exists()


def _reactions(condition: ColumnElement[bool] | InstrumentedAttribute[bool]) -> ScalarSelect[int]:
    """How many reactions like that a conversation has."""
    rows = select(func.count()).select_from(Reaction).where(Reaction.conversation_id == Conversation.id, condition)
    return rows.correlate(Conversation).scalar_subquery()


_BATTLES = (
    select(
        Conversation.id,
        Conversation.created_at.label("started_at"),
        Conversation.voter_id,
        Conversation.mode,
        Conversation.model_a,
        Conversation.model_b,
        func.coalesce(func.substr(Turn.prompt, 1, PROMPT), "").label("prompt"),
        select(func.count())
        .select_from(Turn)
        .where(Turn.conversation_id == Conversation.id)
        .correlate(Conversation)
        .scalar_subquery()
        .label("turns"),
        Vote.choice,
        Voter.set_aside_at,
        Conversation.deleted_at,
        _reactions(Reaction.thumb == "up").label("up"),
        _reactions(Reaction.thumb == "down").label("down"),
        _reactions(Reaction.is_flagged).label("flags"),
    )
    .outerjoin(Turn, (Turn.conversation_id == Conversation.id) & (Turn.number == 1))
    .join(Voter, Voter.id == Conversation.voter_id)
    .outerjoin(Vote, Vote.conversation_id == Conversation.id)
    .order_by(Conversation.id.desc())  # ids grow with time
)
_OWNER = select(Conversation.voter_id, Conversation.deleted_at).where(Conversation.id == bindparam("key"))
_VOTERS = (
    select(
        Voter.id,
        Voter.created_at,
        func.count(Vote.conversation_id).label("votes"),
        func.max(Vote.created_at).label("last_vote_at"),
        Voter.set_aside_at,
        Voter.set_aside_because.label("because"),
    )
    .outerjoin(Vote, Vote.voter_id == Voter.id)
    .group_by(Voter.id, Voter.created_at, Voter.set_aside_at, Voter.set_aside_because)
    .order_by(func.count(Vote.conversation_id).desc(), Voter.id)
)
_BALLOT = (
    select(Ballot.is_leak, CategorySet.names, Voter.set_aside_at)
    .select_from(Vote)
    .join(Ballot, Ballot.id == Vote.ballot)
    .join(CategorySet, CategorySet.id == Ballot.category_set)
    .join(Voter, Voter.id == Vote.voter_id)
    .where(Vote.conversation_id == bindparam("key"))
)
_BY_DAY = text("SELECT day, count(*) AS ballots FROM ballots GROUP BY day ORDER BY day")
