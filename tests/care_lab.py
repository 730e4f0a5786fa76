"""A state directory as a daemon leaves it: a history, and for each run its journal, log and results."""

import os
from pathlib import Path

import pytest

from history_lab import NOON, SECOND, Lab
from tidemill.care.policy import DAY, Policy
from tidemill.care.rounds import foresee, prune
from tidemill.config.paths import StatePaths
from tidemill.domain.events import RunEnded, RunStarted, TaskEnded
from tidemill.domain.states import State
from tidemill.history.recorder import Recorder
from tidemill.history.records import NewRun
from tidemill.journal.writer import JournalWriter

EVERYTHING = Policy(None, None, None, None, None)
"""Nothing is ever too old, too many or too large."""
DAYS = round(DAY) * SECOND


class World:
    """One state directory."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.paths = StatePaths(lab.folder)
        for folder in self.paths.folders:
            folder.mkdir(mode=0o700, exist_ok=True)
        self.now = NOON + 1000 * DAYS

    def run(self, uid: str, age: float = 0.0, state: State = State.COMPLETED, files: bool = True, **fields) -> int:
        """Make a run that ended *age* days ago, with its files."""
        at = round(self.now - age * DAYS)
        run = NewRun(uid, fields.pop("flow", "nightly"), at - SECOND, **fields)
        run_id = self.lab.write(lambda w: w.add_run(run))
        self.lab.write(lambda w: w.end_run(run_id, state, None, at))
        if files:
            self.leave_files(uid, at, state)
        return run_id

    def leave_files(self, uid: str, at: int, state: State = State.COMPLETED) -> None:
        """Leave what a run process leaves."""
        for path in (self.paths.journal(uid), self.paths.log(uid), self.paths.run_results(uid) / "0-load.json"):
            path.parent.mkdir(parents=True, exist_ok=True)
        journal = JournalWriter(self.paths.journal(uid))
        for event in (
            RunStarted(at - SECOND, 4711, 12345, "boot"),
            TaskEnded(at, 0, "load", "completed", 1),
            RunEnded(at, str(state)),
        ):
            journal.write(event)
        journal.close()
        self.paths.log(uid).write_text("said\n" * 1000)
        (self.paths.run_results(uid) / "0-load.json").write_text("[]")
        for path in (*self.files(uid), self.paths.run_results(uid)):
            os.utime(path, ns=(at * 1000, at * 1000))

    def files(self, uid: str) -> list[Path]:
        """Return every file whose name or folder is the run's."""
        return sorted(
            path for path in self.paths.root.rglob("*") if path.is_file() and uid in (*path.parts[-2:], path.name[:10])
        )

    def uids(self) -> list[str]:
        """Return the runs of the history."""
        return [uid for (uid,) in self.lab.write(lambda w: w.rows("SELECT uid FROM runs ORDER BY uid"))]

    def prune(self, rest=lambda _: False, is_busy=lambda _: False, **bounds):
        """Prune as a daemon would."""
        self.lab.pen.close()
        recorder = Recorder(self.lab.database)
        recorder.start()
        try:
            return prune(
                recorder,
                self.lab.address,
                self.paths,
                EVERYTHING._replace(**bounds),
                self.now,
                rest=rest,
                is_busy=is_busy,
                reserve=0,
            )
        finally:
            recorder.stop()

    def foresee(self, **bounds):
        """Tell what a pruning would remove."""
        return foresee(self.lab.address, self.paths, EVERYTHING._replace(**bounds), self.now)


@pytest.fixture
def world(sqlite_lab) -> World:
    """A state directory with an empty history."""
    return World(sqlite_lab)
