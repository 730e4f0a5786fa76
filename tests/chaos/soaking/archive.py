"""A copy of all that the history ever held, so that it can be judged although most of it is pruned."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

TABLES: Final = ("versions", "flows", "schedules", "occurrences", "runs", "task_runs", "run_events")
SECOND: Final = 1_000_000


class Archive:
    """A folder that looks like a state directory in which nothing was ever pruned."""

    def __init__(self, folder: Path, state: Path, keep: float) -> None:
        self.folder = folder
        self.violations: list[str] = []
        self._state = state
        self._keep = keep
        folder.mkdir()
        (folder / "journals").symlink_to(state / "journals")

    def take(self) -> None:
        """Copy what the history holds now; no end may have changed, and none may have gone before its time."""
        with closing(sqlite3.connect(f"file:{self.folder}/history.db", uri=True)) as connection:
            connection.execute("ATTACH ? AS live", (f"file:{self._state}/history.db?mode=ro",))
            self._compare(connection)
            for table in TABLES:
                connection.execute(f"INSERT OR REPLACE INTO main.{table} SELECT * FROM live.{table}")
            connection.commit()

    def _compare(self, connection: sqlite3.Connection) -> None:
        if not connection.execute("SELECT 1 FROM main.sqlite_master").fetchall():
            for table in TABLES:
                for (ddl,) in connection.execute("SELECT sql FROM live.sqlite_master WHERE name = ?", (table,)):
                    connection.execute(ddl)
            return
        now = time.time_ns() // 1000
        changed = connection.execute(
            "SELECT a.uid, a.state, l.uid, l.state FROM main.runs a JOIN live.runs l USING (id)"
            " WHERE a.uid <> l.uid OR (a.finished_at IS NOT NULL AND a.state <> l.state)"
        )
        self.violations += [
            f"I15 the run {run} was {was} and is {other} {state} now" for run, was, other, state in changed
        ]
        gone = connection.execute(
            "SELECT uid, finished_at FROM main.runs WHERE finished_at > ? AND id NOT IN (SELECT id FROM live.runs)",
            (now - round(self._keep * SECOND),),
        )
        self.violations += [
            f"I1 the run {run} is gone {(now - ended) / SECOND:.0f} s after its end" for run, ended in gone
        ]
