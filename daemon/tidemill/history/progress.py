"""How far a run is, for whoever watches it: numbers and a few tasks, however many it has."""

from typing import Any, Final

from tidemill.domain.times import iso
from tidemill.history.reading import Reading, Row
from tidemill.history.shapes import duration

Record = dict[str, Any]

_RUN: Final = (
    "SELECT r.id, f.name, r.state, r.started_at, r.finished_at FROM runs r JOIN flows f ON f.id = r.flow_id"
    " WHERE r.uid = :uid"
)
_OF_RUN: Final = "run_id IN (SELECT id FROM runs WHERE id = :run_id OR root_id = :run_id)"
"""Its own tasks and those of the flows called inside it."""
_COUNTS: Final = f"SELECT state, COUNT(*) FROM task_runs WHERE {_OF_RUN} GROUP BY state"
_TASK: Final = "SELECT idx, COALESCE(run_name, name), state, attempts, started_at, finished_at FROM task_runs"
_GOING: Final = f"{_TASK} WHERE {_OF_RUN} AND finished_at IS NULL ORDER BY started_at, run_id, idx LIMIT :limit"
_ENDED: Final = f"{_TASK} WHERE {_OF_RUN} AND finished_at IS NOT NULL ORDER BY finished_at DESC, idx DESC LIMIT :limit"


def progress(reading: Reading, uid: str, limit: int) -> Record | None:
    """Return how many tasks of a run are in which state, and at most *limit* of those that go on and ended last.

    Of the tasks those that ended come first, in the order of their ends. None if there is no such run.
    """
    rows = reading.rows(_RUN, {"uid": uid})
    if not rows:
        return None
    run_id, flow, state, started, finished = rows[0]
    chosen = {"run_id": run_id, "limit": limit}
    going = reading.rows(_GOING, chosen)
    ended = reading.rows(_ENDED, {**chosen, "limit": limit - len(going)}) if len(going) < limit else []
    return {
        "id": uid,
        "flow": flow,
        "state": state,
        "started_at": iso(started),
        "duration": duration(started, finished),
        "counts": dict(reading.rows(_COUNTS, {"run_id": run_id})),
        "tasks": [_task(row) for row in (*reversed(ended), *going)],
    }


def _task(row: Row) -> Record:
    index, name, state, attempts, started, finished = row
    return {
        "index": index,
        "name": name,
        "state": state,
        "attempts": attempts,
        "started_at": iso(started),
        "finished_at": iso(finished),
        "duration": duration(started, finished),
    }
