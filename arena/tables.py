"""What is stored: typed tables and their constraints, no behaviour. The words are those of the whole code base.

A model is never a table: contenders live in config.toml, and a stored battle keeps their names as they were.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
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
    """A visitor who has started a conversation or accepted the terms: the id that their signed cookie carries.

    The votes of one who is set aside stay where they are, and do not count.
    """

    __tablename__ = "voters"
    __table_args__ = (
        Index(
            "ix_voters_set_aside_at",
            "set_aside_at",
            sqlite_where=text("set_aside_at IS NOT NULL"),
            postgresql_where=text("set_aside_at IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    set_aside_at: Mapped[datetime | None]
    set_aside_because: Mapped[str | None]


class Acceptance(Base):
    """A visitor's consent to one version of the terms, and when it was given first."""

    __tablename__ = "acceptances"

    voter_id: Mapped[str] = mapped_column(ForeignKey("voters.id"), primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    accepted_at: Mapped[datetime]


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
    """A prompt, numbered from 1 within its conversation. `images`: how many pictures were with it.

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


class Answer(Base):
    """What one model said to a turn. Generating it again writes the next `version`; the highest one counts.

    `prompt`: what it answers, where the turn's prompt has been edited since.
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


class Vote(Base):
    """The visitor's choice: at most one for a battle, about its turn number `turn`.

    Without a ballot it has not been appraised yet, or was not blind.
    """

    __tablename__ = "votes"
    __table_args__ = (
        ForeignKeyConstraint(["conversation_id", "turn"], ["turns.conversation_id", "turns.number"]),
        CheckConstraint("choice IN ('a', 'b', 'tie', 'both_bad')", name="choice"),
        Index("ix_votes_created_at", "created_at"),
        Index("ix_votes_ballot", "ballot", unique=True),
    )

    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    voter_id: Mapped[str] = mapped_column(ForeignKey("voters.id"))
    turn: Mapped[int]
    choice: Mapped[str]
    created_at: Mapped[datetime]
    ballot: Mapped[int | None] = mapped_column(ForeignKey("ballots.id"))


class Image(Base):
    """A picture as it is shown and as models get it, stored once. `hash`: SHA-256 of `data`, in hexadecimal."""

    __tablename__ = "images"

    hash: Mapped[str] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    data: Mapped[bytes]


class Attachment(Base):
    """A picture or document that a visitor has handed in: of a turn once its prompt is sent, and waiting until then.

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
    """A link that lets others read a conversation, for whoever has the long random `token`, until it is revoked."""

    __tablename__ = "shares"
    __table_args__ = (Index("ix_shares_conversation_id", "conversation_id"),)

    token: Mapped[str] = mapped_column(primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Remark(Base):
    """What a visitor says about their vote: why, as JSON lists of tags for each side, and in their own words."""

    __tablename__ = "remarks"

    conversation_id: Mapped[str] = mapped_column(ForeignKey("votes.conversation_id"), primary_key=True)
    reasons_a: Mapped[str] = mapped_column(default="[]")
    reasons_b: Mapped[str] = mapped_column(default="[]")
    comment: Mapped[str] = mapped_column(default="")
    updated_at: Mapped[datetime]


class TurnVote(Base):
    """A choice about a later turn of a battle that has its vote already: kept and exported, never counted."""

    __tablename__ = "turn_votes"
    __table_args__ = (
        ForeignKeyConstraint(["conversation_id", "turn"], ["turns.conversation_id", "turns.number"]),
        CheckConstraint("choice IN ('a', 'b', 'tie', 'both_bad')", name="choice"),
    )

    conversation_id: Mapped[str] = mapped_column(primary_key=True)
    turn: Mapped[int] = mapped_column(primary_key=True)
    choice: Mapped[str]
    created_at: Mapped[datetime]


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


class Entrant(Base):
    """A name that ballots hold as a number. Contenders come and go in config.toml; their names stay here."""

    __tablename__ = "entrants"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class CategorySet(Base):
    """Categories that ballots share, as a sorted JSON list: few distinct ones, so that a ballot holds a number."""

    __tablename__ = "category_sets"

    id: Mapped[int] = mapped_column(primary_key=True)
    names: Mapped[str] = mapped_column(unique=True)


class Ballot(Base):
    """What a vote of a blind battle says, in numbers alone: a million of them are read in a fifth of a second.

    `a`, `b`: the entrants. `outcome`: 0 a, 1 b, 2 tie, 3 both bad. `voter`: 63 bits that stand for the voter's id.
    `day`: days since 1970 in UTC. `probability`: the chance that these two met, 0 where nobody knows it.
    """

    __tablename__ = "ballots"
    __table_args__ = (
        CheckConstraint("a != b", name="no_model_against_itself"),
        CheckConstraint("outcome BETWEEN 0 AND 3", name="outcome"),
        CheckConstraint("is_leak IN (0, 1)", name="is_leak"),
        Index(
            "ix_ballots_is_leak",
            "category_set",
            sqlite_where=text("is_leak = 1"),
            postgresql_where=text("is_leak = 1"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    a: Mapped[int] = mapped_column(ForeignKey("entrants.id"))
    b: Mapped[int] = mapped_column(ForeignKey("entrants.id"))
    outcome: Mapped[int]
    voter: Mapped[int] = mapped_column(BigInteger)
    day: Mapped[int]
    category_set: Mapped[int] = mapped_column(ForeignKey("category_sets.id"))
    is_leak: Mapped[int]
    probability: Mapped[float]


class BallotLooks(Base):
    """How the answers of a ballot looked, each side summed over its turns. Apart, as few boards ask for it."""

    __tablename__ = "ballot_looks"

    ballot: Mapped[int] = mapped_column(ForeignKey("ballots.id"), primary_key=True, autoincrement=False)
    characters_a: Mapped[int]
    headers_a: Mapped[int]
    lists_a: Mapped[int]
    bold_a: Mapped[int]
    code_blocks_a: Mapped[int]
    characters_b: Mapped[int]
    headers_b: Mapped[int]
    lists_b: Mapped[int]
    bold_b: Mapped[int]
    code_blocks_b: Mapped[int]


class Count(Base):
    """How many ballots count for a board: no leak, and the voter not set aside. Kept by the write that changes it.

    `category`: `all`, or one of the ballot's own.
    """

    __tablename__ = "counts"
    __table_args__ = ({"sqlite_with_rowid": False},)

    category: Mapped[str] = mapped_column(primary_key=True)
    a: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    b: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    outcome: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    votes: Mapped[int]


class Repair(Base):
    """A recount that had something to mend: who keeps ballots in memory reads them anew after it."""

    __tablename__ = "repairs"

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    ballots: Mapped[int]
    counts: Mapped[int]
