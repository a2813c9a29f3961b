"""A visitor's own conversations: listed, searched, taken out and deleted. Who answered is for `arena.blind`.

Deleting removes the words of a conversation. A battle's vote stays, with its ballot: it is a number on the board.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from arena.conversation import Conversation
from arena.errors import NotFound
from arena.store.box import BallotBox
from arena.store.conversations import HEAD, conversation_of, load, load_all
from arena.store.database import Database, Step, carry_out, whole
from arena.store.reactions import Reaction, reactions_in
from arena.tables import Answer, Attachment, Remark, Share, Turn, Vote
from arena.tables import Conversation as ConversationRow
from arena.words import _

PAGE = 20
PROMPT = 400  # characters of the first prompt that a list shows
TOGETHER = 20  # conversations that are read at once


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """A conversation in a list, without its turns. `prompt`: how its first one begins."""

    conversation: Conversation
    prompt: str
    turns: int
    is_shared: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """A conversation with all that was said in it and about it.

    `texts`: of its documents, by their ids; `reactions`: to its answers, by turn; `comment`: on its vote.
    """

    conversation: Conversation
    texts: Mapping[str, str]
    reactions: Mapping[int, Reaction]
    comment: str


class History:
    """Questions of visitors about what is theirs. Every method raises `StoreError` where that fails."""

    def __init__(self, database: Database, box: BallotBox) -> None:
        self._database = database
        self._box = box

    async def lines(
        self, voter_id: str, words: str = "", before: str = "", limit: int = PAGE
    ) -> list[HistoryLine]:
        """The latest ones, or those with these words, newest first; older than `before`.

        A model's name finds only those whose names are out.
        """
        question = _LINES.where(ConversationRow.voter_id == voter_id).limit(limit)
        if words:
            question = question.where(_holds(words))
        if before:
            question = question.where(ConversationRow.id < before)
        async with self._database.read() as db:
            return [_line(row) for row in await db.execute(question)]

    async def count(self, voter_id: str) -> int:
        """How many conversations the visitor has."""
        async with self._database.read() as db:
            return await db.scalar(_COUNT, {"voter": voter_id}) or 0

    async def keys(self, voter_id: str) -> list[str]:
        """Their ids."""
        async with self._database.read() as db:
            return [row.id for row in await db.execute(_THEIRS, {"voter": voter_id})]

    async def kept(self, key: str, voter_id: str | None) -> Kept:
        """One of the visitor's own, with all that belongs to it. Raises `NotFound`."""
        async with self._database.read() as db:
            return await _kept(db, await load(db, key, voter_id))

    async def all(self, voter_id: str) -> AsyncGenerator[Kept, None]:
        """All of them, newest first, in bounded memory."""
        before = ""
        while lines := await self.lines(voter_id, before=before, limit=TOGETHER):
            for line in lines:
                with suppress(NotFound):  # deleted in the meantime
                    yield await self.kept(line.conversation.id, voter_id)
            before = lines[-1].conversation.id

    @whole
    async def delete(self, voter_id: str, key: str | None = None) -> list[str]:
        """Delete one of the visitor's conversations, or all: whole, or not at all. Raises `NotFound`.

        Returns their ids. A battle with a vote keeps it, and its place on the board, and nothing that was said.
        """
        while True:
            await self._give_ballots(voter_id, key)
            async with self._database.write() as db:
                if await self._waiting(db, voter_id, key):
                    continue  # voted on in the meantime
                rows = await db.execute(_THEIRS, {"voter": voter_id})
                keys = [row.id for row in rows if key in (None, row.id)]
                if key is not None and not keys:
                    raise NotFound(_("There is no such conversation here, or it belongs to another visitor."))
                places = {"keys": keys, "voter": voter_id if key is None else None}
                handed = (await db.execute(_HANDED, places)).all()
                await carry_out(db, _steps(keys, handed), is_last=True)
                return keys

    async def _give_ballots(self, voter_id: str, key: str | None) -> None:
        """Votes that wait for their ballots get them now: what they are to the board is told by their words.

        No others than those that go: whose names are hidden still, on a board that moved, would be told by it.
        """
        async with self._database.read() as db:
            waiting = await self._waiting(db, voter_id, key)
            found = await load_all(db, waiting) if waiting else {}
        if found:
            from arena.store import recount

            await recount.give(self._box, [one.as_voted for one in found.values()])

    async def _waiting(self, db: AsyncConnection, voter_id: str, key: str | None) -> list[str]:
        """The conversations to be deleted, this one or all, whose votes wait for ballots they can be given."""
        if self._box.appraiser is None:
            return []
        rows = await db.execute(_WAITING, {"voter": voter_id})
        return [row.id for row in rows if key in (None, row.id)]


def _steps(keys: Sequence[str], handed: Sequence[Any]) -> list[Step]:
    rows = [{"key": key} for key in keys]
    stamped = [row | {"now": datetime.now(UTC)} for row in rows]
    pictures = [{"hash": image} for image in sorted({row.image for row in handed if row.image})]
    steps: list[Step] = [
        (_NOT_HANDED, [{"id": row.id} for row in handed]),
        (_NOT_KEPT, pictures),
        *((f"DELETE FROM {table} WHERE conversation_id = :key", rows) for table in _OF_ITS_WORDS),
        (_DELETED, stamped),
        (_NO_VOTE, rows),
        (_NO_TURNS, rows),
        (_NO_PROMPT, rows),
        (_GONE, rows),
    ]
    return [step for step in steps if step[1]]


def _line(row: Any) -> HistoryLine:
    return HistoryLine(conversation_of(row), row.prompt, row.turns, bool(row.is_shared))


async def _kept(db: AsyncConnection, conversation: Conversation) -> Kept:
    here = {"key": conversation.id}
    texts = {row.id: row.text for row in await db.execute(_TEXTS, here)}
    reactions = (await reactions_in(db, [conversation.id])).get(conversation.id, {})
    return Kept(conversation, texts, reactions, await db.scalar(_COMMENT, here) or "")


# What is asked


def names_are_out() -> ColumnElement[bool]:
    """`Conversation.names_are_out`, as a question to the database."""
    return or_(
        ConversationRow.mode != "battle",
        and_(ConversationRow.reveal == "on_request", ConversationRow.revealed_at.is_not(None)),
        and_(ConversationRow.reveal != "on_request", Vote.choice.is_not(None)),
    )


def _holds(words: str) -> ColumnElement[bool]:
    """Whether a conversation has these words in what its visitor can read of it."""
    # SQLite folds the case of ASCII alone.
    forms = sorted({_folded(form) for form in (words, words.lower(), words.upper(), words.capitalize())})
    return or_(
        _has(Turn, _in(Turn.prompt, forms)),
        _has(Answer, and_(Answer.state != "streaming", _in(Answer.text, forms))),
        _has(Attachment, or_(_in(Attachment.name, forms), _in(Attachment.text, forms))),
        and_(names_are_out(), or_(_in(ConversationRow.model_a, forms), _in(ConversationRow.model_b, forms))),
    )


def _folded(words: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in words)


def _in(column: Any, forms: Sequence[str]) -> ColumnElement[bool]:
    """Whether a text has one of these in it: what it has can be taken out.

    LIKE would try every pattern anew at every letter, 50 times as long for words that almost repeat.
    """
    folded = func.lower(column)
    return or_(*(func.replace(folded, form, "") != folded for form in forms))


def _has(table: Any, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a conversation has a row like that."""
    rows = select(table.conversation_id).where(table.conversation_id == ConversationRow.id, condition)
    return rows.correlate(ConversationRow).exists()


_LINES = (
    select(
        *HEAD,
        func.substr(Turn.prompt, 1, PROMPT).label("prompt"),
        select(func.count())
        .select_from(Turn)
        .where(Turn.conversation_id == ConversationRow.id)
        .correlate(ConversationRow)
        .scalar_subquery()
        .label("turns"),
        select(Share.token)
        .where(Share.conversation_id == ConversationRow.id, Share.revoked_at.is_(None))
        .correlate(ConversationRow)
        .exists()
        .label("is_shared"),
    )
    .join(Turn, (Turn.conversation_id == ConversationRow.id) & (Turn.number == 1))
    .outerjoin(Vote, Vote.conversation_id == ConversationRow.id)
    .where(ConversationRow.deleted_at.is_(None))
    .order_by(ConversationRow.id.desc())  # ids grow with time
)
_THEIRS = select(ConversationRow.id).where(
    ConversationRow.voter_id == bindparam("voter"), ConversationRow.deleted_at.is_(None)
)
_COUNT = select(func.count()).select_from(_THEIRS.subquery())
_WAITING = (
    select(ConversationRow.id)
    .join(Vote, Vote.conversation_id == ConversationRow.id)
    .where(
        ConversationRow.voter_id == bindparam("voter"),
        ConversationRow.mode == "battle",
        ConversationRow.deleted_at.is_(None),
        Vote.ballot.is_(None),
    )
)
_TEXTS = select(Attachment.id, Attachment.text).where(
    Attachment.conversation_id == bindparam("key"), Attachment.kind == "document"
)
_COMMENT = select(Remark.comment).where(Remark.conversation_id == bindparam("key"))

# What is deleted

_HANDED = select(Attachment.id, Attachment.image).where(
    or_(
        Attachment.conversation_id.in_(bindparam("keys", expanding=True)),
        and_(Attachment.conversation_id.is_(None), Attachment.voter_id == bindparam("voter")),
    )
)
_NOT_HANDED = "DELETE FROM attachments WHERE id = :id"
_NOT_KEPT = (
    "DELETE FROM images WHERE hash = :hash "
    "AND NOT EXISTS (SELECT 1 FROM attachments WHERE attachments.image = :hash)"
)
_OF_ITS_WORDS = ("remarks", "turn_votes", "reactions", "shares", "answers")
_DELETED = (
    "UPDATE conversations SET deleted_at = :now WHERE id = :key AND mode = 'battle' "
    "AND EXISTS (SELECT 1 FROM votes WHERE conversation_id = :key)"
)
_NO_VOTE = (
    "DELETE FROM votes WHERE conversation_id = :key "
    "AND EXISTS (SELECT 1 FROM conversations WHERE id = :key AND deleted_at IS NULL)"
)
_NO_TURNS = (
    "DELETE FROM turns WHERE conversation_id = :key AND NOT EXISTS "
    "(SELECT 1 FROM votes WHERE votes.conversation_id = turns.conversation_id AND votes.turn = turns.number)"
)
_NO_PROMPT = (  # of the turn that a vote is about, which must be there
    "UPDATE turns SET prompt = '(deleted)', parameters = NULL, images = 0, documents = 0 "
    "WHERE conversation_id = :key"
)
_GONE = "DELETE FROM conversations WHERE id = :key AND deleted_at IS NULL"
