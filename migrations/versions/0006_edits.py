"""Prompts that were edited: an earlier answer keeps what it was asked.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("answers", sa.Column("prompt", sa.Text(), nullable=True))
