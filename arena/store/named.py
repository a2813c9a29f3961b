"""Conversations with models chosen by name, on their way out, with what visitors thought of the answers."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from arena.conversation import Conversation
from arena.store.conversations import load_all, load_later_votes
from arena.store.database import Database
from arena.store.reactions import Reaction, reactions_in
from arena.tables import Conversation as ConversationRow
from arena.tables import Turn

PAGE = 200


@dataclass(frozen=True, slots=True)
class NamedRecord:
    """A conversation, and what its visitor thought of the answers, by turn."""

    conversation: Conversation
    reactions: Mapping[int, Reaction]


class Named:
    """All of them, for an export. Every method raises `StoreError` where that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, since: datetime | None = None) -> int:
        """How many were begun at or after `since`. What a visitor has deleted is gone."""
        async with self._database.read() as db:
            return await db.scalar(_begun(select(func.count()).select_from(ConversationRow), since)) or 0

    async def all(self, since: datetime | None = None) -> AsyncGenerator[NamedRecord, None]:
        """The same, oldest first, in bounded memory."""
        last = ""
        async with self._database.read() as db:
            while True:
                query = (
                    _begun(select(ConversationRow.id), since)
                    .where(ConversationRow.id > last)
                    .order_by(ConversationRow.id)
                    .limit(PAGE)
                )
                keys = [row.id for row in await db.execute(query)]
                if not keys:
                    return
                found, reactions = await load_all(db, keys), await reactions_in(db, keys)
                later = await load_later_votes(db, keys)
                for key in (key for key in keys if key in found):  # some may be deleted by now
                    conversation = replace(found[key], later_votes=later.get(key, ()))
                    yield NamedRecord(conversation, reactions.get(key, {}))
                last = keys[-1]


def _begun(query: Any, since: datetime | None) -> Any:
    has_words = (
        select(Turn.number).where(Turn.conversation_id == ConversationRow.id).correlate(ConversationRow).exists()
    )
    query = query.where(ConversationRow.mode != "battle", has_words)
    return query if since is None else query.where(ConversationRow.created_at >= since)
