"""What a retry has not to do again: the tasks that the attempts before it finished."""

from collections import Counter

from tidemill.domain.results import ResultInfo
from tidemill.domain.runs import FinishedTask
from tidemill.domain.states import SUCCESSES
from tidemill.history.statements import Statements

_Key = tuple[tuple[int, ...], str, int]
"""Which task run it is, whatever its place: within which sub-flows, its name, its number among those of the name."""


class Resuming(Statements):
    """The sentences about the tasks of earlier attempts."""

    def load_finished_tasks(self, uid: str) -> tuple[FinishedTask, ...]:
        """Return the tasks a retry of the run must not execute again, from it and the runs it retried itself.

        A task that one attempt finished and the next did not come to is finished all the same.
        """
        found: dict[_Key, FinishedTask] = {}
        row = self.row("SELECT id, parent_id FROM runs WHERE uid = ?", (uid,))
        while row is not None:
            for task in self._finished_in(row[0]):
                found.setdefault((task.within, task.name, task.occurrence), task)
            row = None if row[1] is None else self.row("SELECT id, parent_id FROM runs WHERE id = ?", (row[1],))
        return tuple(sorted(found.values(), key=lambda task: (*task.within, task.index)))

    def _finished_in(self, run_id: int) -> list[FinishedTask]:
        """Return what one attempt finished; occurrences count all its task runs of a name, finished or not."""
        seen: Counter[str] = Counter()
        finished = []
        for index, name, state, *result in self.rows(
            "SELECT t.idx, t.name, t.state, s.handler, s.location, s.size, s.preview, s.encoding, s.value, s.checksum"
            " FROM task_runs t LEFT JOIN results s ON s.run_id = t.run_id AND s.idx = t.idx"
            " WHERE t.run_id = ? ORDER BY t.idx",
            (run_id,),
        ):
            seen[name] += 1
            if state in SUCCESSES:
                info = None if result[0] is None else ResultInfo(*result)
                finished.append(FinishedTask(index, name, info, occurrence=seen[name]))
        return finished
