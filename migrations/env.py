"""Runs the migrations on the connection that the store hands over, or, for `alembic revision`, on none."""

from alembic import context

from arena.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=False,
)
context.run_migrations()
