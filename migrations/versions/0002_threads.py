"""Threads kept by a service, and the model that really answered.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("answers", sa.Column("thread", sa.Text(), nullable=True))
    op.add_column("answers", sa.Column("answered_by", sa.Text(), nullable=True))
