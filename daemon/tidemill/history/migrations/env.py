"""What Alembic runs: the versions that are missing, on the connection and in the transaction it is handed."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    # SQLite keeps DDL in transactions too; Alembic only does not count on it.
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
