"""Links that let others read a conversation: given out, found, and taken back."""

import secrets
from datetime import UTC, datetime

from sqlalchemy import bindparam, select

from arena.conversation import Conversation
from arena.errors import NotFound
from arena.store.conversations import load
from arena.store.database import Database, carry_out, whole
from arena.tables import Conversation as ConversationRow
from arena.tables import Share
from arena.words import _

TOKEN_BYTES = 32


class Shares:
    """All links. Every method raises `StoreError` where that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def token(self, key: str) -> str | None:
        """The token under which a conversation can be read now, if it is shared."""
        async with self._database.read() as db:
            return await db.scalar(_TOKEN, {"key": key})

    @whole
    async def share(self, key: str, voter_id: str | None) -> str:
        """Share the visitor's conversation; one that is shared already keeps its link. Raises `NotFound`."""
        async with self._database.write() as db:
            await load(db, key, voter_id)
            if found := await db.scalar(_TOKEN, {"key": key}):
                return str(found)
            token = secrets.token_urlsafe(TOKEN_BYTES)
            row = {"token": token, "key": key, "now": datetime.now(UTC)}
            await carry_out(db, [(_SHARE, [row])], is_last=True)
        return token

    @whole
    async def revoke(self, key: str, voter_id: str | None) -> None:
        """From now on no link leads to the visitor's conversation. Raises `NotFound`."""
        async with self._database.write() as db:
            await load(db, key, voter_id)
            await carry_out(db, [(_REVOKE, [{"key": key, "now": datetime.now(UTC)}])], is_last=True)

    async def conversation(self, token: str) -> Conversation:
        """What the link leads to. Raises `NotFound`."""
        async with self._database.read() as db:
            row = (await db.execute(_SHARED, {"token": token})).one_or_none()
            if row is None:
                raise NotFound(_("Nothing is shared at this address, or it is shared no longer."))
            return await load(db, row.id, row.voter_id)


_TOKEN = select(Share.token).where(Share.conversation_id == bindparam("key"), Share.revoked_at.is_(None))
_SHARED = (
    select(ConversationRow.id, ConversationRow.voter_id)
    .join(Share, Share.conversation_id == ConversationRow.id)
    .where(Share.token == bindparam("token"), Share.revoked_at.is_(None), ConversationRow.deleted_at.is_(None))
)
_SHARE = "INSERT INTO shares (token, conversation_id, created_at) VALUES (:token, :key, :now)"
_REVOKE = "UPDATE shares SET revoked_at = :now WHERE conversation_id = :key AND revoked_at IS NULL"
