"""What visitors choose, and what they say about it."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from arena.tables.base import Base


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


class Remark(Base):
    """What a visitor says about their vote: why, as JSON lists of tags for each side, and in their own words."""

    __tablename__ = "remarks"

    conversation_id: Mapped[str] = mapped_column(ForeignKey("votes.conversation_id"), primary_key=True)
    reasons_a: Mapped[str] = mapped_column(default="[]")
    reasons_b: Mapped[str] = mapped_column(default="[]")
    comment: Mapped[str] = mapped_column(default="")
    updated_at: Mapped[datetime]
