"""What Alembic runs to migrate: on the connection, and in the transaction, that it is given."""

from alembic import context

from service.store.tables import Base

# SQLite changes a column only by copying its table, which is what Alembic calls a batch
context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
