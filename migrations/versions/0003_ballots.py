"""Ballots and their counts, how answers look, and voters who are set aside.

Makes places alone. What belongs into them needs the patterns of config.toml and the languages of prompts, so the
arena fills them when it is next served (`arena.store.recount`), a few hundred votes in each transaction.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

LOOKS = ("characters", "headers", "lists", "bold", "code_blocks")


def upgrade() -> None:
    op.create_table(
        "entrants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_entrants"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "category_sets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_category_sets"),
        sa.UniqueConstraint("names"),
    )
    _ballots()
    op.create_table(
        "counts",
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("a", sa.Integer(), nullable=False),
        sa.Column("b", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Integer(), nullable=False),
        sa.Column("votes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("category", "a", "b", "outcome", name="pk_counts"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "repairs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("ballots", sa.Integer(), nullable=False),
        sa.Column("counts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_repairs"),
    )
    _columns()


def _ballots() -> None:
    op.create_table(
        "ballots",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("a", sa.Integer(), nullable=False),
        sa.Column("b", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Integer(), nullable=False),
        sa.Column("voter", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("category_set", sa.Integer(), nullable=False),
        sa.Column("is_leak", sa.Integer(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ballots"),
        sa.ForeignKeyConstraint(["a"], ["entrants.id"], name="fk_ballots_a"),
        sa.ForeignKeyConstraint(["b"], ["entrants.id"], name="fk_ballots_b"),
        sa.ForeignKeyConstraint(["category_set"], ["category_sets.id"], name="fk_ballots_category_set"),
        sa.CheckConstraint("a != b", name=op.f("ck_ballots_no_model_against_itself")),
        sa.CheckConstraint("outcome BETWEEN 0 AND 3", name=op.f("ck_ballots_outcome")),
        sa.CheckConstraint("is_leak IN (0, 1)", name=op.f("ck_ballots_is_leak")),
    )
    is_leak = sa.text("is_leak = 1")
    op.create_index(
        "ix_ballots_is_leak", "ballots", ["category_set"], sqlite_where=is_leak, postgresql_where=is_leak
    )
    op.create_table(
        "ballot_looks",
        sa.Column("ballot", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(f"{name}_{side}", sa.Integer(), nullable=False) for side in "ab" for name in LOOKS),
        sa.PrimaryKeyConstraint("ballot", name="pk_ballot_looks"),
        sa.ForeignKeyConstraint(["ballot"], ["ballots.id"], name="fk_ballot_looks_ballot"),
    )


def _columns() -> None:
    """New columns of the tables that are there."""
    for name in (*LOOKS, "formulas"):
        op.add_column("answers", sa.Column(name, sa.Integer(), nullable=True))
    op.add_column("answers", sa.Column("is_leak", sa.Boolean(), nullable=True))
    op.add_column("voters", sa.Column("set_aside_at", sa.DateTime(), nullable=True))
    op.add_column("voters", sa.Column("set_aside_because", sa.Text(), nullable=True))
    is_set_aside = sa.text("set_aside_at IS NOT NULL")
    op.create_index(
        "ix_voters_set_aside_at",
        "voters",
        ["set_aside_at"],
        sqlite_where=is_set_aside,
        postgresql_where=is_set_aside,
    )
    # Alembic would write a constraint of its own, which SQLite cannot add.
    op.execute("ALTER TABLE votes ADD COLUMN ballot INTEGER CONSTRAINT fk_votes_ballot REFERENCES ballots (id)")
    op.create_index("ix_votes_ballot", "votes", ["ballot"], unique=True)
