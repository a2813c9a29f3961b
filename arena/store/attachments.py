"""What visitors hand in with their prompts: pictures, each stored once, and documents.

All of it waits, for its visitor alone, until the prompt is sent that it comes with. `find` and `attach` work in
the transaction that writes a turn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, Table, bindparam, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils import uuid7

from arena import backend, tables
from arena.conversation import Attachment, Conversation, Turn, count_images
from arena.errors import NotFound, TooManyRequests, Unprocessable
from arena.images import Picture
from arena.store.database import Database, carry_out, whole
from arena.store.voters import WELCOME
from arena.words import N_, _

WAITING = 100  # files of one visitor that no prompt has been sent with yet
GONE = N_(
    "A file that you had added is no longer there: it was sent with another prompt, or has waited for too long. "
    "Nothing was sent. Add it again, and send your prompt once more."
)
NO_PICTURE = N_("There is no picture at this address, or it belongs to another visitor.")


class Attachments:
    """Pictures and documents on a `Database`. Every method raises `StoreError` where that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @whole
    async def add_image(self, voter_id: str, name: str, picture: Picture) -> Attachment:
        """A picture that waits for its prompt."""
        row = {
            "image": picture.hash,
            "media_type": picture.media_type,
            "width": picture.width,
            "height": picture.height,
            "data": picture.data,
        }
        found = Attachment(_key(), "image", name, picture.hash, picture.width, picture.height)
        async with self._database.write() as db:
            await carry_out(db, [(_NEW_IMAGE, [row])])
            await _keep(db, voter_id, found)
        return found

    @whole
    async def add_document(self, voter_id: str, name: str, text: str, pages: int | None) -> Attachment:
        """A document, as models read it, that waits for its prompt."""
        found = Attachment(_key(), "document", name, characters=len(text), pages=pages)
        async with self._database.write() as db:
            await _keep(db, voter_id, found, text)
        return found

    async def waiting(self, voter_id: str | None, keys: Sequence[str]) -> tuple[Attachment, ...]:
        """Those of these that the visitor may send, in this order; what is gone by now is left out.

        That is all that waits, and what is with a prompt of theirs, which may be edited.
        """
        async with self._database.read() as db:
            found = await _own(db, voter_id, keys)
        return tuple(found[key] for key in dict.fromkeys(keys) if key in found)

    @whole
    async def remove(self, voter_id: str | None, key: str) -> None:
        """Forget what waits; what belongs to a prompt that was sent stays until that is edited."""
        table = tables.Attachment
        is_waiting = (table.id == key, table.voter_id == voter_id, table.conversation_id.is_(None))
        async with self._database.write() as db:
            await db.execute(delete(table).where(*is_waiting))

    @whole
    async def cut(self, voter_id: str | None, key: str, characters: int, name: str) -> None:
        """Keep the first characters of a document that waits, under this name. Raises `NotFound`."""
        table = tables.Attachment
        is_waiting = (table.id == key, table.voter_id == voter_id, table.conversation_id.is_(None))
        begins = {"text": func.substr(table.text, 1, characters), "name": name}
        async with self._database.write() as db:
            found = await db.execute(update(table).where(*is_waiting, table.kind == "document").values(begins))
            if not found.rowcount:
                raise NotFound(_("There is no document at this address that waits for its prompt."))

    async def text(self, voter_id: str | None, key: str) -> tuple[Attachment, str]:
        """A document of this visitor's and what models read of it. Raises `NotFound`."""
        table = tables.Attachment
        query = select(table.text).where(table.id == key, table.voter_id == voter_id, table.kind == "document")
        async with self._database.read() as db:
            text = await db.scalar(query)
            found = await _own(db, voter_id, (key,))
        if text is None or key not in found:
            raise NotFound(_("There is no document at this address, or it belongs to another visitor."))
        return found[key], text

    async def picture(self, voter_id: str | None, image: str) -> Picture:
        """A picture that this visitor has handed in. Raises `NotFound`, for other people's too."""
        return await self._picture(image, tables.Attachment.voter_id == voter_id)

    async def picture_of(self, conversation_id: str, image: str) -> Picture:
        """A picture of that conversation, for whoever may see it. Raises `NotFound`."""
        return await self._picture(image, tables.Attachment.conversation_id == conversation_id)

    async def _picture(self, image: str, whose: ColumnElement[bool]) -> Picture:
        table = tables.Image
        columns = (table.hash, table.media_type, table.width, table.height, table.data)
        is_there = exists().where(tables.Attachment.image == table.hash, whose)
        async with self._database.read() as db:
            row = (await db.execute(select(*columns).where(table.hash == image, is_there))).one_or_none()
        if row is None:
            raise NotFound(_(NO_PICTURE))
        return Picture(*row)

    async def contents(self, conversation: Conversation) -> Mapping[str, backend.Image | str]:
        """What models get of all that is with its prompts, by the attachment's id: a picture, or a text."""
        keys = [one.id for turn in conversation.turns for one in turn.attachments]
        if not keys:
            return {}
        async with self._database.read() as db:
            rows = (await db.execute(_CONTENTS, {"keys": keys})).all()
        return {row.id: row.text or backend.Image(row.media_type, row.data) for row in rows}

    @whole
    async def sweep(self, before: datetime) -> int:
        """Delete what has waited since before that moment, and pictures nobody has any more. Returns how many."""
        old = tables.Attachment
        unsent = (old.conversation_id.is_(None), old.created_at < before)
        bare = ~exists().where(old.image == tables.Image.hash)
        async with self._database.read() as db:
            is_due = select(exists().where(*unsent) | exists(select(tables.Image.hash).where(bare)))
            if not await db.scalar(is_due):
                return 0
        async with self._database.write() as db:
            left = await db.execute(delete(old).where(*unsent))
            alone = await db.execute(delete(tables.Image).where(bare))
        return left.rowcount + alone.rowcount


# Inside the transaction that writes a turn


async def find(
    db: AsyncConnection, voter_id: str | None, keys: Sequence[str], at: tuple[str, int] | None = None
) -> tuple[Attachment, ...]:
    """What is handed in with a prompt, in this order. Raises `Unprocessable` unless all of it waits for one.

    It may also be with the turn `at` (the conversation's id and its number) already.
    """
    if not keys:
        return ()
    found = await _own(db, voter_id, keys, where=at or ("", 0))
    if set(keys) - set(found):
        raise Unprocessable(_(GONE))
    return tuple(found[key] for key in dict.fromkeys(keys))


async def attach(db: AsyncConnection, conversation_id: str, turn: int, attached: Sequence[Attachment]) -> None:
    """Put these, in this order, with a turn whose row is there, instead of all that was."""
    table = tables.Attachment
    kept = [one.id for one in attached]
    others = (table.conversation_id == conversation_id, table.turn == turn, table.id.not_in(kept))
    await db.execute(delete(table).where(*others))
    if attached:
        rows = [{"key": key, "of": conversation_id, "at": turn, "place": n} for n, key in enumerate(kept)]
        await db.execute(_ATTACH, rows)


async def with_attachments(db: AsyncConnection, conversation: Conversation) -> Conversation:
    """The conversation, with all that was handed in with its prompts."""
    rows = (await db.execute(_OF_TURNS, {"key": conversation.id})).all()
    found: dict[int, list[Attachment]] = {}
    for row in rows:
        found.setdefault(row.turn, []).append(Attachment(*row[: len(_COLUMNS)]))
    turns = (replace(turn, attachments=tuple(found.get(turn.number, ()))) for turn in conversation.turns)
    return replace(conversation, turns=tuple(turns))


def turn_with(turn: Turn, attached: tuple[Attachment, ...]) -> Turn:
    """The turn with these instead of what was with it."""
    images = count_images(attached)
    return replace(turn, attachments=attached, images=images, documents=len(attached) - images)


async def _own(
    db: AsyncConnection, voter_id: str | None, keys: Sequence[str], where: tuple[str, int] | None = None
) -> dict[str, Attachment]:
    """The visitor's, by id: those that wait and, of those that do not, those of one turn, or all."""
    table = tables.Attachment
    query = _LISTED.where(table.id.in_(list(keys)), table.voter_id == voter_id)
    if where is not None:
        is_there = (table.conversation_id == where[0]) & (table.turn == where[1])
        query = query.where(table.conversation_id.is_(None) | is_there)
    return {row.id: Attachment(*row) for row in (await db.execute(query)).all()}


async def _keep(db: AsyncConnection, voter_id: str, attachment: Attachment, text: str | None = None) -> None:
    """Have it wait. Raises `TooManyRequests` where too much of this visitor's waits already."""
    if (await db.scalar(_HOW_MANY_WAIT, {"voter": voter_id}) or 0) >= WAITING:
        raise TooManyRequests(_("Too many of your files wait for a prompt. Send them, or remove some."))
    row = {
        "id": attachment.id,
        "voter": voter_id,
        "now": datetime.now(UTC),
        "kind": attachment.kind,
        "name": attachment.name,
        "image": attachment.image,
        "text": text,
        "pages": attachment.pages,
    }
    await carry_out(db, [(WELCOME, [row]), (_NEW_ATTACHMENT, [row])], is_last=True)


def _key() -> str:
    return str(uuid7())


_COLUMNS: tuple[Any, ...] = (
    tables.Attachment.id,
    tables.Attachment.kind,
    tables.Attachment.name,
    tables.Attachment.image,
    tables.Image.width,
    tables.Image.height,
    func.length(tables.Attachment.text),
    tables.Attachment.pages,
)


def _listed(*more: Any) -> Select[Any]:
    found = select(*_COLUMNS, *more).select_from(tables.Attachment)
    return found.outerjoin(tables.Image, tables.Image.hash == tables.Attachment.image)


_LISTED = _listed()
_OF_TURNS = (
    _listed(tables.Attachment.turn)
    .where(tables.Attachment.conversation_id == bindparam("key"))
    .order_by(tables.Attachment.turn, tables.Attachment.position)
)
_HOW_MANY_WAIT = (
    select(func.count())
    .select_from(tables.Attachment)
    .where(tables.Attachment.conversation_id.is_(None), tables.Attachment.voter_id == bindparam("voter"))
)
_CONTENTS = (
    select(tables.Attachment.id, tables.Attachment.text, tables.Image.media_type, tables.Image.data)
    .outerjoin(tables.Image, tables.Image.hash == tables.Attachment.image)
    .where(tables.Attachment.id.in_(bindparam("keys", expanding=True)))
)
_ATTACH = (
    update(cast(Table, tables.Attachment.__table__))
    .where(tables.Attachment.id == bindparam("key"))
    .values(conversation_id=bindparam("of"), turn=bindparam("at"), position=bindparam("place"))
)
_NEW_IMAGE = (
    "INSERT INTO images (hash, media_type, width, height, data) "
    "VALUES (:image, :media_type, :width, :height, :data) ON CONFLICT DO NOTHING"
)
_NEW_ATTACHMENT = (
    "INSERT INTO attachments (id, voter_id, created_at, kind, name, image, text, pages) "
    "VALUES (:id, :voter, :now, :kind, :name, :image, :text, :pages)"
)
