"""What runs of evals read, how often they were claimed, and whose turn it is."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns and the table, and say of runs that have not ended what they read."""
    op.add_column("eval_runs", sa.Column("reads", sa.String(32)))
    op.add_column("eval_runs", sa.Column("claims", sa.Integer, nullable=False, server_default="0"))
    op.create_index("ix_eval_runs_reads", "eval_runs", ["reads"])
    op.drop_index("ix_eval_runs_status", "eval_runs")
    unfinished = ["status", "client", "owner", "leased_until", "claims", "id"]
    op.create_index("ix_eval_runs_unfinished", "eval_runs", unfinished)
    op.create_table(
        "eval_turns",
        sa.Column("client", sa.String(64), primary_key=True),
        sa.Column("served_at", sa.Double, nullable=False),
    )
    runs = sa.table(
        "eval_runs",
        sa.column("id", sa.String),
        sa.column("status", sa.String),
        sa.column("data_source", sa.JSON),
        sa.column("reads", sa.String),
    )
    connection = op.get_bind()
    going = sa.select(runs.c.id).where(runs.c.status.in_(["queued", "in_progress"]))
    for run_id in connection.scalars(going).all():
        source = connection.execute(sa.select(runs.c.data_source).where(runs.c.id == run_id)).scalar_one()
        rows = source.get("source", {})
        reads = source.get("run_id") or (rows.get("id") if rows.get("type") == "file_id" else None)
        connection.execute(sa.update(runs).where(runs.c.id == run_id).values(reads=reads))
