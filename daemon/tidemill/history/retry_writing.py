"""What the daemon writes about retries. Each run has one retry at most, so that attempts follow one another."""

from tidemill.domain.errors import Refused
from tidemill.domain.naming import base_name
from tidemill.domain.restarts import Restart, unknown_task
from tidemill.history.records import NewRun
from tidemill.history.resuming import restart_text
from tidemill.history.run_writing import RunWriting
from tidemill.history.texts import storable


class RetryWriting(RunWriting):
    """The sentences about retries."""

    def add_retry(self, run: NewRun, restart: Restart | None, notes: list[str]) -> int:
        """Record a retry with what is to be told of it, and return its key; told twice of the same, record it once.

        Raises Refused if its parent is retried by another run already.
        """
        if self.has_run(run.uid):
            return self.add_run(run)
        assert run.parent is not None
        other = self._retry_of(self.run_id(run.parent))
        if other is not None:
            raise Refused(f"the run {run.parent} is retried already, by the run {other}: tidemill show {other}")
        run_id = self.add_run(run)
        if restart is not None:
            self.execute("UPDATE runs SET restart = ? WHERE id = ?", (restart_text(restart), run_id))
        self.add_notes([(run_id, run_id, run.queued_at, None, storable(note)) for note in notes])
        return run_id

    def last_attempt(self, uid: str) -> str:
        """Return the id of the last run in the chain of retries after a run; its own if nobody retried it."""
        while True:
            following = self._retry_of(self.run_id(uid))
            if following is None:
                return uid
            uid = following

    def first_place(self, uid: str, asked: str) -> tuple[int, ...]:
        """Return where the task *asked*, a name or a number, stands first in the run, or in one that it retried.

        Raises NotFound, with the nearest name, if none of them has such a task.
        """
        names: dict[str, None] = {}
        for attempt in reversed(self.load_attempts(uid)):
            placed = self.load_places(attempt.id)
            names |= dict.fromkeys(task.ident[-1][0] for task in placed)
            found = [task.path for task in placed if asked in (task.ident[-1][0], base_name(task.ident[-1][0]))]
            found = found or [task.path for task in placed if task.path == (_number(asked),)]
            if found:
                return min(found)
        raise unknown_task(asked, names)

    def _retry_of(self, run_id: int) -> str | None:
        row = self.row(
            "SELECT uid FROM runs WHERE parent_id = ? AND trigger = 'retry' ORDER BY id DESC LIMIT 1", (run_id,)
        )
        return None if row is None else str(row[0])


def _number(asked: str) -> int:
    return int(asked) if asked.isascii() and asked.isdigit() else -1
