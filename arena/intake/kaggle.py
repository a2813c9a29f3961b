"""The release of 55k votes (lmsys-arena-human-preference-55k), a CSV table: prompts and answers are JSON lists.

It says neither who voted nor when: each vote is a voter's own, cast when time began. Both-bad is a tie in it.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from arena.intake.decoding import convert, nested
from arena.intake.formats import Format, Row
from arena.intake.problems import LeftOut
from arena.intake.turns import Asked, answer, joined
from arena.store.votes import VoteRecord

NAME = "lmsys-arena-human-preference-55k"
UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class Battle(msgspec.Struct):
    """A row."""

    id: str | int
    model_a: str
    model_b: str
    prompt: Any
    response_a: Any
    response_b: Any
    winner_model_a: int
    winner_model_b: int
    winner_tie: int


def parse(row: Row) -> VoteRecord:
    """The row as a vote about its last turn."""
    found = convert(dict(row), Battle, strict=False)
    key = f"{NAME}-{found.id}"
    asked = [Asked(prompt or "") for prompt in _texts(found.prompt)]
    a, b = ([answer(text) for text in _texts(said)] for said in (found.response_a, found.response_b))
    said = joined(asked, a, b)
    return VoteRecord(
        conversation_id=key,
        voter_id=f"unknown:{key}",
        choice=_choice(found),
        turn=len(said),
        voted_at=UNKNOWN_TIME,
        mode="battle",
        model_a=found.model_a,
        model_b=found.model_b,
        pair_probability=None,
        started_at=UNKNOWN_TIME,
        turns=said,
    )


def _texts(value: Any) -> list[str | None]:
    return convert(nested(value), list[str | None])


def _choice(found: Battle) -> str:
    won = (found.winner_model_a, found.winner_model_b, found.winner_tie)
    if sorted(won) != [0, 0, 1]:
        raise LeftOut("has a winner that is not known", won)
    return ("a", "b", "tie")[won.index(1)]


FORMAT = Format(
    NAME, frozenset({"winner_model_a", "winner_model_b", "prompt"}), frozenset(Battle.__struct_fields__), parse
)
