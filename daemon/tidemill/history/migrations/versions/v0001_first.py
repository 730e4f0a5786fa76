"""The first schema.

Times are microseconds since 1970 in UTC, states are the words of the contract, whatever has structure is JSON.
Keys are integers: a run's id is for people and stands in one column. A task run is keyed by its place in its
run, which makes a history five times smaller than with ids of its own.
"""

from typing import Final

revision: Final = "0001"
down_revision: Final = None

STATEMENTS: Final = (
    """
    CREATE TABLE meta (
        key TEXT NOT NULL PRIMARY KEY,
        value TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE sources (
        hash TEXT NOT NULL PRIMARY KEY,
        body {blob} NOT NULL
    )
    """,
    # The texts a run executes, under one short name: the flow file (hash) and the helper modules it imports.
    """
    CREATE TABLE versions (
        id {key},
        name TEXT NOT NULL UNIQUE,
        hash TEXT NOT NULL,
        sources TEXT NOT NULL
    )
    """,
    # What inspections answered, by the catalog's own encoding; valid for the maker that wrote it.
    """
    CREATE TABLE manifest_cache (
        path TEXT NOT NULL PRIMARY KEY,
        entry TEXT NOT NULL,
        maker TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE files (
        path TEXT NOT NULL PRIMARY KEY,
        shown TEXT NOT NULL,
        errors TEXT NOT NULL,
        warnings TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE flows (
        id {key},
        name TEXT {exact} NOT NULL UNIQUE,
        file TEXT,
        manifest TEXT,
        version_id BIGINT REFERENCES versions(id),
        paused_at BIGINT,
        active SMALLINT NOT NULL
    )
    """,
    # cursor: every moment up to it is accounted for in the ledger.
    """
    CREATE TABLE schedules (
        id {key},
        flow_id BIGINT NOT NULL REFERENCES flows(id) ON DELETE CASCADE,
        key TEXT NOT NULL,
        spec TEXT NOT NULL,
        cursor BIGINT NOT NULL,
        created_at BIGINT NOT NULL,
        removed_at BIGINT,
        UNIQUE (flow_id, key)
    )
    """,
    # The ledger: one moment, one row. A row with until stands for count moments that ended alike.
    # run_id is no foreign key: the ledger outlives pruned runs, and would need an index to let them go.
    """
    CREATE TABLE occurrences (
        schedule_id BIGINT NOT NULL REFERENCES schedules(id) ON DELETE CASCADE,
        moment BIGINT NOT NULL,
        outcome TEXT NOT NULL,
        run_id BIGINT,
        coalesced_into BIGINT,
        until BIGINT,
        count BIGINT NOT NULL,
        decided_at BIGINT NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (schedule_id, moment)
    ) {clustered}
    """,
    # finished_at is set exactly when state is terminal. pid, start_time and boot_id name the live process.
    """
    CREATE TABLE runs (
        id {key},
        uid TEXT {exact} NOT NULL UNIQUE,
        flow_id BIGINT NOT NULL REFERENCES flows(id),
        state TEXT NOT NULL,
        trigger TEXT NOT NULL,
        queued_at BIGINT NOT NULL,
        started_at BIGINT,
        finished_at BIGINT,
        scheduled_for BIGINT,
        attempt INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        parent_id BIGINT,
        version_id BIGINT,
        schedule_id BIGINT,
        pid BIGINT,
        start_time BIGINT,
        boot_id TEXT,
        journal_offset BIGINT NOT NULL,
        journal TEXT,
        parameters TEXT,
        error TEXT,
        note TEXT
    )
    """,
    "CREATE INDEX runs_by_time ON runs(queued_at)",
    "CREATE INDEX runs_by_flow ON runs(flow_id, queued_at)",
    # Runs that did not complete are few, and are what people and the daemon ask for by state.
    "CREATE INDEX runs_by_state ON runs(state, queued_at) WHERE state <> 'completed'",
    "CREATE INDEX runs_by_flow_state ON runs(flow_id, state, queued_at) WHERE state <> 'completed'",
    # Only what the columns of runs cannot tell: retries, requests to cancel, notes.
    """
    CREATE TABLE run_events (
        run_id BIGINT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        at BIGINT NOT NULL,
        state TEXT,
        note TEXT NOT NULL,
        PRIMARY KEY (run_id, seq)
    ) {clustered}
    """,
    # attempt_at: when the present attempt began, where it is not the first.
    """
    CREATE TABLE task_runs (
        run_id BIGINT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        idx INTEGER NOT NULL,
        name TEXT NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        started_at BIGINT,
        attempt_at BIGINT,
        finished_at BIGINT,
        error TEXT,
        PRIMARY KEY (run_id, idx)
    ) {clustered}
    """,
    # Attempts that failed and were followed by another; the last one's error stands with the task run.
    """
    CREATE TABLE attempts (
        run_id BIGINT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        idx INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        started_at BIGINT,
        finished_at BIGINT NOT NULL,
        due BIGINT NOT NULL,
        error TEXT NOT NULL,
        PRIMARY KEY (run_id, idx, attempt)
    ) {clustered}
    """,
    # idx is the task's; -1 is the flow's own result.
    """
    CREATE TABLE results (
        run_id BIGINT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        idx INTEGER NOT NULL,
        handler TEXT NOT NULL,
        location TEXT,
        size BIGINT NOT NULL,
        preview TEXT NOT NULL,
        encoding TEXT NOT NULL,
        value TEXT,
        PRIMARY KEY (run_id, idx)
    )
    """,
)

SQLITE: Final = {
    "key": "INTEGER PRIMARY KEY",
    "blob": "BLOB",
    "exact": "",
    "clustered": "WITHOUT ROWID",
}

# People's prefixes of ids are compared byte by byte, whatever the database's language is.
POSTGRESQL: Final = {
    "key": "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
    "blob": "BYTEA",
    "exact": 'COLLATE "C"',
    "clustered": "",
}


def statements(dialect: str) -> list[str]:
    """Return the SQL of this version for a database."""
    words = SQLITE if dialect == "sqlite" else POSTGRESQL
    return [text.format_map(words) for text in STATEMENTS]


def upgrade() -> None:
    """Apply this version; called by Alembic."""
    from alembic import op

    for text in statements(op.get_bind().dialect.name):
        op.execute(text)
