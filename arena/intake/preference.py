"""The release of 140k votes (arena-human-preference-140k), and our export in that format: Parquet or JSON lines.

It does not say who voted. Votes of one session are one voter's.
"""

from typing import Any

import msgspec

from arena.export.preference import SESSION
from arena.intake.decoding import convert, moment
from arena.intake.formats import Format, Row
from arena.intake.turns import choice, identity, turns, with_context
from arena.store.votes import VoteRecord

NAME = "arena-human-preference-140k"


class Battle(msgspec.Struct):
    """A row; what else it holds is not looked at."""

    id: str | int
    model_a: str
    model_b: str
    winner: str
    timestamp: Any
    conversation_a: Any
    conversation_b: Any
    evaluation_session_id: str | None = None
    conv_metadata: Any = None


def parse(row: Row) -> VoteRecord:
    """The row as a vote about the last turn of its own battle, without what the session said before."""
    found = convert(dict(row), Battle)
    key = identity(found.id, NAME)
    said = turns(found.conversation_a, found.conversation_b)
    at = moment(found.timestamp)
    vote = VoteRecord(
        conversation_id=key,
        voter_id=SESSION + (found.evaluation_session_id or key),
        choice=choice(found.winner),
        turn=len(said),
        voted_at=at,
        mode="battle",
        model_a=found.model_a,
        model_b=found.model_b,
        pair_probability=None,
        started_at=at,
        turns=said,
    )
    return with_context(vote, found.conv_metadata)


FORMAT = Format(
    NAME,
    frozenset({"id", "model_a", "model_b", "winner", "conversation_a"}),
    frozenset(Battle.__struct_fields__),
    parse,
)
