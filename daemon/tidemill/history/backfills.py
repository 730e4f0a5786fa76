"""Runs that a backfill made, for whoever only looks."""

from typing import Any, Final

from tidemill.domain.times import iso
from tidemill.history.reading import Reading
from tidemill.history.shapes import error_line

Record = dict[str, Any]

_OF_MOMENT: Final = (
    "SELECT r.uid, r.state FROM runs r JOIN schedules s ON s.id = r.schedule_id JOIN flows f ON f.id = s.flow_id"
    " WHERE r.trigger = 'backfill' AND f.name = :flow AND r.scheduled_for = :at ORDER BY r.id DESC LIMIT 1"
)
_TOGETHER: Final = (
    "r.trigger = 'backfill' AND r.id >= (SELECT id FROM runs WHERE uid = :first)"
    " AND r.id <= (SELECT id FROM runs WHERE uid = :last)"
)
"""Runs that were recorded in one transaction have keys that follow one another: there is one writer."""
_STATES: Final = f"SELECT r.state, COUNT(*) FROM runs r WHERE {_TOGETHER} GROUP BY r.state"
_RUNS: Final = f"SELECT r.uid, r.scheduled_for, r.state, r.error FROM runs r WHERE {_TOGETHER} ORDER BY r.id"


def of_moment(reading: Reading, flow: str, at: int) -> Record | None:
    """Return id and state of the newest run that a backfill made for a moment of the flow's schedules."""
    rows = reading.rows(_OF_MOMENT, {"flow": flow, "at": at})
    return {"id": rows[0][0], "state": rows[0][1]} if rows else None


def states(reading: Reading, first: str, last: str) -> dict[str, int]:
    """Return how many runs of one backfill are in which state; *first* and *last* are the ids of its ends."""
    return dict(reading.rows(_STATES, {"first": first, "last": last}))


def runs(reading: Reading, first: str, last: str) -> list[Record]:
    """Return the runs of one backfill in their order."""
    return [
        {"id": uid, "scheduled_for": iso(moment), "state": state, "error": error_line(error)}
        for uid, moment, state, error in reading.rows(_RUNS, {"first": first, "last": last})
    ]
