"""Events into rows. The offset in the journal is moved in the same transaction, so each event counts once."""

from collections.abc import Iterable, Sequence
from typing import Final

from tidemill.domain.events import Event, SubflowStarted
from tidemill.domain.states import SUCCESSES, State
from tidemill.history.children import ChildWriting
from tidemill.history.folding import Rows
from tidemill.history.owing import owe_hooks
from tidemill.history.run_writing import RunWriting
from tidemill.history.steps import SOURCES, listed
from tidemill.history.texts import storable

_OFFSET: Final = "UPDATE runs SET journal_offset = ? WHERE id = ? AND journal_offset = ?"
_SAME: Final = "task_runs.finished_at IS NULL AND task_runs.name = excluded.name"
_TASK: Final = (
    "INSERT INTO task_runs (run_id, idx, name, state, attempts, started_at, attempt_at, finished_at, error)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_id, idx) DO UPDATE SET name = excluded.name,"
    " state = excluded.state, attempts = excluded.attempts, started_at = CASE WHEN task_runs.finished_at IS NULL"
    " THEN COALESCE(task_runs.started_at, excluded.started_at)"
    " ELSE COALESCE(excluded.started_at, task_runs.started_at) END,"
    " attempt_at = COALESCE(excluded.attempt_at, task_runs.attempt_at), finished_at = excluded.finished_at,"
    f" error = excluded.error, run_name = CASE WHEN {_SAME} THEN task_runs.run_name END,"
    f" subflow = CASE WHEN {_SAME} THEN task_runs.subflow END"
    f" WHERE task_runs.finished_at IS NULL OR ((task_runs.state NOT IN ({listed(SUCCESSES)})"
    " OR task_runs.name <> excluded.name)"
    " AND EXISTS (SELECT 1 FROM runs r WHERE r.id = task_runs.run_id AND r.finished_at IS NULL))"
)
"""A task has one end, but where the flow itself is tried again what had failed has its place once more."""
_RESULT: Final = (
    "INSERT INTO results (run_id, idx, handler, location, size, preview, encoding, value, checksum)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_id, idx) DO UPDATE SET handler = excluded.handler,"
    " location = excluded.location, size = excluded.size, preview = excluded.preview, encoding = excluded.encoding,"
    " value = excluded.value, checksum = excluded.checksum"
)
_ATTEMPT: Final = (
    "INSERT INTO attempts (run_id, idx, attempt, started_at, finished_at, due, error) VALUES (?, ?, ?, COALESCE(?,"
    " (SELECT COALESCE(attempt_at, started_at) FROM task_runs WHERE run_id = ? AND idx = ?)), ?, ?, ?)"
    " ON CONFLICT (run_id, idx, attempt) DO NOTHING"
)
_BEGUN_AGAIN: Final = (
    "INSERT INTO attempts (run_id, idx, attempt, started_at, finished_at, due, error)"
    " SELECT run_id, idx, attempts, COALESCE(attempt_at, started_at), finished_at, ?, error FROM task_runs"
    " WHERE run_id = ? AND idx = ? AND finished_at IS NOT NULL AND error IS NOT NULL"
    " AND state IN ('failed', 'timed_out') ON CONFLICT (run_id, idx, attempt) DO NOTHING"
)
_STARTED: Final = (
    f"UPDATE runs SET state = CASE WHEN state IN ({listed(SOURCES[State.RUNNING])}) THEN 'running' ELSE state END,"
    " started_at = ?, pid = ?, start_time = ?, boot_id = ? WHERE id = ? AND finished_at IS NULL"
)
_VERSION: Final = (
    "INSERT INTO versions (name, hash, sources) SELECT ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM versions WHERE name = ?)"
)
_ORDERED: Final = (
    "UPDATE runs SET version_id = v.id FROM versions v"
    " WHERE v.name = ? AND runs.id = ? AND (runs.version_id IS NULL OR runs.version_id <> v.id)"
)
_RESUMED: Final = "UPDATE runs SET state = 'running' WHERE id = ? AND state IN ('pending', 'retrying')"
_RETRYING: Final = (
    "UPDATE runs SET attempt = ?, state = CASE WHEN state = 'running' THEN 'retrying' ELSE state END"
    " WHERE id = ? AND finished_at IS NULL"
)
_ENDED: Final = (
    "UPDATE runs SET state = ?, finished_at = ?, error = ?, pid = NULL, start_time = NULL, boot_id = NULL"
    " WHERE id = ? AND finished_at IS NULL"
)
"""The process tells how its run ended, and is taken at its word unless the run has an end already."""
_KNOWN_AS: Final = (
    "UPDATE task_runs SET run_name = COALESCE(?, run_name), subflow = COALESCE(?, subflow) WHERE run_id = ? AND idx = ?"
)
_NAMED: Final = "UPDATE runs SET name = ? WHERE id = ?"

Piece = tuple[int, int, int, list[Event]]
"""What a journal told: its run's key, the offset before and behind, and the events between."""


class OffsetError(Exception):
    """Raised when the history has read further, or less far, in a journal than the recorder believes."""


def ingest(writer: ChildWriting, pieces: Sequence[Piece]) -> None:
    """Write what journals told, and how far they are read."""
    move_offsets(writer, pieces)
    record(writer, [(run_id, events) for run_id, _, _, events in pieces])


def move_offsets(writer: RunWriting, pieces: Sequence[Piece]) -> None:
    """Note how far the journals are read, or refuse if the history stands elsewhere."""
    moved = [(behind, run_id, before) for run_id, before, behind, _ in pieces]
    if moved and writer.execute_all(_OFFSET, moved) != len(moved):
        raise OffsetError


def record(writer: ChildWriting, told: Iterable[tuple[int, Sequence[Event]]]) -> None:
    """Write what happened in runs, each given by its key, and in the runs within them."""
    rows = Rows()
    for run_id, events in told:
        rows.add(run_id, events)
    if rows.ordered:
        if rows.versions:
            writer.execute_all(_VERSION, rows.versions)
        writer.execute_all(_ORDERED, rows.ordered)  # first: a run within has the version of the one around it
    if rows.children:
        _fold_children(writer, rows)
    _write(writer, rows)


def _fold_children(writer: ChildWriting, rows: Rows) -> None:
    """Fold the events of the runs within, whose rows come first: the others bear their keys."""
    for child, events in rows.children.items():
        if isinstance(events[0], SubflowStarted):
            writer.begin_child(child, events[0])
        child_id = writer.child_id(child)
        if child_id is not None:
            rows.add(child_id, events)
        else:
            root_id, uid = child
            note = f"{len(events)} events of {storable(uid)}, which is no run within this one, were passed over"
            rows.notes.append((root_id, root_id, events[0].at, None, note))


def _write(writer: RunWriting, rows: Rows) -> None:
    """Write folded rows."""
    # A failed attempt asks its task's row how and when it went, which the row forgets after.
    for statement, found in (
        (_BEGUN_AGAIN, rows.begun_again),
        (_ATTEMPT, rows.attempts),
        (_TASK, rows.tasks),
        (_KNOWN_AS, list(rows.known_as.values())),
        (_RESULT, rows.results),
        (_STARTED, rows.started),
        (_RETRYING, rows.retrying),
        (_RESUMED, rows.resumed),
        (_ENDED, rows.ended),
        (_NAMED, rows.named),
    ):
        if found:
            writer.execute_all(statement, found)
    if rows.notes:
        writer.add_notes(rows.notes)
    if rows.ended:
        writer.forsake(rows.ended)
    for run_id, at in rows.unhooked:
        owe_hooks(writer, run_id, at)
