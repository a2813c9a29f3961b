"""The JSON array of FastChat's tools, and what was released in that form: 33k and 100k votes.

`clean_battle_data --mode conv_release` writes it, and `arena export --format fastchat`. Who voted is a pseudonym,
but in some files a network address: that is replaced by a pseudonym at once.
"""

import ipaddress
from typing import Any

import msgspec

from arena.export.facts import PSEUDONYM, pseudonym
from arena.intake.decoding import convert, moment
from arena.intake.formats import Format, Row
from arena.intake.problems import LeftOut
from arena.intake.turns import choice, identity, turns, with_context
from arena.store.votes import VoteRecord

NAME = "fastchat"


class Battle(msgspec.Struct):
    """A row; what else it holds is not looked at."""

    model_a: str
    model_b: str
    winner: str
    tstamp: float
    question_id: str | int | None = None
    judge: str | None = None
    judge_hash: str | None = None
    conversation_a: Any = None
    conversation_b: Any = None
    anony: bool = True
    conv_metadata: Any = None


def parse(row: Row) -> VoteRecord:
    """The row as a vote about its last turn."""
    found = convert(dict(row), Battle, strict=False)
    if found.question_id is None:
        raise LeftOut("has no question_id")
    key = identity(found.question_id, NAME)
    said = turns(found.conversation_a, found.conversation_b)
    at = moment(found.tstamp)
    vote = VoteRecord(
        conversation_id=key,
        voter_id=voter(found.judge or found.judge_hash, key),
        choice=choice(found.winner),
        turn=len(said),
        voted_at=at,
        mode="battle" if found.anony else "side_by_side",
        model_a=found.model_a,
        model_b=found.model_b,
        pair_probability=None,
        started_at=at,
        turns=said,
    )
    return with_context(vote, found.conv_metadata)


def voter(judge: str | None, key: str) -> str:
    """The voter's pseudonym; of whom nothing is known has one for this battle alone."""
    if not judge:
        return f"unknown:{key}"
    name = judge.removeprefix(PSEUDONYM)
    try:
        return pseudonym(str(ipaddress.ip_address(name)))
    except ValueError:
        return PSEUDONYM + name


FORMAT = Format(
    NAME, frozenset({"model_a", "model_b", "winner", "tstamp"}), frozenset(Battle.__struct_fields__), parse
)
