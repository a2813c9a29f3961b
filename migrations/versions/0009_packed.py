"""A vote writes fewer pages: the looks are in the ballot, the counts of a pair lie side by side.

Revision ID: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

LOOKS = [f"{name}_{side}" for side in "ab" for name in ("characters", "headers", "lists", "bold", "code_blocks")]
OUTCOMES = ("wins_a", "wins_b", "ties", "both_bad")


def upgrade() -> None:
    nothing = " ".join(["0"] * len(LOOKS))
    op.add_column("ballots", sa.Column("looks", sa.Text(), nullable=False, server_default=sa.text(f"'{nothing}'")))
    packed = " || ' ' || ".join(LOOKS)
    op.execute(
        f"UPDATE ballots SET looks = (SELECT {packed} FROM ballot_looks WHERE ballot = ballots.id) "
        "WHERE id IN (SELECT ballot FROM ballot_looks)"
    )
    op.drop_table("ballot_looks")
    op.rename_table("counts", "counts_by_outcome")
    op.create_table(
        "counts",
        sa.Column("a", sa.Integer(), nullable=False),
        sa.Column("b", sa.Integer(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in OUTCOMES),
        sa.PrimaryKeyConstraint("a", "b", "category", name="pk_counts_of_pairs"),
        sqlite_with_rowid=False,
    )
    sums = ", ".join(f"sum(CASE outcome WHEN {number} THEN votes ELSE 0 END)" for number in range(len(OUTCOMES)))
    op.execute(f"INSERT INTO counts SELECT a, b, category, {sums} FROM counts_by_outcome GROUP BY a, b, category")
    op.drop_table("counts_by_outcome")
