"""Named graders, what is summed up of their gradings, and answers that are kept for repeated requests."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "graders",
        sa.Column("id", sa.String(31), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("current", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "grader_versions",
        sa.Column(
            "grader_id", sa.String(31), sa.ForeignKey("graders.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("identity", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
        sa.Column("config", sa.JSON, nullable=False),
        sa.Column("shown", sa.JSON, nullable=False),
        sa.Column("metadata", sa.JSON),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "grader_sums",
        sa.Column(
            "grader_id", sa.String(31), sa.ForeignKey("graders.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("split", sa.String(5), primary_key=True),
        sa.Column("step", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("part", sa.String(100), primary_key=True),
        sa.Column("figure", sa.String(160), primary_key=True),
        sa.Column("value", sa.Double, nullable=False),
    )
    op.create_table(
        "kept_answers",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(32)),
        sa.Column("leased_until", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("content_type", sa.Text),
        sa.Column("body", sa.LargeBinary),
        sa.Column("bytes", sa.Integer, nullable=False),
    )
    op.create_index("ix_kept_answers_owner", "kept_answers", ["owner"])
    op.create_index("ix_kept_answers_created_at", "kept_answers", ["created_at"])
