"""What visitors say about their votes: why, for each side, and in their own words, until their next battle."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from arena import tables
from arena.conversation import SIDES, Conversation, Side
from arena.errors import Conflict
from arena.store.conversations import load
from arena.store.database import Database, Row, carry_out, whole
from arena.words import _


@dataclass(frozen=True, slots=True)
class Remark:
    """`reasons`: tags of each side, in their order."""

    reasons: Mapping[Side, tuple[str, ...]] = field(default_factory=dict)
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What has been said about a vote, and whether that can still be changed."""

    remark: Remark | None
    is_open: bool


class Remarks:
    """Remarks on votes. Every method raises `StoreError` where that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, key: str) -> Remark | None:
        """The remark on this conversation's vote, whoever it belongs to."""
        async with self._database.read() as db:
            return await _remark(db, key)

    async def said(self, conversation: Conversation) -> Said | None:
        """What its visitor has said about the vote; `None` where there is nothing to speak about yet."""
        if not _may_speak(conversation):
            return None
        async with self._database.read() as db:
            return Said(await _remark(db, conversation.id), await _is_open(db, conversation))

    @whole
    async def save(self, key: str, voter_id: str | None, remark: Remark, now: datetime) -> Conversation:
        """The remark in the place of an earlier one. Raises `NotFound`, `Conflict`."""
        async with self._database.write() as db:
            conversation = await load(db, key, voter_id)
            if not _may_speak(conversation):
                raise Conflict(_("You can say why once you have voted and the names are out."))
            if not await _is_open(db, conversation):
                raise Conflict(_("You have started another battle since, so what you said here stays as it is."))
            row = {"key": key, "comment": remark.comment, "now": now}
            row |= {f"reasons_{side}": packed(remark.reasons.get(side, ())) for side in SIDES}
            await carry_out(db, [(_SAVE, [row])], is_last=True)
        return conversation


def packed(reasons: tuple[str, ...]) -> str:
    """Tags as a column of `remarks` has them."""
    return json.dumps(reasons, ensure_ascii=False)


def unpacked(column: str | None) -> tuple[str, ...]:
    """The tags in such a column."""
    return tuple(json.loads(column)) if column else ()


def _may_speak(conversation: Conversation) -> bool:
    return conversation.vote is not None and conversation.names_are_out


async def _remark(db: AsyncConnection, key: str) -> Remark | None:
    row = (await db.execute(_REMARK, {"key": key})).one_or_none()
    if row is None:
        return None
    return Remark({"a": unpacked(row.reasons_a), "b": unpacked(row.reasons_b)}, row.comment)


async def _is_open(db: AsyncConnection, conversation: Conversation) -> bool:
    """Whether its visitor has started no battle since the names were out."""
    assert conversation.vote is not None
    since = conversation.revealed_at or conversation.vote.created_at
    where: Row = {"voter": conversation.voter_id, "since": since}
    return await db.scalar(_NEXT_BATTLE, where) is None


_REMARK = select(tables.Remark.reasons_a, tables.Remark.reasons_b, tables.Remark.comment).where(
    tables.Remark.conversation_id == bindparam("key")
)
_NEXT_BATTLE = (
    select(tables.Conversation.id)
    .where(
        tables.Conversation.voter_id == bindparam("voter"),
        tables.Conversation.created_at > bindparam("since", type_=tables.Conversation.created_at.type),
        tables.Conversation.mode == "battle",
    )
    .limit(1)
)
REMARK = ("conversation_id", "reasons_a", "reasons_b", "comment", "updated_at")
_SAVE = (
    f"INSERT INTO remarks ({', '.join(REMARK)}) VALUES (:key, :reasons_a, :reasons_b, :comment, :now) "
    "ON CONFLICT (conversation_id) DO UPDATE SET reasons_a = excluded.reasons_a, reasons_b = excluded.reasons_b, "
    "comment = excluded.comment, updated_at = excluded.updated_at"
)
