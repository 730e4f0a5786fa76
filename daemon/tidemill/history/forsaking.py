"""What a run leaves without an end when it ends: its tasks, and the runs of the flows it called."""

from collections.abc import Sequence
from typing import Final

from tidemill.domain.states import State
from tidemill.history.statements import Row, Statements
from tidemill.history.steps import FORSAKEN

_TASKS: Final = "UPDATE task_runs SET state = ?, finished_at = ? WHERE run_id = ? AND finished_at IS NULL"
_ANY_CHILD: Final = "SELECT 1 FROM runs WHERE root_id BETWEEN ? AND ? LIMIT 1"
_CHILDREN: Final = (
    "UPDATE runs SET state = ?, finished_at = ?, error = ?, note = ? WHERE root_id = ? AND finished_at IS NULL"
)
_TASKS_OF_CHILDREN: Final = (
    "UPDATE task_runs SET state = ?, finished_at = ? WHERE finished_at IS NULL"
    " AND run_id IN (SELECT id FROM runs WHERE root_id = ? AND finished_at = ?)"
)
_OUTLIVED: Final = "it had no end of its own when the run that it belongs to ended"


class Forsaking(Statements):
    """The sentences about them."""

    def forsake(self, ended: Sequence[Row]) -> None:
        """End whatever has no end of its own in runs that end; each row is state, time, error and key of one."""
        tasks = [(str(FORSAKEN.get(State(state), State.CANCELLED)), at, run_id) for state, at, _, run_id in ended]
        self.execute_all(_TASKS, tasks)
        # Few runs have children, so all of them are asked at once: their keys lie close together.
        keys = [row[3] for row in ended]
        if self.row(_ANY_CHILD, (min(keys), max(keys))) and self.execute_all(_CHILDREN, [_child(row) for row in ended]):
            self.execute_all(_TASKS_OF_CHILDREN, [(*row, row[1]) for row in tasks])


def _child(ended: Row) -> Row:
    """Return what becomes of the children of a run: one process carried them all."""
    state, at, error, run_id = ended
    if state in FORSAKEN:
        return (state, at, error, _OUTLIVED, run_id)
    return (str(State.CANCELLED), at, None, _OUTLIVED, run_id)
