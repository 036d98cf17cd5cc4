"""Alembic's entry point: runs the migrations on the connection that it is handed."""

from alembic import context

from pixyproxy.data.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
    transaction_per_migration=False,
)
context.run_migrations()
