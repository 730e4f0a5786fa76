"""All that is known when a campaign is over: the history, the effects ledger, what people were told, what was killed.

Nothing here is the product's: the history is read as tables, the ledger as lines.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from chaos.killing.nemesis import Stroke
from chaos.killing.person import Deed

SECOND = 1_000_000
ENDS = {
    "completed", "cached", "skipped", "failed", "timed_out", "upstream_failed", "crashed", "cancelled", "missed",
}  # fmt: skip
FINISHED = {"completed", "cached"}


class Effect(NamedTuple):
    """One line of the effects ledger."""

    run: str
    key: str
    attempt: int
    what: str
    pid: int
    at: int


class Evidence:
    """All that can be known when it is over."""

    def __init__(self, state: Path, ledger: Path, deeds: Iterable[Deed], strokes: Iterable[Stroke]) -> None:
        self.state = state
        self.deeds = list(deeds)
        self.strokes = list(strokes)
        told = [
            Effect(run, key, int(attempt), what, int(pid), int(at))
            for run, key, attempt, what, pid, at in (
                line.split(" ") for line in (ledger.read_text().splitlines() if ledger.exists() else [])
            )
        ]
        self.effects = [effect for effect in told if effect.what != "hook"]
        self.hooks = Counter(effect.run for effect in told if effect.what == "hook")
        """How often the hook for its crash was called, of each run."""
        self._connection = sqlite3.connect(f"file:{state}/history.db?mode=ro", uri=True)
        self._connection.row_factory = sqlite3.Row
        self.runs = {
            row["uid"]: row
            for row in self.rows("SELECT r.*, f.name AS flow FROM runs r JOIN flows f ON f.id = r.flow_id")
        }
        self.uids = {row["id"]: uid for uid, row in self.runs.items()}
        self.tops = {uid: row for uid, row in self.runs.items() if row["root_id"] is None}
        self.tasks: dict[str, dict[str, sqlite3.Row]] = defaultdict(dict)
        """Of each run that nobody called, its task runs and those of its sub-flows, by their names in the ledger."""
        for row in self.rows("SELECT * FROM task_runs"):
            run = self.runs[self.uids[row["run_id"]]]
            root = self.uids[run["root_id"] or run["id"]]
            self.tasks[root][f"{run['flow']}/{row['run_name'] or row['name']}"] = row

    def rows(self, sql: str) -> list[sqlite3.Row]:
        """Ask the history."""
        return self._connection.execute(sql).fetchall()

    def close(self) -> None:
        """Let go of the history."""
        self._connection.close()
