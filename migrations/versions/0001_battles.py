"""Voters, conversations, turns, answers and votes.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "voters",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_voters"),
    )
    op.create_table(
        "conversations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("voter_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("model_a", sa.Text(), nullable=True),
        sa.Column("model_b", sa.Text(), nullable=True),
        sa.Column("pair_probability", sa.Double(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
        sa.ForeignKeyConstraint(["voter_id"], ["voters.id"], name="fk_conversations_voter_id"),
        sa.CheckConstraint("mode IN ('battle', 'side_by_side', 'direct')", name=op.f("ck_conversations_mode")),
        sa.CheckConstraint("model_a != model_b", name=op.f("ck_conversations_no_model_against_itself")),
        sa.CheckConstraint(
            "(model_a IS NULL) = (model_b IS NULL) AND (model_a IS NULL) = (pair_probability IS NULL)",
            name=op.f("ck_conversations_drawn_whole"),
        ),
        sa.CheckConstraint(
            "pair_probability > 0 AND pair_probability <= 1", name=op.f("ck_conversations_probability")
        ),
    )
    op.create_index("ix_conversations_voter_id", "conversations", ["voter_id", "created_at"])
    op.create_table(
        "turns",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "number", name="pk_turns"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_turns_conversation_id"),
        sa.CheckConstraint("number >= 1", name=op.f("ck_turns_number")),
        sa.CheckConstraint("length(prompt) > 0", name=op.f("ck_turns_prompt")),
    )
    op.create_table(
        "answers",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("backend", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("reasoning", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("prompt_tokens", sa.Integer(), nullable=True),
        sa.Column("completion_tokens", sa.Integer(), nullable=True),
        sa.Column("first_token_ms", sa.Double(), nullable=True),
        sa.Column("duration_ms", sa.Double(), nullable=True),
        sa.Column("finish_reason", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "turn", "side", "version", name="pk_answers"),
        sa.ForeignKeyConstraint(
            ["conversation_id", "turn"],
            ["turns.conversation_id", "turns.number"],
            name="fk_answers_conversation_id",
        ),
        sa.CheckConstraint("side IN ('a', 'b')", name=op.f("ck_answers_side")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_answers_version")),
        sa.CheckConstraint(
            "state IN ('streaming', 'done', 'stopped', 'failed', 'interrupted')", name=op.f("ck_answers_state")
        ),
        sa.CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name=op.f("ck_answers_error")),
    )
    op.create_index("ix_answers_streaming", "answers", ["state"], sqlite_where=sa.text("state = 'streaming'"))
    op.create_table(
        "votes",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("voter_id", sa.Text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("choice", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", name="pk_votes"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_votes_conversation_id"),
        sa.ForeignKeyConstraint(["voter_id"], ["voters.id"], name="fk_votes_voter_id"),
        sa.ForeignKeyConstraint(
            ["conversation_id", "turn"],
            ["turns.conversation_id", "turns.number"],
            name="fk_votes_conversation_id_turn",
        ),
        sa.CheckConstraint("choice IN ('a', 'b', 'tie', 'both_bad')", name=op.f("ck_votes_choice")),
    )
    op.create_index("ix_votes_created_at", "votes", ["created_at"])
