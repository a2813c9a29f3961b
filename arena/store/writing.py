"""How conversations, turns and answers are written: the statements, and the rows they take."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import Table, bindparam, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from arena import tables
from arena.conversation import SIDES, Answer, Conversation, Side, Turn
from arena.store.attachments import attach, find, turn_with
from arena.store.batch import Row
from arena.store.conversations import parameters_column
from arena.store.reactions import forget_thumb

# Written out once, and over the bare tables: to build them anew takes longer than SQLite takes to carry them out.
NEW_CONVERSATION, _NEW_TURN, _NEW_ANSWER = (
    insert(cast(Table, record.__table__)) for record in (tables.Conversation, tables.Turn, tables.Answer)
)
_KEYS = {"conversation_id": "key", "turn": "turn_", "side": "side_", "version": "version_"}
ANSWER_COLUMNS = (
    "backend",
    "state",
    "text",
    "reasoning",
    "error",
    "prompt_tokens",
    "completion_tokens",
    "first_token_ms",
    "thought_ms",
    "duration_ms",
    "finish_reason",
    "request_id",
    "thread",
    "answered_by",
)
THIS_ANSWER = update(cast(Table, tables.Answer.__table__)).where(
    *(getattr(tables.Answer, column) == bindparam(name) for column, name in _KEYS.items())
)
KEEP_PROMPT = (
    update(cast(Table, tables.Answer.__table__))
    .where(
        tables.Answer.conversation_id == bindparam("key"),
        tables.Answer.turn == bindparam("turn_"),
        tables.Answer.prompt.is_(None),
    )
    .values(prompt=bindparam("asked"))
)
OTHER_PROMPT = (
    update(cast(Table, tables.Turn.__table__))
    .where(tables.Turn.conversation_id == bindparam("key"), tables.Turn.number == bindparam("turn_"))
    .values(
        prompt=bindparam("asked"),
        parameters=bindparam("said"),
        images=bindparam("pictures"),
        documents=bindparam("papers"),
    )
)
STILL_STREAMING = THIS_ANSWER.where(tables.Answer.state == "streaming")


def conversation_row(conversation: Conversation) -> Row:
    """Its row of `conversations`."""
    return models_row(conversation) | {
        "id": conversation.id,
        "voter_id": conversation.voter_id,
        "mode": conversation.mode,
        "reveal": conversation.reveal,
        "created_at": conversation.created_at,
    }


def models_row(conversation: Conversation) -> Row:
    """Who answers in it, as columns of `conversations`."""
    models, pair = conversation.models, conversation.pair
    return {
        "model_a": models.get("a"),
        "model_b": models.get("b"),
        "pair_probability": pair.probability if pair else None,
    }


async def insert_turn(
    db: AsyncConnection, conversation: Conversation, turn: Turn, attached: Sequence[str]
) -> Turn:
    """A new turn of it with these files; where its models are known, their answers are being written."""
    turn = turn_with(turn, await find(db, conversation.voter_id, attached))
    row = {
        "conversation_id": conversation.id,
        "number": turn.number,
        "prompt": turn.prompt,
        "parameters": parameters_column(turn.parameters),
        "created_at": datetime.now(UTC),
        "images": turn.images,
        "documents": turn.documents,
    }
    await db.execute(_NEW_TURN, row)
    if turn.attachments:
        await attach(db, conversation.id, turn.number, turn.attachments)
    if not conversation.models:
        return turn
    return replace(turn, answers=await _insert_answers(db, conversation, turn, conversation.sides))


async def _insert_answers(
    db: AsyncConnection, conversation: Conversation, turn: Turn, sides: tuple[Side, ...]
) -> dict[Side, Answer]:
    """The next version of these sides' answers, `streaming`. Returns all answers of the turn."""
    models = conversation.models
    fresh = {side: Answer(side, _next_version(turn, side), models[side], "streaming") for side in sides}
    await db.execute(
        _NEW_ANSWER,
        [
            {
                "conversation_id": conversation.id,
                "turn": turn.number,
                "side": answer.side,
                "version": answer.version,
                "model": answer.model,
                "state": answer.state,
                "created_at": datetime.now(UTC),
            }
            for answer in fresh.values()
        ],
    )
    merged = turn.answers | fresh
    return {side: merged[side] for side in SIDES if side in merged}


def _next_version(turn: Turn, side: Side) -> int:
    return turn.answers[side].version + 1 if side in turn.answers else 1


async def write_again(db: AsyncConnection, conversation: Conversation, sides: tuple[Side, ...]) -> Conversation:
    """The next version of these sides' answers to its last turn."""
    if not sides or not conversation.models:
        return conversation
    turn = conversation.last
    if conversation.mode == "direct":
        await forget_thumb(db, conversation.id, turn.number)
    answers = await _insert_answers(db, conversation, turn, sides)
    return replace(conversation, turns=(*conversation.turns[:-1], replace(turn, answers=answers)))
