"""What removing and counting runs takes.

A run's row and its files cannot go in one step. What is being removed is noted first, so that whoever is killed
in between is finished by the next one.
"""

from typing import Final

revision: Final = "0004"
down_revision: Final = "0003"

STATEMENTS: Final = (
    # run_id: the key that the run had, or has until its last row is gone.
    """
    CREATE TABLE removals (
        uid TEXT {exact} NOT NULL PRIMARY KEY,
        run_id BIGINT NOT NULL
    )
    """,
    # All that statistics ask of a run that has ended; it gets its entry once, when it ends.
    "CREATE INDEX runs_ended ON runs(flow_id, queued_at, state, started_at, finished_at) WHERE finished_at IS NOT NULL",
)

SQLITE: Final = {"exact": ""}
POSTGRESQL: Final = {"exact": 'COLLATE "C"'}


def statements(dialect: str) -> list[str]:
    """Return the SQL of this version for a database."""
    words = SQLITE if dialect == "sqlite" else POSTGRESQL
    return [text.format_map(words) for text in STATEMENTS]


def upgrade() -> None:
    """Apply this version; called by Alembic."""
    from alembic import op

    for text in statements(op.get_bind().dialect.name):
        op.execute(text)
