"""Somebody who looks at the history all the time: no state that he has seen may be taken back."""

import sqlite3
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path


class Onlooker(threading.Thread):
    """Reads the states of all runs again and again."""

    def __init__(self, database: Path) -> None:
        super().__init__(daemon=True, name="onlooker")
        self.over = threading.Event()
        self.violations: list[str] = []
        self.troubles: Counter[str] = Counter()
        self.looks = 0
        self._database = database
        self._ended: dict[str, str] = {}

    def run(self) -> None:
        """Be the thread."""
        while not self.over.wait(0.4):
            try:
                with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=5)) as connection:
                    rows = connection.execute("SELECT uid, state, finished_at FROM runs").fetchall()
            except sqlite3.Error as error:
                if self._database.exists() and self.looks:
                    self.troubles[str(error)] += 1
                continue
            self.looks += 1
            self._compare({uid: state for uid, state, finished in rows if finished is not None})

    def _compare(self, ended: dict[str, str]) -> None:
        for uid, state in self._ended.items():
            if ended.get(uid) != state:
                self.violations.append(f"I15 run {uid} was seen as {state} and is {ended.get(uid)} now")
        self._ended = ended
