"""Who accepted which version of the terms, and when."""

from datetime import UTC, datetime

from sqlalchemy import bindparam, select

from arena.store.database import Database, carry_out, whole
from arena.store.voters import WELCOME
from arena.tables import Acceptance


class Terms:
    """Acceptances of the terms. Every method raises `StoreError` where that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accepted_at(self, voter_id: str, version: str) -> datetime | None:
        """When this visitor accepted that version, if they did."""
        async with self._database.read() as db:
            return await db.scalar(_ACCEPTED_AT, {"voter": voter_id, "version": version})

    @whole
    async def accept(self, voter_id: str, version: str) -> None:
        """On disk when this returns. Accepting the same version again leaves the first time as it is."""
        row = {"voter": voter_id, "version": version, "now": datetime.now(UTC)}
        async with self._database.write() as db:
            await carry_out(db, [(WELCOME, [row]), (_ACCEPT, [row])], is_last=True)


_ACCEPTED_AT = select(Acceptance.accepted_at).where(
    Acceptance.voter_id == bindparam("voter"), Acceptance.version == bindparam("version")
)
_ACCEPT = (
    "INSERT INTO acceptances (voter_id, version, accepted_at) VALUES (:voter, :version, :now) "
    "ON CONFLICT DO NOTHING"
)
