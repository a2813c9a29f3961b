"""Voters, and the terms that they accepted."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from arena.tables.base import Base


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
