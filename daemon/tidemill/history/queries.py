"""The SQL of reading, one text for every database. States stand in it as literals, or the partial indexes sleep."""

from collections.abc import Collection
from typing import Final

RUN: Final = (
    "r.id, r.uid, f.name, r.state, r.trigger, r.scheduled_for, r.queued_at, r.started_at, r.finished_at, r.attempt,"
    " p.uid, r.parameters, r.error, v.name, r.note, r.name, o.uid, r.parent_index"
)
"""The columns that shapes.run understands."""

RUN_TABLES: Final = (
    "runs r JOIN flows f ON f.id = r.flow_id LEFT JOIN runs p ON p.id = r.parent_id"
    " LEFT JOIN versions v ON v.id = r.version_id LEFT JOIN runs o ON o.id = r.root_id"
)

_TOP: Final = "root_id IS NULL"
"""A run that no other run called. The words are those of the partial indexes."""
_CHILD: Final = "root_id IS NOT NULL"
_NOT_COMPLETED: Final = "state <> 'completed'"

RUN_BY_UID: Final = f"SELECT {RUN} FROM {RUN_TABLES} WHERE r.uid = :uid"

RUNS_BY_PREFIX: Final = (
    "SELECT r.uid, f.name, r.state FROM runs r JOIN flows f ON f.id = r.flow_id"
    " WHERE r.uid >= :prefix AND r.uid < :behind ORDER BY r.uid LIMIT 5"
)

_NEWEST: Final = "ORDER BY queued_at DESC, id DESC LIMIT 1"
LAST_RUN: Final = f"SELECT uid FROM runs WHERE {_TOP} {_NEWEST}"
LAST_RUN_OF_FLOW: Final = f"SELECT uid FROM runs WHERE flow_id = :flow_id AND {_TOP} {_NEWEST}"
LAST_CHILD_OF_FLOW: Final = f"SELECT uid FROM runs WHERE flow_id = :flow_id AND {_CHILD} {_NEWEST}"

CALLERS: Final = (
    "SELECT r.uid, p.uid FROM runs o JOIN runs r ON r.root_id = o.id JOIN runs p ON p.id = r.parent_id"
    " WHERE o.uid = :root"
)

FLOW_ID: Final = "SELECT id FROM flows WHERE name = :name"

FLOWS: Final = (
    "SELECT f.name, f.file, x.shown, f.manifest, v.name, f.paused_at, f.active, x.errors,"
    " r.uid, r.state, r.started_at, r.finished_at FROM flows f"
    " LEFT JOIN versions v ON v.id = f.version_id LEFT JOIN files x ON x.path = f.file"
    " LEFT JOIN runs r ON r.id ="
    f" (SELECT l.id FROM runs l WHERE l.flow_id = f.id AND l.{_TOP} ORDER BY l.queued_at DESC, l.id DESC LIMIT 1)"
)

BROKEN_FILES: Final = "SELECT path, shown, errors FROM files WHERE errors <> '[]' ORDER BY shown"

TASKS: Final = (
    "SELECT t.idx, t.name, t.state, t.attempts, t.started_at, t.finished_at, t.error,"
    " s.handler, s.location, s.size, s.preview, t.run_name, t.subflow FROM task_runs t"
    " LEFT JOIN results s ON s.run_id = t.run_id AND s.idx = t.idx WHERE t.run_id = :run_id ORDER BY t.idx"
)

ATTEMPTS: Final = (
    "SELECT idx, attempt, started_at, finished_at, due, error FROM attempts WHERE run_id = :run_id"
    " ORDER BY idx, attempt"
)

RETRY_OF: Final = "SELECT uid FROM runs WHERE parent_id = :run_id AND trigger = 'retry' ORDER BY id DESC LIMIT 1"

EVENTS: Final = "SELECT at, state, note FROM run_events WHERE run_id = :run_id ORDER BY seq"

RESULTS: Final = (
    "SELECT s.idx, t.name, s.handler, s.location, s.size, s.preview, s.encoding, t.run_name FROM results s"
    " LEFT JOIN task_runs t ON t.run_id = s.run_id AND t.idx = s.idx WHERE s.run_id = :run_id ORDER BY s.idx"
)

VALUE: Final = "SELECT value FROM results WHERE run_id = :run_id AND idx = :idx"

MANIFEST: Final = "SELECT manifest FROM flows WHERE name = :name"

TIMEZONE_KEY: Final = "timezone"
"""Under this name the daemon writes its own zone into the table meta."""
META: Final = "SELECT value FROM meta WHERE key = :key"

SCHEDULES: Final = (
    "SELECT s.id, s.spec, s.cursor, s.created_at, s.removed_at FROM schedules s JOIN flows f ON f.id = s.flow_id"
    " WHERE f.name = :flow ORDER BY s.id"
)

_OCCURRENCE: Final = (
    "SELECT o.moment, o.outcome, COALESCE(r.uid, q.uid), o.coalesced_into, o.until, o.count, o.decided_at, o.reason"
    " FROM occurrences o LEFT JOIN runs r ON r.id = o.run_id"
    " LEFT JOIN occurrences k ON k.schedule_id = o.schedule_id AND k.moment = o.coalesced_into"
    " LEFT JOIN runs q ON q.id = k.run_id WHERE o.schedule_id = :schedule_id"
)
OCCURRENCES_BEFORE: Final = f"{_OCCURRENCE} AND o.moment <= :at ORDER BY o.moment DESC LIMIT :limit"
OCCURRENCES_AFTER: Final = f"{_OCCURRENCE} AND o.moment > :at ORDER BY o.moment LIMIT :limit"

VERSION: Final = "SELECT name, hash, sources FROM versions WHERE name = :name"

COUNT_FLOWS: Final = (
    "SELECT COUNT(*), COALESCE(SUM(CASE WHEN paused_at IS NULL THEN 0 ELSE 1 END), 0) FROM flows WHERE active = 1"
)
COUNT_LIVE: Final = (
    f"SELECT state, COUNT(*) FROM runs WHERE {_TOP} AND {_NOT_COMPLETED} AND"
    " state IN ('pending', 'scheduled', 'running', 'retrying', 'cancelling', 'paused') GROUP BY state"
)


def runs(states: Collection[str], *, of_flow: bool, since: bool, top: bool = False) -> str:
    """Return the query for the newest runs: one walk down each index they stand in, then the few that are shown."""
    conditions = ["flow_id = :flow_id"] * of_flow + ["queued_at >= :since"] * since
    walks = [
        _walk([*conditions, *chosen, *half])
        for chosen in ([_state(state) for state in sorted(states)] or [[]])
        for half in _halves(chosen, top)
    ]
    found = (
        walks[0]
        if len(walks) == 1
        else " UNION ALL ".join(f"SELECT * FROM ({walk}) AS walk_{number}" for number, walk in enumerate(walks))
    )
    return (
        f"SELECT {RUN} FROM ({found}) AS found JOIN {RUN_TABLES.replace('runs r', 'runs r ON r.id = found.key', 1)}"
        " ORDER BY found.at DESC, found.key DESC LIMIT :limit"
    )


def _halves(chosen: Collection[str], top: bool) -> list[list[str]]:
    """Return by which conditions the indexes divide the runs: those of unfinished and failed ones do not."""
    if top:
        return [[_TOP]]
    return [[]] if _NOT_COMPLETED in chosen else [[_TOP], [_CHILD]]


def _walk(conditions: Collection[str]) -> str:
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT id AS key, queued_at AS at FROM runs{where} ORDER BY queued_at DESC, id DESC LIMIT :limit"


def _state(state: str) -> list[str]:
    # The second condition is the partial indexes' own word for word: SQLite draws no conclusions.
    return ["state = 'completed'"] if state == "completed" else [f"state = '{state}'", _NOT_COMPLETED]
