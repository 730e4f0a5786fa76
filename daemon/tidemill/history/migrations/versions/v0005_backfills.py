"""What finding the runs of a backfill takes: by schedule and moment, of which the ledger names other runs."""

from typing import Final

revision: Final = "0005"
down_revision: Final = "0004"

STATEMENTS: Final = (
    # Only runs of a backfill have an entry: no other run pays for it.
    "CREATE INDEX backfills ON runs(schedule_id, scheduled_for) WHERE trigger = 'backfill'",
)


def statements(_dialect: str) -> list[str]:
    """Return the SQL of this version for a database."""
    return list(STATEMENTS)


def upgrade() -> None:
    """Apply this version; called by Alembic."""
    from alembic import op

    for text in STATEMENTS:
        op.execute(text)
