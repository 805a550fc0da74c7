"""Run by Alembic: the versions are applied within the transaction that the caller has open."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
