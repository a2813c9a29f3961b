"""What is said: conversations, their turns and answers, and what is handed in and passed on."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from arena.tables.base import Base


class Conversation(Base):
    """What a visitor has. The two models are drawn together, and may be drawn later than the row is written.

    `pair_probability`: the chance, when they were drawn, that these two models meet, whichever side each is on;
    not known where the battle was fought elsewhere. `origin`: the format of the file it was then imported from.
    A direct chat has `model_a` alone. `reveal`: whether its names are out with the vote, or wait to be asked for;
    `revealed_at`: when they were. `deleted_at`: when its visitor had its words removed; its vote stays.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        CheckConstraint("mode IN ('battle', 'side_by_side', 'direct')", name="mode"),
        CheckConstraint("model_a != model_b", name="no_model_against_itself"),
        CheckConstraint(
            "(model_a IS NULL OR mode = 'direct') = (model_b IS NULL) "
            "AND (pair_probability IS NULL OR model_a IS NOT NULL)",
            name="drawn_whole",
        ),
        CheckConstraint("pair_probability > 0 AND pair_probability <= 1", name="probability"),
        CheckConstraint("reveal IN ('on_vote', 'on_request')", name="reveal"),
        Index("ix_conversations_voter_id", "voter_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    voter_id: Mapped[str] = mapped_column(ForeignKey("voters.id"))
    mode: Mapped[str] = mapped_column(default="battle")
    model_a: Mapped[str | None]
    model_b: Mapped[str | None]
    pair_probability: Mapped[float | None]
    created_at: Mapped[datetime]
    origin: Mapped[str | None]
    reveal: Mapped[str] = mapped_column(default="on_vote", server_default=text("'on_vote'"))
    revealed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class Turn(Base):
    """A prompt, numbered from 1 within its conversation, with so many `images` and `documents`.

    `parameters`: how its answers are drawn, where the visitor has said so, as a JSON object.
    """

    __tablename__ = "turns"
    __table_args__ = (
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("length(prompt) > 0", name="prompt"),
    )

    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    prompt: Mapped[str]
    created_at: Mapped[datetime]
    images: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    parameters: Mapped[str | None]
    documents: Mapped[int] = mapped_column(default=0, server_default=text("0"))


class Answer(Base):
    """What one model said to a turn. Generating it again writes the next `version`; the highest one counts.

    `prompt`: what it answers, where the turn's prompt has been edited since. `thought_ms`: from its first thought
    to its first word.
    `error` is a `BackendError.kind`. Times are milliseconds since a backend was handed the request. `thread` is
    the conversation as the service keeps it, `answered_by` the model that a service handed the prompt on to. How
    the text looks, and whether it says who wrote it, is noted when it is finished; older answers have no note.
    """

    __tablename__ = "answers"
    __table_args__ = (
        ForeignKeyConstraint(["conversation_id", "turn"], ["turns.conversation_id", "turns.number"]),
        CheckConstraint("side IN ('a', 'b')", name="side"),
        CheckConstraint("version >= 1", name="version"),
        CheckConstraint("state IN ('streaming', 'done', 'stopped', 'failed', 'interrupted')", name="state"),
        CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name="error"),
        Index("ix_answers_streaming", "state", sqlite_where=text("state = 'streaming'")),
    )

    conversation_id: Mapped[str] = mapped_column(primary_key=True)
    turn: Mapped[int] = mapped_column(primary_key=True)
    side: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str]
    backend: Mapped[str | None]
    state: Mapped[str]
    text: Mapped[str] = mapped_column(default="")
    reasoning: Mapped[str] = mapped_column(default="")
    error: Mapped[str | None]
    prompt_tokens: Mapped[int | None]
    completion_tokens: Mapped[int | None]
    first_token_ms: Mapped[float | None]
    duration_ms: Mapped[float | None]
    finish_reason: Mapped[str | None]
    request_id: Mapped[str | None]
    thread: Mapped[str | None]
    answered_by: Mapped[str | None]
    created_at: Mapped[datetime]
    characters: Mapped[int | None]
    headers: Mapped[int | None]
    lists: Mapped[int | None]
    bold: Mapped[int | None]
    code_blocks: Mapped[int | None]
    formulas: Mapped[int | None]
    is_leak: Mapped[bool | None]
    prompt: Mapped[str | None]
    thought_ms: Mapped[float | None]


class Image(Base):
    """A picture as it is shown and as models get it, stored once. `hash`: SHA-256 of `data`, in hexadecimal."""

    __tablename__ = "images"

    hash: Mapped[str] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    data: Mapped[bytes]


class Attachment(Base):
    """A picture or document that a visitor has handed in: of a turn once its prompt is sent, waiting until then.

    `name`: what its file was called. `text`: what the models read of a document, `pages`: how many it has.
    """

    __tablename__ = "attachments"
    __table_args__ = (
        ForeignKeyConstraint(["conversation_id", "turn"], ["turns.conversation_id", "turns.number"]),
        CheckConstraint("kind IN ('image', 'document')", name="kind"),
        CheckConstraint("(kind = 'image') = (image IS NOT NULL)", name="image"),
        CheckConstraint("(kind = 'document') = (text IS NOT NULL)", name="text"),
        CheckConstraint(
            "(conversation_id IS NULL) = (turn IS NULL) AND (conversation_id IS NULL) = (position IS NULL)",
            name="attached_whole",
        ),
        Index("ix_attachments_conversation_id", "conversation_id", "turn", "position"),
        Index("ix_attachments_created_at", "created_at"),
        Index("ix_attachments_image", "image"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    voter_id: Mapped[str] = mapped_column(ForeignKey("voters.id"))
    created_at: Mapped[datetime]
    kind: Mapped[str]
    name: Mapped[str]
    image: Mapped[str | None] = mapped_column(ForeignKey("images.hash"))
    text: Mapped[str | None]
    pages: Mapped[int | None]
    conversation_id: Mapped[str | None]
    turn: Mapped[int | None]
    position: Mapped[int | None]


class Share(Base):
    """A link that lets others read a conversation: all who have the long random `token`, until it is revoked."""

    __tablename__ = "shares"
    __table_args__ = (Index("ix_shares_conversation_id", "conversation_id"),)

    token: Mapped[str] = mapped_column(primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Reaction(Base):
    """A thumb for the answer of a direct chat, `up` or `down`, and whether the visitor has flagged it."""

    __tablename__ = "reactions"
    __table_args__ = (
        ForeignKeyConstraint(["conversation_id", "turn"], ["turns.conversation_id", "turns.number"]),
        CheckConstraint("thumb IN ('up', 'down')", name="thumb"),
        CheckConstraint("thumb IS NOT NULL OR is_flagged", name="says_something"),
    )

    conversation_id: Mapped[str] = mapped_column(primary_key=True)
    turn: Mapped[int] = mapped_column(primary_key=True)
    thumb: Mapped[str | None]
    is_flagged: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
