"""Who accepted which version of the terms, and when.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "acceptances",
        sa.Column("voter_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("voter_id", "version", name="pk_acceptances"),
        sa.ForeignKeyConstraint(["voter_id"], ["voters.id"], name="fk_acceptances_voter_id"),
    )
