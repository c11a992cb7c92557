"""Run by Alembic: applies revisions over the connection that `engine.store.migrations` opened."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transactional_ddl=False)  # the caller's transaction holds everything
context.run_migrations()
