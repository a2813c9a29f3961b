"""Votes on their way out: each with its whole battle, a page of rows at a time."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from sqlalchemy import RowMapping, and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from arena.store.remarks import unpacked
from arena.tables import Answer, Conversation, Remark, Turn, TurnVote, Vote, Voter

PAGE = 500


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """The version of an answer that was voted on. Times in milliseconds."""

    text: str
    reasoning: str
    state: str
    backend: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    first_token_ms: float | None
    duration_ms: float | None
    finish_reason: str | None
    answered_by: str | None = None
    versions: int = 1


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """A prompt, what the two sides said to it, and how many pictures and documents were with it."""

    number: int
    prompt: str
    a: AnswerRecord
    b: AnswerRecord
    images: int = 0
    documents: int = 0


@dataclass(frozen=True, slots=True)
class TurnVoteRecord:
    """A vote about a later turn of a battle that went on: it is not counted."""

    turn: int
    choice: str
    voted_at: datetime


@dataclass(frozen=True, slots=True)
class VoteRecord:
    """A vote with everything that led to it. `voter_id` is the random id of a cookie, not a person's name.

    `pair_probability` is not known of a vote that was cast elsewhere. `set_aside`: why the voter's votes do not
    count, where that is so. `reasons_a`, `reasons_b`, `comment`: what the voter has said about it, and when, in
    `remarked_at`. `turns` after the one that was voted on are of a battle that went on, with `turn_votes` on them.
    """

    conversation_id: str
    voter_id: str
    choice: str
    turn: int
    voted_at: datetime
    mode: str
    model_a: str
    model_b: str
    pair_probability: float | None
    started_at: datetime
    turns: tuple[TurnRecord, ...]
    set_aside: str | None = None
    reasons_a: tuple[str, ...] = ()
    reasons_b: tuple[str, ...] = ()
    comment: str | None = None
    remarked_at: datetime | None = None
    turn_votes: tuple[TurnVoteRecord, ...] = ()


STANDS = (
    (Conversation.mode != "battle")
    | (Conversation.reveal == "on_vote")
    | Conversation.revealed_at.is_not(None)
    | Vote.ballot.is_not(None)
)
"""What votes that count or were not blind have, and one whose names are still hidden has not."""


async def vote_records(db: AsyncConnection, since: datetime | None) -> AsyncGenerator[VoteRecord, None]:
    """Votes cast at or after `since`, oldest first. Reads by key, a page at a time, so memory stays bounded."""
    after: tuple[datetime, str] | None = None
    while True:
        query = (
            select(
                Vote.conversation_id,
                Vote.voter_id,
                Vote.choice,
                Vote.turn,
                Vote.created_at.label("voted_at"),
                Conversation.mode,
                Conversation.model_a,
                Conversation.model_b,
                Conversation.pair_probability,
                Conversation.created_at.label("started_at"),
                Voter.set_aside_because.label("set_aside"),
                Remark.reasons_a,
                Remark.reasons_b,
                Remark.comment,
                Remark.updated_at.label("remarked_at"),
            )
            .join(Conversation, Conversation.id == Vote.conversation_id)
            .join(Voter, Voter.id == Vote.voter_id)
            .outerjoin(Remark, Remark.conversation_id == Vote.conversation_id)
            .where(STANDS, Conversation.deleted_at.is_(None))
            .order_by(Vote.created_at, Vote.conversation_id)
            .limit(PAGE)
        )
        if since is not None:
            query = query.where(Vote.created_at >= since)
        if after is not None:
            query = query.where(
                (Vote.created_at > after[0]) | and_(Vote.created_at == after[0], Vote.conversation_id > after[1])
            )
        rows = (await db.execute(query)).all()
        if not rows:
            return
        keys = [row.conversation_id for row in rows]
        turns, later = await _turns(db, keys), await _turn_votes(db, keys)
        for row in rows:
            if said := turns.get(row.conversation_id):  # it may have been deleted in the meantime
                yield _record(row._mapping, said, later.get(row.conversation_id, ()))
        after = (rows[-1].voted_at, rows[-1].conversation_id)


def _record(row: RowMapping, turns: tuple[TurnRecord, ...], turn_votes: tuple[TurnVoteRecord, ...]) -> VoteRecord:
    """The vote of this row. A later turn whose answers are not complete is of no use to anybody."""
    last = turns[-1]
    if last.number > row["turn"] and {last.a.state, last.b.state} - {"done", "stopped"}:
        turns = turns[:-1]
    said = {name: unpacked(row[name]) for name in ("reasons_a", "reasons_b")} | {"comment": row["comment"] or None}
    return VoteRecord(**{**row, **said}, turns=turns, turn_votes=turn_votes)


_TURN_VOTES = (
    select(TurnVote.conversation_id, TurnVote.turn, TurnVote.choice, TurnVote.created_at)
    .where(TurnVote.conversation_id.in_(bindparam("keys", expanding=True)))
    .order_by(TurnVote.conversation_id, TurnVote.turn)
)


async def _turn_votes(db: AsyncConnection, keys: list[str]) -> dict[str, tuple[TurnVoteRecord, ...]]:
    """The votes about later turns of these conversations."""
    rows = (await db.execute(_TURN_VOTES, {"keys": keys})).all()
    by_conversation = groupby(rows, attrgetter("conversation_id"))
    return {key: tuple(TurnVoteRecord(*row[1:]) for row in votes) for key, votes in by_conversation}


_TURNS = (
    select(
        Turn.conversation_id,
        Turn.number,
        Turn.prompt,
        Turn.images,
        Turn.documents,
        Answer.side,
        Answer.text,
        Answer.reasoning,
        Answer.state,
        Answer.backend,
        Answer.prompt_tokens,
        Answer.completion_tokens,
        Answer.first_token_ms,
        Answer.duration_ms,
        Answer.finish_reason,
        Answer.answered_by,
        Answer.version,
    )
    .join(Answer, and_(Answer.conversation_id == Turn.conversation_id, Answer.turn == Turn.number))
    .where(Turn.conversation_id.in_(bindparam("keys", expanding=True)))
    .order_by(Turn.conversation_id, Turn.number, Answer.side, Answer.version)
)


async def _turns(db: AsyncConnection, keys: list[str]) -> dict[str, tuple[TurnRecord, ...]]:
    """The turns of these conversations, each with the latest version of both answers."""
    rows = await db.execute(_TURNS, {"keys": keys})
    found: dict[str, tuple[TurnRecord, ...]] = {}
    asked = attrgetter("conversation_id", "number", "prompt", "images", "documents")
    for (key, number, prompt, *attached), answers in groupby(rows, asked):
        latest = {
            row.side: AnswerRecord(
                row.text,
                row.reasoning,
                row.state,
                row.backend,
                row.prompt_tokens,
                row.completion_tokens,
                row.first_token_ms,
                row.duration_ms,
                row.finish_reason,
                row.answered_by,
                row.version,
            )
            for row in answers
        }
        found[key] = (*found.get(key, ()), TurnRecord(number, prompt, latest["a"], latest["b"], *attached))
    return found


async def count(db: AsyncConnection, since: datetime | None) -> int:
    """How many votes `vote_records` will yield, and those of conversations that their visitors have deleted."""
    every = select(func.count()).select_from(Vote)
    hidden = _HIDDEN
    if since is not None:
        every, hidden = every.where(Vote.created_at >= since), hidden.where(Vote.created_at >= since)
    return (await db.scalar(every) or 0) - (await db.scalar(hidden) or 0)


_HIDDEN = (
    select(func.count())
    .select_from(Vote)
    .join(Conversation, Conversation.id == Vote.conversation_id)
    .where(Vote.ballot.is_(None), ~STANDS)
)
