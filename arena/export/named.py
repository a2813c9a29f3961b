"""Conversations with models chosen by name, as JSON lines: votes there are never ranked, and most have none."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import asdict
from typing import IO, Any

import msgspec

from arena.conversation import Turn
from arena.store.named import NamedRecord
from arena.store.reactions import Reaction

KIND = "conversations"

_ANSWER = (
    "model",
    "state",
    "text",
    "reasoning",
    "backend",
    "prompt_tokens",
    "completion_tokens",
    "first_token_ms",
    "duration_ms",
    "finish_reason",
    "version",
)


async def export_named(
    records: AsyncGenerator[NamedRecord, None], out: IO[bytes], progress: Callable[[], None] = lambda: None
) -> int:
    """Write all of them, a line each; returns how many. `progress` is called after each."""
    encoder, written = msgspec.json.Encoder(), 0
    async with aclosing(records):
        async for record in records:
            out.write(encoder.encode(_object(record)) + b"\n")
            written += 1
            progress()
    return written


def _object(record: NamedRecord) -> dict[str, Any]:
    conversation = record.conversation
    votes = [conversation.vote_on(turn.number) for turn in conversation.turns]
    return {
        "conversation_id": conversation.id,
        "voter_id": conversation.voter_id,
        "mode": conversation.mode,
        "models": conversation.models,
        "started_at": conversation.created_at,
        "turns": [_turn(turn, record.reactions.get(turn.number)) for turn in conversation.turns],
        "votes": [{"turn": vote.turn, "choice": vote.choice, "at": vote.created_at} for vote in votes if vote],
    }


def _turn(turn: Turn, reaction: Reaction | None) -> dict[str, Any]:
    said = {name: value for name, value in asdict(turn.parameters).items() if value is not None}
    return {
        "number": turn.number,
        "prompt": turn.prompt,
        "images": turn.images,
        "parameters": said,
        "answers": {side: {name: getattr(one, name) for name in _ANSWER} for side, one in turn.answers.items()},
        "thumb": reaction.thumb if reaction else None,
        "is_flagged": bool(reaction and reaction.is_flagged),
    }
