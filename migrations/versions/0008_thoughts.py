"""How long an answer was thought about before its first word.

Revision ID: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("answers", sa.Column("thought_ms", sa.Double(), nullable=True))
