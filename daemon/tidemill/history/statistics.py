"""How a flow did: how many of its runs completed, how long they took and how long they waited.

One walk down a covering index for each flow, and the sorting here: a window function would take six times as long.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from tidemill.domain.states import SUCCESSES
from tidemill.domain.times import iso
from tidemill.history.reading import Reading
from tidemill.history.retention import FAULTS
from tidemill.history.shapes import error_line

Record = dict[str, Any]

FLOWS: Final = "SELECT id, name FROM flows ORDER BY name"
ENDED: Final = (
    "SELECT state, finished_at - started_at, started_at - queued_at FROM runs"
    " WHERE flow_id = :flow AND queued_at >= :since AND finished_at IS NOT NULL"
)
LAST_FAULT: Final = (
    "SELECT queued_at, uid, state, finished_at, error FROM runs"
    " WHERE flow_id = :flow AND state = '{state}' AND state <> 'completed' ORDER BY queued_at DESC LIMIT 1"
)
# Plain words: there are as many looks as runs.
_SUCCESSES: Final = frozenset(map(str, SUCCESSES))
_FAULTS: Final = tuple(map(str, FAULTS))
_MEDIAN: Final = 0.5
_SLOW: Final = 0.95


def of_flow(reading: Reading, flow_id: int, name: str, since: int) -> Record:
    """Return how the runs did that were queued since *since* (microseconds) and have ended.

    Durations are of those that completed, for one that fails at once says nothing of how long the work takes.
    """
    rows = reading.rows(ENDED, {"flow": flow_id, "since": since})
    ended, took, waited = zip(*rows, strict=True) if rows else ((), (), ())
    states = Counter(ended)
    completed, failed = (sum(states[state] for state in chosen) for chosen in (_SUCCESSES, _FAULTS))
    return {
        "flow": name,
        "since": iso(since),
        "runs": len(rows),
        "completed": completed,
        "failed": failed,
        "states": dict(sorted(states.items())),
        "success_rate": completed / (completed + failed) if completed + failed else None,
        "duration": _spread(
            [micros for state, micros in zip(ended, took, strict=True) if micros is not None and state in _SUCCESSES]
        ),
        "wait": _spread([micros for micros in waited if micros is not None]),
        "last_failure": _last_fault(reading, flow_id),
    }


def of_flows(reading: Reading, since: int) -> list[Record]:
    """Return the same of every flow that has runs to tell of, by name."""
    found = (of_flow(reading, int(key), str(name), since) for key, name in reading.rows(FLOWS))
    return [record for record in found if record["runs"]]


def _spread(values: Sequence[int]) -> Record | None:
    """Return the middle and the slow end of *values*, in seconds."""
    if not values:
        return None
    ordered = sorted(values)
    return {"p50": _rank(ordered, _MEDIAN), "p95": _rank(ordered, _SLOW)}


def _rank(ordered: Sequence[int], share: float) -> float:
    """Return the value that *share* of all do not exceed: the nearest rank, so it is one that was measured."""
    return ordered[math.ceil(share * len(ordered)) - 1] / 1_000_000


def _last_fault(reading: Reading, flow_id: int) -> Record | None:
    """Return the last run that failed, whenever that was."""
    found = [row for state in _FAULTS for row in reading.rows(LAST_FAULT.format(state=state), {"flow": flow_id})]
    if not found:
        return None
    _, uid, state, finished, error = max(found, key=lambda row: row[0])
    return {"id": uid, "state": state, "finished_at": iso(finished), "error": error_line(error)}
