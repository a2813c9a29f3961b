"""Conversations on their way out of the database: one, or a page of them, each in one question."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from arena import tables
from arena.conversation import Answer, Conversation, Pair, Parameters, Side, Turn, Vote
from arena.errors import NotFound
from arena.store.attachments import with_attachments
from arena.words import _

_ANSWER = tuple(field.name for field in fields(Answer))


async def load(db: AsyncConnection, key: str, voter_id: str | None) -> Conversation:
    """The visitor's own conversation, with all its turns and the latest version of each answer.

    Raises `NotFound`, for one that belongs to somebody else as well.
    """
    rows = (await db.execute(_ONE, {"key": key, "voter": voter_id})).all()
    if not rows:
        raise NotFound(_("There is no such battle here, or it belongs to another visitor."))
    conversation = _conversation(rows)
    if any(turn.images or turn.documents for turn in conversation.turns):
        conversation = await with_attachments(db, conversation)
    if conversation.vote is None or conversation.counts_at_once:
        return conversation
    return replace(conversation, later_votes=(await load_later_votes(db, [key])).get(key, ()))


async def load_version(db: AsyncConnection, key: str, turn: int, side: Side, version: int) -> Answer:
    """One version of an answer. Raises `NotFound`."""
    row = (await db.execute(_VERSION, {"key": key, "turn": turn, "side": side, "version": version})).one_or_none()
    if row is None:
        raise NotFound(_("There is no such version of this answer."))
    return Answer(*row)


async def load_all(db: AsyncConnection, keys: Sequence[str]) -> dict[str, Conversation]:
    """Conversations by their ids, whoever they belong to, without attachments and later votes."""
    rows = (await db.execute(_ALL, {"keys": list(keys)})).all()
    return {key: _conversation(list(group)) for key, group in groupby(rows, attrgetter("id"))}


async def load_later_votes(db: AsyncConnection, keys: Sequence[str]) -> dict[str, tuple[Vote, ...]]:
    """Votes about later turns of these conversations, by id; nothing for those that have none."""
    rows = (await db.execute(_LATER_VOTES, {"keys": list(keys)})).all()
    by_conversation = groupby(rows, attrgetter("conversation_id"))
    return {
        key: tuple(Vote(row.choice, row.turn, row.created_at) for row in votes) for key, votes in by_conversation
    }


def _conversation(rows: Sequence[Any]) -> Conversation:
    turns: dict[int, Turn] = {}
    for row in rows:
        if row.number not in turns:
            said = parameters_in(row.parameters)
            turns[row.number] = Turn(row.number, row.asked, {}, row.images, said, documents=row.documents)
        turn = turns[row.number]
        if row.side is not None:
            turn.answers[row.side] = Answer(*row[: len(_ANSWER)])  # the latest version comes last
    return conversation_of(rows[0], tuple(turns.values()))


def conversation_of(row: Any, turns: tuple[Turn, ...] = ()) -> Conversation:
    """The conversation of a row with the columns `HEAD`."""
    return Conversation(
        row.id,
        row.voter_id,
        row.started_at,
        Pair(row.model_a, row.model_b, row.pair_probability) if row.model_b else None,
        turns,
        Vote(row.choice, row.voted_turn, row.voted_at) if row.choice else None,
        row.mode,
        None if row.model_b else row.model_a,
        row.reveal,
        row.revealed_at,
    )


def parameters_in(column: str | None) -> Parameters:
    """What `turns.parameters` holds."""
    return Parameters(**json.loads(column)) if column else Parameters()


def parameters_column(parameters: Parameters) -> str | None:
    """What `turns.parameters` is to hold: what the visitor has said."""
    said = {name: value for name, value in asdict(parameters).items() if value is not None}
    return json.dumps(said, ensure_ascii=False) if said else None


HEAD: tuple[Any, ...] = (
    tables.Conversation.id,
    tables.Conversation.voter_id,
    tables.Conversation.created_at.label("started_at"),
    tables.Conversation.model_a,
    tables.Conversation.model_b,
    tables.Conversation.pair_probability,
    tables.Conversation.mode,
    tables.Conversation.reveal,
    tables.Conversation.revealed_at,
    tables.Vote.choice,
    tables.Vote.turn.label("voted_turn"),
    tables.Vote.created_at.label("voted_at"),
)
"""A conversation without its turns, and its vote: for a question that joins the two tables."""

_CONVERSATION = (
    select(
        *(getattr(tables.Answer, name) for name in _ANSWER),
        *HEAD,
        tables.Turn.number,
        tables.Turn.prompt.label("asked"),
        tables.Turn.images,
        tables.Turn.documents,
        tables.Turn.parameters,
    )
    .select_from(tables.Conversation)
    .join(tables.Turn, tables.Turn.conversation_id == tables.Conversation.id)
    .outerjoin(tables.Vote, tables.Vote.conversation_id == tables.Conversation.id)
    .outerjoin(
        tables.Answer,
        (tables.Answer.conversation_id == tables.Turn.conversation_id)
        & (tables.Answer.turn == tables.Turn.number),
    )
)
_VERSION = select(*(getattr(tables.Answer, name) for name in _ANSWER)).where(
    tables.Answer.conversation_id == bindparam("key"),
    tables.Answer.turn == bindparam("turn"),
    tables.Answer.side == bindparam("side"),
    tables.Answer.version == bindparam("version"),
)
_LATER_VOTES = (
    select(
        tables.TurnVote.conversation_id, tables.TurnVote.choice, tables.TurnVote.turn, tables.TurnVote.created_at
    )
    .where(tables.TurnVote.conversation_id.in_(bindparam("keys", expanding=True)))
    .order_by(tables.TurnVote.conversation_id, tables.TurnVote.turn)
)
_ORDER = (tables.Turn.number, tables.Answer.side, tables.Answer.version)
_ONE = _CONVERSATION.where(
    tables.Conversation.id == bindparam("key"),
    tables.Conversation.voter_id == bindparam("voter"),
    tables.Conversation.deleted_at.is_(None),
).order_by(*_ORDER)
_ALL = _CONVERSATION.where(tables.Conversation.id.in_(bindparam("keys", expanding=True))).order_by(
    tables.Conversation.id, *_ORDER
)
