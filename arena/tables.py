"""What is stored: typed tables and their constraints, no behaviour. The words are those of the whole code base.

A model is never a table: contenders live in config.toml, and a stored battle keeps their names as they were.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Moment(TypeDecorator[datetime]):
    """A point in time, stored in UTC without an offset and read back as an aware datetime."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
        }
    )
    type_annotation_map = {datetime: Moment, str: Text}  # noqa: RUF012


class Voter(Base):
    """A visitor who has started a conversation, known by a signed cookie that carries this id."""

    __tablename__ = "voters"

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]


class Conversation(Base):
    """What a visitor has. The two models are drawn together, and may be drawn later than the row is written.

    `pair_probability`: the chance, when they were drawn, that these two models meet, whichever side each is on.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        CheckConstraint("mode IN ('battle', 'side_by_side', 'direct')", name="mode"),
        CheckConstraint("model_a != model_b", name="no_model_against_itself"),
        CheckConstraint(
            "(model_a IS NULL) = (model_b IS NULL) AND (model_a IS NULL) = (pair_probability IS NULL)",
            name="drawn_whole",
        ),
        CheckConstraint("pair_probability > 0 AND pair_probability <= 1", name="probability"),
        Index("ix_conversations_voter_id", "voter_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    voter_id: Mapped[str] = mapped_column(ForeignKey("voters.id"))
    mode: Mapped[str] = mapped_column(default="battle")
    model_a: Mapped[str | None]
    model_b: Mapped[str | None]
    pair_probability: Mapped[float | None]
    created_at: Mapped[datetime]


class Turn(Base):
    """A prompt, numbered from 1 within its conversation."""

    __tablename__ = "turns"
    __table_args__ = (
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("length(prompt) > 0", name="prompt"),
    )

    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    prompt: Mapped[str]
    created_at: Mapped[datetime]


class Answer(Base):
    """What one model said to a turn. Generating it again writes the next `version`; the highest one counts.

    `error` is a `BackendError.kind`. Times are milliseconds from the moment the answer was asked for.
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
    created_at: Mapped[datetime]


class Vote(Base):
    """The visitor's choice: at most one for a battle, about its turn number `turn`."""

    __tablename__ = "votes"
    __table_args__ = (
        ForeignKeyConstraint(["conversation_id", "turn"], ["turns.conversation_id", "turns.number"]),
        CheckConstraint("choice IN ('a', 'b', 'tie', 'both_bad')", name="choice"),
        Index("ix_votes_created_at", "created_at"),
    )

    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    voter_id: Mapped[str] = mapped_column(ForeignKey("voters.id"))
    turn: Mapped[int]
    choice: Mapped[str]
    created_at: Mapped[datetime]
