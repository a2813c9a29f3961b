"""Votes that were cast elsewhere, on their way in: they become battles with turns, answers and votes like ours.

Blind ones get ballots and counts from the box, in the same transaction. What is there already stays as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from sqlalchemy import Table, bindparam, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from arena import tables
from arena.conversation import SIDES, Answer, Conversation, Pair, Side, Turn, Vote, parse_choice
from arena.store import casting
from arena.store.batch import Row
from arena.store.booth import NEW_TURN_VOTE, turn_vote_row
from arena.store.box import BallotBox
from arena.store.casting import Cast
from arena.store.database import Step
from arena.store.remarks import REMARK, packed
from arena.store.votes import TurnRecord, VoteRecord

Fate = Literal["stored", "there", "other"]
"""What became of a vote: `there` if it was stored before, `other` if another one has its id."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A vote that was cast elsewhere. `origin`: the format of the file that it comes from."""

    vote: VoteRecord
    origin: str


@dataclass(frozen=True, slots=True)
class Appraised:
    """The same, with its conversation, and with its cast if it is to have a ballot."""

    arrival: Arrival
    conversation: Conversation
    cast: Cast | None

    @property
    def vote(self) -> VoteRecord:
        return self.arrival.vote


async def appraise(box: BallotBox, arrival: Arrival) -> Appraised:
    """Look it through, as one that was cast here; this takes most of the time, and needs no transaction."""
    vote = arrival.vote
    pair = Pair(vote.model_a, vote.model_b, vote.pair_probability)
    turns = []
    for turn in vote.turns:
        answers = {side: await _answer(box, turn, side, pair) for side in SIDES}
        turns.append(Turn(turn.number, turn.prompt, answers, turn.images, documents=turn.documents))
    choice = Vote(parse_choice(vote.choice), vote.turn, vote.voted_at)
    conversation = Conversation(vote.conversation_id, vote.voter_id, vote.started_at, pair, tuple(turns), choice)
    has_ballot = vote.mode == "battle" and box.appraiser is not None
    return Appraised(arrival, conversation, await box.cast(conversation) if has_ballot else None)


async def foresee(db: AsyncConnection, arrivals: Sequence[Arrival]) -> list[Fate]:
    """What would become of these votes."""
    rows = await db.execute(_KNOWN, {"keys": sorted({one.vote.conversation_id for one in arrivals})})
    known = {row.id: (row.model_a, row.model_b, row.choice) for row in rows}
    fates: list[Fate] = []
    for vote in (one.vote for one in arrivals):
        said = (vote.model_a, vote.model_b, vote.choice)
        if vote.conversation_id not in known:
            fates.append("stored")
        else:
            fates.append("there" if known[vote.conversation_id] == said else "other")
        known.setdefault(vote.conversation_id, said)
    return fates


async def take_in(db: AsyncConnection, box: BallotBox, appraised: Sequence[Appraised]) -> list[Fate]:
    """Store those that are not there yet, in a transaction of the box, and commit."""
    fates = await foresee(db, [one.arrival for one in appraised])
    fresh = [one for one, fate in zip(appraised, fates, strict=True) if fate == "stored"]
    if not fresh:
        return fates
    voters = {one.vote.voter_id: _voter_row(one.vote) for one in reversed(fresh)}
    await db.execute(_NEW_VOTER, list(voters.values()))
    await db.execute(_NEW_CONVERSATION, [_conversation_row(one.arrival) for one in fresh])
    await db.execute(_NEW_TURN, [row for one in fresh for row in _turn_rows(one.conversation)])
    await db.execute(_NEW_ANSWER, [row for one in fresh for row in _answer_rows(one.conversation)])
    without = [casting.vote_row(one.conversation) for one in fresh if one.cast is None]
    if without:
        await db.execute(_NEW_VOTE, without)
    casts = [one.cast for one in fresh if one.cast is not None]
    await box.put_all(db, casts, casting.NEW, also=_remark_steps([one.vote for one in fresh]))
    return fates


def _remark_steps(votes: Sequence[VoteRecord]) -> list[Step]:
    """What was said about these votes, and the votes about later turns."""
    remarks = [_remark_row(vote) for vote in votes if vote.remarked_at is not None]
    later = [
        turn_vote_row(vote.conversation_id, Vote(parse_choice(one.choice), one.turn, one.voted_at))
        for vote in votes
        for one in vote.turn_votes
    ]
    steps: list[Step] = [(_NEW_REMARK, remarks), (NEW_TURN_VOTE, later)]
    return [(sql, rows) for sql, rows in steps if rows]


def _remark_row(vote: VoteRecord) -> Row:
    return {
        "conversation_id": vote.conversation_id,
        "reasons_a": packed(vote.reasons_a),
        "reasons_b": packed(vote.reasons_b),
        "comment": vote.comment or "",
        "updated_at": vote.remarked_at,
    }


_NEW_REMARK = casting.insertion("remarks", REMARK)


_NEW_CONVERSATION, _NEW_TURN, _NEW_ANSWER, _NEW_VOTE = (
    insert(cast(Table, record.__table__))
    for record in (tables.Conversation, tables.Turn, tables.Answer, tables.Vote)
)
_NEW_VOTER = text(
    "INSERT INTO voters (id, created_at, set_aside_at, set_aside_because) "
    "VALUES (:id, :created_at, :set_aside_at, :set_aside_because) ON CONFLICT (id) DO NOTHING"
).bindparams(*(bindparam(name, type_=tables.Voter.created_at.type) for name in ("created_at", "set_aside_at")))
_KNOWN = (
    select(tables.Conversation.id, tables.Conversation.model_a, tables.Conversation.model_b, tables.Vote.choice)
    .outerjoin(tables.Vote, tables.Vote.conversation_id == tables.Conversation.id)
    .where(tables.Conversation.id.in_(bindparam("keys", expanding=True)))
)
_OF_RECORD = (
    "text",
    "reasoning",
    "state",
    "backend",
    "prompt_tokens",
    "completion_tokens",
    "first_token_ms",
    "duration_ms",
    "finish_reason",
    "answered_by",
)
_MARKS = ("characters", "headers", "lists", "bold", "code_blocks", "formulas", "is_leak")


async def _answer(box: BallotBox, turn: TurnRecord, side: Side, pair: Pair) -> Answer:
    record = turn.a if side == "a" else turn.b
    known = {name: getattr(record, name) for name in _OF_RECORD}
    marks = await box.marks(record.text)
    return Answer(side=side, version=record.versions, model=pair.model(side), **known, **marks)


def _voter_row(vote: VoteRecord) -> Row:
    """A voter whom nobody knows here is set aside where the other arena had done so."""
    is_aside = vote.set_aside is not None
    return {
        "id": vote.voter_id,
        "created_at": vote.started_at,
        "set_aside_at": vote.voted_at if is_aside else None,
        "set_aside_because": vote.set_aside,
    }


def _conversation_row(arrival: Arrival) -> Row:
    vote = arrival.vote
    return {
        "id": vote.conversation_id,
        "voter_id": vote.voter_id,
        "mode": vote.mode,
        "model_a": vote.model_a,
        "model_b": vote.model_b,
        "pair_probability": vote.pair_probability,
        "created_at": vote.started_at,
        "origin": arrival.origin,
    }


def _turn_rows(kept: Conversation) -> list[Row]:
    return [
        {
            "conversation_id": kept.id,
            "number": turn.number,
            "prompt": turn.prompt,
            "images": turn.images,
            "documents": turn.documents,
            "created_at": kept.created_at,
        }
        for turn in kept.turns
    ]


def _answer_rows(kept: Conversation) -> list[Row]:
    names = ("side", "version", "model", *_OF_RECORD, *_MARKS)
    return [
        {"conversation_id": kept.id, "turn": turn.number, "created_at": kept.created_at}
        | {name: getattr(answer, name) for name in names}
        for turn in kept.turns
        for answer in turn.answers.values()
    ]
