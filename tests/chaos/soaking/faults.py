"""What disturbs the soak: about one thing a minute, and the daemon itself is killed once, in the middle."""

import resource
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from random import Random

from chaos.killing.nemesis import Nemesis
from chaos.killing.stack import Stack

SERVERS = (0.06, 0.12, 0.56, 0.62)
"""When fork servers are killed, as shares of the whole: each has long quiet lives afterwards."""
DAEMON = 0.5


class Faults(Nemesis):
    """Disturbs every *pace* seconds, for *seconds*."""

    def __init__(self, stack: Stack, random: Random, *, seconds: float, pace: float) -> None:
        super().__init__(stack, random)
        self._seconds = seconds
        self._pace = pace
        self._readers: list[threading.Thread] = []

    def go_on_until(self, is_over: Callable[[], bool]) -> None:
        """Disturb until it is over."""
        began = time.monotonic()
        plan = sorted([*((share, self._strike_forkservers) for share in SERVERS), (DAEMON, self._strike_daemon)])
        self._see_to_daemon()
        while not is_over():
            time.sleep(self._pace * self._random.uniform(0.5, 1.5))
            if plan and time.monotonic() - began >= plan[0][0] * self._seconds:
                stroke = plan.pop(0)[1]
            else:
                strokes = {
                    self._strike_runs: 30,
                    self._hold_up: 15,
                    self._edit: 25,
                    self._refuse_writes: 10,
                    self._hold_snapshot: 20,
                }
                (stroke,) = self._random.choices(list(strokes), list(strokes.values()))
            self.counts[stroke.__name__.removeprefix("_")] += 1
            stroke()
            self._see_to_daemon()
        for reader in self._readers:
            reader.join()

    def _refuse_writes(self) -> None:
        """Let no file of the daemon's grow for a while, as on a full disk."""
        daemon = self._stack.daemon
        with suppress(ProcessLookupError):
            soft, hard = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (4096, hard))
            time.sleep(min(self._pace / 2, self._random.uniform(0.5, 4)))
            resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (soft, hard))

    def _hold_snapshot(self) -> None:
        """Read the history, and do not let go of what was read for a while."""
        self._readers = [reader for reader in self._readers if reader.is_alive()]
        reader = threading.Thread(target=self._read_slowly, args=(self._pace * self._random.uniform(0.3, 1.5),))
        reader.start()
        self._readers.append(reader)

    def _read_slowly(self, seconds: float) -> None:
        try:
            with closing(self._stack.history()) as connection:
                connection.execute("BEGIN")
                before = connection.execute("SELECT count(*), max(id) FROM runs").fetchall()
                time.sleep(seconds)
                if connection.execute("SELECT count(*), max(id) FROM runs").fetchall() != before:
                    self.violations.append("I15 a snapshot of the history changed under its reader")
        except sqlite3.Error as error:
            self.violations.append(f"I15 a slow reader was told: {error}")
