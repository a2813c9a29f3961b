"""How many documents were with a prompt.

Revision ID: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("turns", sa.Column("documents", sa.Integer(), nullable=False, server_default=sa.text("0")))
