"""What the daemon writes about runs. States go by compare-and-set, and a terminal one is never overwritten."""

import json
from typing import Any, Final

from tidemill.domain.errors import HistoryError, NotFound
from tidemill.domain.results import ErrorInfo
from tidemill.domain.runs import ProcessName
from tidemill.domain.states import STEPS, State
from tidemill.history.forsaking import Forsaking
from tidemill.history.records import NewRun, StoredRun
from tidemill.history.resuming import Resuming
from tidemill.history.statements import Row
from tidemill.history.steps import SOURCES, listed
from tidemill.history.texts import from_error, from_value, storable

_INSERT: Final = (
    "INSERT INTO runs (uid, flow_id, state, trigger, queued_at, finished_at, scheduled_for, attempt, priority,"
    " parent_id, version_id, schedule_id, journal_offset, journal, parameters, note)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?) ON CONFLICT (uid) DO NOTHING RETURNING id"
)
_SELECT: Final = (
    "SELECT r.id, r.uid, f.name, r.state, r.trigger, r.queued_at, r.started_at, r.finished_at, r.scheduled_for,"
    " r.attempt, r.priority, p.uid, r.parameters, r.schedule_id, r.pid, r.start_time, r.boot_id, r.journal,"
    " r.journal_offset, v.name, v.sources, f.file, r.note, o.uid"
    " FROM runs r JOIN flows f ON f.id = r.flow_id LEFT JOIN versions v ON v.id = r.version_id"
    " LEFT JOIN runs p ON p.id = r.parent_id LEFT JOIN runs o ON o.id = r.root_id"
)
_UNFINISHED: Final = listed(state for state in State if STEPS[state])
_NOTE: Final = (
    "INSERT INTO run_events (run_id, seq, at, state, note)"
    " VALUES (?, (SELECT COALESCE(MAX(seq), 0) + 1 FROM run_events WHERE run_id = ?), ?, ?, ?)"
)


class RunWriting(Resuming, Forsaking):
    """The sentences about runs."""

    _flow_ids: dict[str, int]
    _version_ids: dict[str, int]

    def add_run(self, run: NewRun) -> int:
        """Record a run and return its key; told twice of the same run, record it once."""
        parameters = from_value(dict(run.parameters))
        row = self.row(
            _INSERT,
            (
                run.uid,
                self.flow_id(run.flow),
                str(run.state),
                str(run.trigger),
                run.queued_at,
                run.queued_at if run.state.is_terminal else None,
                run.scheduled_for,
                run.attempt,
                run.priority,
                None if run.parent is None else self.run_id(run.parent),
                None if run.version is None else self.version_id(run.version),
                run.schedule_id,
                run.journal,
                parameters,
                None if run.note is None else storable(run.note),
            ),
        )
        if row is not None:
            return int(row[0])
        same = self.row("SELECT id FROM runs WHERE uid = ? AND queued_at = ?", (run.uid, run.queued_at))
        if same is None:
            raise HistoryError(f"there is a run {run.uid} already")
        return int(same[0])

    def adopt_local_run(
        self, uid: str, flow: str, *, file: str, journal: str, queued_at: int, parameters: dict[str, Any] | None = None
    ) -> int:
        """Record a run that was made in a terminal, so that its journal can be followed from its beginning."""
        self.execute("UPDATE flows SET file = ? WHERE id = ? AND file IS NULL", (file, self.flow_id(flow)))
        return self.add_run(NewRun(uid, flow, queued_at, parameters=parameters or {}, journal=journal))

    def end_run(self, run_id: int, state: State, error: ErrorInfo | None, at: int) -> State:
        """Give a run its end unless it has one, and return the end it has."""
        text = from_error(error)
        changed = self.execute(
            "UPDATE runs SET state = ?, finished_at = ?, error = ?, pid = NULL, start_time = NULL, boot_id = NULL"
            " WHERE id = ? AND finished_at IS NULL",
            (str(state), at, text, run_id),
        )
        if changed:
            self.forsake([(str(state), at, text, run_id)])
            return state
        row = self.row("SELECT state FROM runs WHERE id = ?", (run_id,))
        if row is None:
            raise NotFound(f"there is no run with the key {run_id}")
        return State(row[0])

    def note(self, run_id: int, state: State | None, note: str, at: int) -> bool:
        """Record a passing state of a run, or a mere remark (*state* None); False if no step leads there."""
        if state is not None:
            if state.is_terminal:
                raise HistoryError(f"a run comes to its end by end_run, not by a note of {state}")
            sql = f"UPDATE runs SET state = ?, note = ? WHERE id = ? AND state IN ({listed(SOURCES[state])})"
            if self.execute(sql, (str(state), storable(note), run_id)) == 0:
                return False
        self.add_notes([(run_id, run_id, at, None if state is None else str(state), storable(note))])
        return True

    def add_notes(self, rows: list[Row]) -> None:
        """Append to the runs' events; each row is the run's key twice, time, state or None, text."""
        self.execute_all(_NOTE, rows)

    def load_live(self) -> list[StoredRun]:
        """Return the runs that have no end, oldest first; of those within another run the other one tells."""
        unfinished = f"r.state <> 'completed' AND r.state IN ({_UNFINISHED}) AND r.root_id IS NULL"
        rows = self.rows(f"{_SELECT} WHERE {unfinished} ORDER BY r.id")
        return [_stored(row) for row in rows]

    def load_run(self, uid: str) -> StoredRun:
        """Return the run with the id *uid*; one that is being removed is none any more."""
        row = self.row(f"{_SELECT} WHERE r.uid = ? AND NOT EXISTS (SELECT 1 FROM removals WHERE uid = r.uid)", (uid,))
        if row is None:
            raise NotFound(f"there is no run {uid}")
        return _stored(row)

    def has_run(self, uid: str) -> bool:
        """Tell whether there is a run with the id *uid*."""
        return self.row("SELECT 1 FROM runs WHERE uid = ?", (uid,)) is not None

    def run_id(self, uid: str) -> int:
        """Return the key of the run with the id *uid*."""
        row = self.row("SELECT id FROM runs WHERE uid = ?", (uid,))
        if row is None:
            raise NotFound(f"there is no run {uid}")
        return int(row[0])

    def flow_id(self, name: str) -> int:
        """Return the key of a flow; one that is not in the folder gets its row here, inactive."""
        found = self._flow_ids.get(name)
        if found is None:
            name = storable(name)
            self.execute("INSERT INTO flows (name, active) VALUES (?, 0) ON CONFLICT (name) DO NOTHING", (name,))
            row = self.row("SELECT id FROM flows WHERE name = ?", (name,))
            assert row is not None
            found = self._flow_ids[name] = int(row[0])
        return found

    def version_id(self, name: str) -> int | None:
        """Return the key of a version, or None if it was never recorded."""
        found = self._version_ids.get(name)
        if found is None:
            row = self.row("SELECT id FROM versions WHERE name = ?", (name,))
            if row is None:
                return None
            found = self._version_ids[name] = int(row[0])
        return found


def _stored(row: Row) -> StoredRun:
    (*facts, parameters, schedule_id, pid, start_time, boot_id, journal, offset, version, sources, file, note, root) = (
        row
    )
    key, uid, flow, state, trigger, queued, started, finished, scheduled, attempt, priority, parent = facts
    return StoredRun(
        id=key,
        uid=uid,
        flow=flow,
        state=State(state),
        trigger=trigger,
        queued_at=queued,
        started_at=started,
        finished_at=finished,
        scheduled_for=scheduled,
        attempt=attempt,
        priority=priority,
        parent=parent,
        parameters=json.loads(parameters) if parameters else {},
        schedule_id=schedule_id,
        process=None if pid is None else ProcessName(pid, start_time, boot_id),
        journal=journal,
        journal_offset=offset,
        version=version,
        sources=json.loads(sources) if sources else {},
        file=file,
        note=note,
        root=root,
    )
