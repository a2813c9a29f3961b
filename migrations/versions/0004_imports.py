"""Battles that were fought elsewhere: where they come from, how many pictures were with a prompt, and a pair whose
probability nobody knows.

A constraint of SQLite cannot be changed, and a table that others refer to cannot be made anew within a transaction
that keeps those references. So its text is replaced in the schema, as SQLite's manual has it (ALTER TABLE, section
7): the new constraint allows all that the old one did, and no row is touched.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NAME = "ck_conversations_drawn_whole"
OLD = "(model_a IS NULL) = (model_b IS NULL) AND (model_a IS NULL) = (pair_probability IS NULL)"
NEW = "(model_a IS NULL) = (model_b IS NULL) AND (pair_probability IS NULL OR model_a IS NOT NULL)"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("origin", sa.Text(), nullable=True))
    op.add_column("turns", sa.Column("images", sa.Integer(), nullable=False, server_default=sa.text("0")))
    if op.get_bind().dialect.name == "sqlite":
        _replace_in_schema()
        return
    op.drop_constraint(op.f(NAME), "conversations", type_="check")
    op.create_check_constraint(op.f(NAME), "conversations", NEW)


def _replace_in_schema() -> None:
    op.execute("PRAGMA writable_schema=ON")
    op.execute(
        f"UPDATE sqlite_schema SET sql = replace(sql, '{OLD}', '{NEW}') "
        "WHERE type = 'table' AND name = 'conversations'"
    )
    op.execute("PRAGMA writable_schema=RESET")
