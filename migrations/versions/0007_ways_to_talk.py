"""Direct chats, parameters, pictures and documents, shared links, remarks on votes, names that are asked for.

Revision ID: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

BOTH_OR_NONE = "(model_a IS NULL) = (model_b IS NULL) AND (pair_probability IS NULL OR model_a IS NOT NULL)"
NONE_OR_AS_THE_MODE_HAS = (
    "(model_a IS NULL OR mode = 'direct') = (model_b IS NULL) "
    "AND (pair_probability IS NULL OR model_a IS NOT NULL)"
)
REVEAL = "reveal IN ('on_vote', 'on_request')"
OF_A_TURN = ["turns.conversation_id", "turns.number"]


def upgrade() -> None:
    op.add_column("turns", sa.Column("parameters", sa.Text(), nullable=True))
    op.add_column(
        "conversations", sa.Column("reveal", sa.Text(), nullable=False, server_default=sa.text("'on_vote'"))
    )
    op.add_column("conversations", sa.Column("revealed_at", sa.DateTime(), nullable=True))
    op.add_column("conversations", sa.Column("deleted_at", sa.DateTime(), nullable=True))
    _change_checks()
    _pictures_and_documents()
    _what_visitors_say()


def _change_checks() -> None:
    """SQLite has no words for it; its manual has a procedure (lang_altertable.html, 7) that copies no row."""
    db = op.get_bind()
    if db.dialect.name != "sqlite":
        op.drop_constraint("ck_conversations_drawn_whole", "conversations")
        op.create_check_constraint("drawn_whole", "conversations", NONE_OR_AS_THE_MODE_HAS)
        op.create_check_constraint("reveal", "conversations", REVEAL)
        return
    version = db.scalar(sa.text("PRAGMA schema_version"))
    schema = db.scalar(sa.text("SELECT sql FROM sqlite_schema WHERE name = 'conversations'"))
    assert BOTH_OR_NONE in schema
    checks = f"{NONE_OR_AS_THE_MODE_HAS}), \n\tCONSTRAINT ck_conversations_reveal CHECK ({REVEAL}"
    db.execute(sa.text("PRAGMA writable_schema=ON"))
    db.execute(
        sa.text("UPDATE sqlite_schema SET sql = :sql WHERE name = 'conversations'"),
        {"sql": schema.replace(BOTH_OR_NONE, checks)},
    )
    db.execute(sa.text(f"PRAGMA schema_version={version + 1}"))
    db.execute(sa.text("PRAGMA writable_schema=OFF"))


def _pictures_and_documents() -> None:
    op.create_table(
        "images",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_images"),
    )
    op.create_table(
        "attachments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("voter_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("pages", sa.Integer(), nullable=True),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column("turn", sa.Integer(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.CheckConstraint("kind IN ('image', 'document')", name="kind"),
        sa.CheckConstraint("(kind = 'image') = (image IS NOT NULL)", name="image"),
        sa.CheckConstraint("(kind = 'document') = (text IS NOT NULL)", name="text"),
        sa.CheckConstraint(
            "(conversation_id IS NULL) = (turn IS NULL) AND (conversation_id IS NULL) = (position IS NULL)",
            name="attached_whole",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_attachments"),
        sa.ForeignKeyConstraint(["voter_id"], ["voters.id"], name="fk_attachments_voter_id"),
        sa.ForeignKeyConstraint(["image"], ["images.hash"], name="fk_attachments_image"),
        sa.ForeignKeyConstraint(["conversation_id", "turn"], OF_A_TURN, name="fk_attachments_conversation_id"),
    )
    op.create_index("ix_attachments_conversation_id", "attachments", ["conversation_id", "turn", "position"])
    op.create_index("ix_attachments_created_at", "attachments", ["created_at"])
    op.create_index("ix_attachments_image", "attachments", ["image"])


def _what_visitors_say() -> None:
    op.create_table(
        "shares",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("token", name="pk_shares"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_shares_conversation_id"),
    )
    op.create_index("ix_shares_conversation_id", "shares", ["conversation_id"])
    op.create_table(
        "remarks",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("reasons_a", sa.Text(), nullable=False),
        sa.Column("reasons_b", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", name="pk_remarks"),
        sa.ForeignKeyConstraint(["conversation_id"], ["votes.conversation_id"], name="fk_remarks_conversation_id"),
    )
    op.create_table(
        "turn_votes",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("choice", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("choice IN ('a', 'b', 'tie', 'both_bad')", name="choice"),
        sa.PrimaryKeyConstraint("conversation_id", "turn", name="pk_turn_votes"),
        sa.ForeignKeyConstraint(["conversation_id", "turn"], OF_A_TURN, name="fk_turn_votes_conversation_id"),
    )
    op.create_table(
        "reactions",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("thumb", sa.Text(), nullable=True),
        sa.Column("is_flagged", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("thumb IN ('up', 'down')", name="thumb"),
        sa.CheckConstraint("thumb IS NOT NULL OR is_flagged", name="says_something"),
        sa.PrimaryKeyConstraint("conversation_id", "turn", name="pk_reactions"),
        sa.ForeignKeyConstraint(["conversation_id", "turn"], OF_A_TURN, name="fk_reactions_conversation_id"),
    )
