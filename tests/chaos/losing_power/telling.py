"""Who tells a watcher what was asked, answered and could be read; a stack's own clients go on as before."""

import sqlite3
import threading
from contextlib import closing, suppress
from typing import Any, Final

from chaos.killing.evidence import ENDS
from chaos.killing.stack import Stack
from chaos.losing_power.facts import ANSWERED, ASKED, SEEN
from chaos.losing_power.watching import Watcher

LOOK: Final = 0.1
"""Seconds between two looks of the onlooker."""
ACTS: Final = ("run", "retry", "cancel", "pause", "resume")
"""What is asked for that changes something."""
_RUNS: Final = "SELECT uid, state, started_at IS NOT NULL, id FROM runs"
_TASKS: Final = "SELECT run_id, idx, state FROM task_runs WHERE state IN ('completed', 'cached')"
_MOMENTS: Final = "SELECT schedule_id, moment, outcome FROM occurrences"


def listen(stack: Stack, watcher: Watcher) -> None:
    """Tell *watcher* of all that is asked of *stack* from now on."""
    ask = stack.ask

    def heard(verb: str, timeout: float = 15.0, **arguments: Any) -> dict[str, Any]:
        if verb not in ACTS:
            return ask(verb, timeout, **arguments)
        watcher.tell(ASKED, {"verb": verb, **arguments})
        answer = ask(verb, timeout, **arguments)
        watcher.tell(ANSWERED, {"verb": verb, "answer": answer, **arguments})
        return answer

    stack.ask = heard


class Onlooker(threading.Thread):
    """Reads the history again and again: what it has read, everybody may have read."""

    def __init__(self, stack: Stack, watcher: Watcher) -> None:
        super().__init__(daemon=True, name="onlooker")
        self._stack = stack
        self._watcher = watcher
        self._known: set[Any] = set()
        self._over = threading.Event()

    def run(self) -> None:
        """Be the thread."""
        while not self._over.wait(LOOK):
            if (self._stack.state / "history.db-wal").exists():
                with suppress(sqlite3.Error):
                    self.look()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()

    def look(self) -> None:
        """Read what there is, and tell what is new."""
        with closing(self._stack.history()) as history:
            history.execute("BEGIN")
            runs, tasks, moments = (history.execute(sql).fetchall() for sql in (_RUNS, _TASKS, _MOMENTS))
        names = {key: uid for uid, _, _, key in runs}
        seen = {
            "runs": self._new([(uid, state, bool(begun), state in ENDS) for uid, state, begun, _ in runs]),
            "tasks": [
                ((run, index), state) for run, index, state in self._new([(names[r], i, s) for r, i, s in tasks])
            ],
            "moments": [((key, at), outcome) for key, at, outcome in self._new(moments)],
        }
        if any(seen.values()):
            self._watcher.tell(SEEN, seen)

    def _new(self, rows: list[Any]) -> list[Any]:
        fresh = [row for row in rows if row not in self._known]
        self._known.update(fresh)
        return fresh
