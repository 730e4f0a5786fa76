"""Runs within runs, and the names that flows and tasks give to their runs.

A flow called inside a run is a run too: its parent is the run that called it, its root the run whose process
and journal it shares. Most of what is asked concerns the runs that nobody called, so each half has its indexes:
a row stands in as many of them as before.
"""

from typing import Final

revision: Final = "0002"
down_revision: Final = "0001"

STATEMENTS: Final = (
    # root_id: NULL for a run that no other called. A root takes its children along when it is removed.
    "ALTER TABLE runs ADD COLUMN root_id BIGINT REFERENCES runs(id) ON DELETE CASCADE",
    # parent_index: the task run of the parent that stands for this run.
    "ALTER TABLE runs ADD COLUMN parent_index INTEGER",
    "ALTER TABLE runs ADD COLUMN name TEXT",
    "ALTER TABLE task_runs ADD COLUMN run_name TEXT",
    # subflow: the id of the run that this task run stands for. Its row may come later, or never.
    "ALTER TABLE task_runs ADD COLUMN subflow TEXT",
    "DROP INDEX runs_by_time",
    "DROP INDEX runs_by_flow",
    "CREATE INDEX runs_by_time ON runs(queued_at) WHERE root_id IS NULL",
    "CREATE INDEX runs_by_flow ON runs(flow_id, queued_at) WHERE root_id IS NULL",
    "CREATE INDEX children_by_time ON runs(queued_at) WHERE root_id IS NOT NULL",
    "CREATE INDEX children_by_flow ON runs(flow_id, queued_at) WHERE root_id IS NOT NULL",
    "CREATE INDEX children_by_root ON runs(root_id) WHERE root_id IS NOT NULL",
)


def statements(_dialect: str) -> list[str]:
    """Return the SQL of this version for a database."""
    return list(STATEMENTS)


def upgrade() -> None:
    """Apply this version; called by Alembic."""
    from alembic import op

    for text in STATEMENTS:
        op.execute(text)
