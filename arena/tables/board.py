"""What boards are made of: ballots in numbers alone, and their counts."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from arena.tables.base import Base

CHUNK = 8192  # ballots: to pack them takes some 30 ms, in which nobody else can write
NO_LOOKS = " ".join(["0"] * 10)


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
    """What a vote of a blind battle says, in numbers alone.

    `a`, `b`: the entrants. `outcome`: 0 a, 1 b, 2 tie, 3 both bad. `voter`: 63 bits that stand for the voter's id.
    `day`: days since 1970 in UTC. `probability`: the chance that these two met, 0 where nobody knows it.
    `looks`: how the answers looked, each side summed over its turns: ten numbers with spaces between them, namely
    characters, headers, lists, bold and code blocks of side a, then of side b. Last, as few boards ask for it.
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
    looks: Mapped[str] = mapped_column(default=NO_LOOKS, server_default=text(f"'{NO_LOOKS}'"))


class BallotChunk(Base):
    """One column of `CHUNK` ballots, packed: from these a board is made in a fraction of the time.

    `number`: 0 for the ballots up to `CHUNK`, and so on. `name`: the column. `data`: its numbers, little-endian.
    Made from ballots, see `arena.store.columns`.
    """

    __tablename__ = "ballot_chunks"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(primary_key=True)
    data: Mapped[bytes]


class Count(Base):
    """How many ballots count for a board: no leak, and the voter not set aside. Kept by the write that changes it.

    `category`: `all`, or one of the ballot's own. Those of a pair lie together, so that a vote changes one page.
    """

    __tablename__ = "counts"
    __table_args__ = ({"sqlite_with_rowid": False},)

    a: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    b: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    category: Mapped[str] = mapped_column(primary_key=True)
    wins_a: Mapped[int]
    wins_b: Mapped[int]
    ties: Mapped[int]
    both_bad: Mapped[int]


class Repair(Base):
    """A recount that had something to mend: who keeps ballots in memory reads them anew after it."""

    __tablename__ = "repairs"

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    ballots: Mapped[int]
    counts: Mapped[int]
