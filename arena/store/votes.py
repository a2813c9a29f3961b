"""Votes on their way out: each with its whole battle, a page of rows at a time."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from sqlalchemy import and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from arena.tables import Answer, Conversation, Turn, Vote, Voter

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
    """A prompt, what the two sides said to it, and how many pictures were with it."""

    number: int
    prompt: str
    a: AnswerRecord
    b: AnswerRecord
    images: int = 0


@dataclass(frozen=True, slots=True)
class VoteRecord:
    """A vote with everything that led to it. `voter_id` is the random id of a cookie, not a person's name.

    `pair_probability` is not known of a vote that was cast elsewhere. `set_aside`: why the voter's votes do not
    count, where that is so.
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
            )
            .join(Conversation, Conversation.id == Vote.conversation_id)
            .join(Voter, Voter.id == Vote.voter_id)
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
        turns = await _turns(db, [row.conversation_id for row in rows])
        for row in rows:
            yield VoteRecord(**row._mapping, turns=turns[row.conversation_id])
        after = (rows[-1].voted_at, rows[-1].conversation_id)


_TURNS = (
    select(
        Turn.conversation_id,
        Turn.number,
        Turn.prompt,
        Turn.images,
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
    asked = attrgetter("conversation_id", "number", "prompt", "images")
    for (key, number, prompt, images), answers in groupby(rows, asked):
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
        found[key] = (*found.get(key, ()), TurnRecord(number, prompt, latest["a"], latest["b"], images))
    return found


async def count(db: AsyncConnection, since: datetime | None) -> int:
    """How many votes `vote_records` will yield."""
    query = select(func.count()).select_from(Vote)
    if since is not None:
        query = query.where(Vote.created_at >= since)
    return await db.scalar(query) or 0
