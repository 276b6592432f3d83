"""How often a run of an eval was claimed without getting on."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column."""
    op.add_column("eval_runs", sa.Column("claims", sa.Integer, nullable=False, server_default="0"))
