"""What a retry has to know of the attempts before it."""

from typing import Final

revision: Final = "0003"
down_revision: Final = "0002"

STATEMENTS: Final = (
    # restart: for a retry from a task on, what runs again although it had finished (JSON).
    "ALTER TABLE runs ADD COLUMN restart TEXT",
    "CREATE INDEX retries ON runs(parent_id) WHERE trigger = 'retry'",
    # code: marks of the code of each flow's tasks (JSON), which differ where the code does.
    "ALTER TABLE versions ADD COLUMN code TEXT",
    # checksum: of what a handler keeps elsewhere, so that a retry does not take something else for it.
    "ALTER TABLE results ADD COLUMN checksum TEXT",
)


def statements(_dialect: str) -> list[str]:
    """Return the SQL of this version for a database."""
    return list(STATEMENTS)


def upgrade() -> None:
    """Apply this version; called by Alembic."""
    from alembic import op

    for text in STATEMENTS:
        op.execute(text)
