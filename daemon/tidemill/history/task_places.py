"""The task runs of one attempt, those of the flows called inside it too, each with what it is known by."""

from collections import Counter
from typing import Any, Final, NamedTuple

from tidemill.domain.results import ResultInfo
from tidemill.domain.runs import FinishedTask
from tidemill.history.statements import Statements

Ident = tuple[tuple[str, int], ...]
"""What a task run is known by in every attempt, wherever it stands.

The name and the number among those of that name: of each sub-flow around it, outermost first, and of itself.
"""

_CHILDREN: Final = "SELECT id, parent_id, parent_index FROM runs WHERE root_id = ? ORDER BY id"
_TASKS: Final = (
    "SELECT t.run_id, t.idx, t.name, t.state, s.handler, s.location, s.size, s.preview, s.encoding, s.checksum"
    " FROM task_runs t LEFT JOIN results s ON s.run_id = t.run_id AND s.idx = t.idx"
    " WHERE t.run_id IN (SELECT id FROM runs WHERE id = ? OR root_id = ?) ORDER BY t.run_id, t.idx"
)


class PlacedTask(NamedTuple):
    """A task run of an attempt."""

    ident: Ident
    path: tuple[int, ...]
    """Where it stands: the places of the sub-flows around it, outermost first, and its own."""
    state: str
    result: ResultInfo | None
    """Without its value."""
    key: int
    """The run whose own task run it is."""

    def finished(self) -> FinishedTask:
        """Return it as what an engine is told."""
        name, occurrence = self.ident[-1]
        return FinishedTask(self.path[-1], name, self.result, self.path[:-1], occurrence, self.ident[:-1])


class TaskPlaces(Statements):
    """The sentence about them."""

    def load_places(self, run_id: int) -> list[PlacedTask]:
        """Return all task runs of the run with this key.

        A sub-flow that was called again by its flow's own next attempt stands there twice, the later one behind.
        """
        callers = {row[0]: (row[1], row[2]) for row in self.rows(_CHILDREN, (run_id,))}
        around: dict[int, tuple[Ident, tuple[int, ...]]] = {run_id: ((), ())}
        known: dict[tuple[int, int], tuple[Ident, tuple[int, ...]]] = {}
        seen: Counter[tuple[int, str]] = Counter()
        found = []
        for key, index, name, state, *result in self.rows(_TASKS, (run_id, run_id)):
            if key not in around:
                # The caller's rows come first; where they do not tell, nothing can be said of the ones within.
                around[key] = known.get(callers[key], ((), (-1,)))
            within, places = around[key]
            seen[key, name] += 1
            ident, path = (*within, (name, seen[key, name])), (*places, index)
            known[key, index] = ident, path
            if -1 not in path:
                found.append(PlacedTask(ident, path, state, _result(result), key))
        return found


def _result(row: list[Any]) -> ResultInfo | None:
    handler, location, size, preview, encoding, checksum = row
    return None if handler is None else ResultInfo(handler, location, size, preview, encoding, None, checksum)
