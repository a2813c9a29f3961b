"""What visitors think of the answers of a direct chat: a thumb up or down, and a flag for the operator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from arena import tables
from arena.errors import Conflict, NotFound, Unprocessable
from arena.store.conversations import load
from arena.store.database import Database, whole
from arena.words import _

Thumb = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a visitor has said of one answer."""

    thumb: Thumb | None = None
    is_flagged: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be said from now on; `None` leaves it as it is, `""` takes the thumb away."""

    thumb: Thumb | Literal[""] | None = None
    is_flagged: bool | None = None

    def of(self, reaction: Reaction) -> Reaction:
        """The reaction after it."""
        if self.thumb is not None:
            reaction = replace(reaction, thumb=self.thumb or None)
        return reaction if self.is_flagged is None else replace(reaction, is_flagged=self.is_flagged)


class Reactions:
    """Reads and writes them. Every method raises `StoreError` where that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, key: str) -> Mapping[int, Reaction]:
        """All reactions in this conversation, by turn."""
        async with self._database.read() as db:
            return await _all(db, key)

    @whole
    async def react(self, key: str, voter_id: str | None, turn: int, change: Change) -> None:
        """Say this of the answer to that turn. Raises `NotFound`, `Conflict`, `Unprocessable`."""
        async with self._database.write() as db:
            conversation = await load(db, key, voter_id)
            if conversation.mode != "direct":
                raise Unprocessable(_("Thumbs and flags are for chats with one model."))
            asked = next((one for one in conversation.turns if one.number == turn), None)
            if asked is None:
                raise NotFound(_("There is no such answer in this conversation."))
            if not asked.is_complete:
                raise Conflict(_("This answer is not complete yet."))
            known = (await _all(db, key)).get(turn, Reaction())
            await _put(db, key, turn, change.of(known))


async def forget_thumb(db: AsyncConnection, key: str, turn: int) -> None:
    """The answer is written again: the thumb was for another one. A flag stays, for whoever looks into it."""
    where = _Reaction.conversation_id == key, _Reaction.turn == turn
    await db.execute(delete(_Reaction).where(*where, _Reaction.is_flagged.is_(False)))
    await db.execute(update(_Reaction).where(*where).values(thumb=None))


async def reactions_in(db: AsyncConnection, keys: Sequence[str]) -> dict[str, dict[int, Reaction]]:
    """All reactions in these conversations, by conversation and turn."""
    columns = (_Reaction.conversation_id, _Reaction.turn, _Reaction.thumb, _Reaction.is_flagged)
    rows: Any = await db.execute(select(*columns).where(_Reaction.conversation_id.in_(keys)))
    found: dict[str, dict[int, Reaction]] = {}
    for row in rows:
        found.setdefault(row.conversation_id, {})[row.turn] = Reaction(row.thumb, row.is_flagged)
    return found


async def _all(db: AsyncConnection, key: str) -> dict[int, Reaction]:
    return (await reactions_in(db, [key])).get(key, {})


async def _put(db: AsyncConnection, key: str, turn: int, reaction: Reaction) -> None:
    await db.execute(delete(_Reaction).where(_Reaction.conversation_id == key, _Reaction.turn == turn))
    if reaction != Reaction():
        row = {"thumb": reaction.thumb, "is_flagged": reaction.is_flagged, "created_at": datetime.now(UTC)}
        await db.execute(insert(_Reaction).values(conversation_id=key, turn=turn, **row))


_Reaction = tables.Reaction
