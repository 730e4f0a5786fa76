"""Who kills: what, and when, drawn from a seed; every stroke is noted down."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random
from typing import Final, NamedTuple

from chaos.killing.stack import Process, Stack

STOP_PATIENCE = 60.0
"""Seconds a daemon that was asked politely may take; more than it needs on a machine that does other things too."""

LONGEST = 10.0
"""Seconds for which a crash is waited for that ought to be shown within two."""


STROKES: Final = {
    "strike_daemon": 30,
    "strike_runs": 30,
    "strike_forkservers": 14,
    "strike_daemon_and_forkserver": 9,
    "strike_everything": 5,
    "strike_start": 10,
    "hold_up": 3,
    "restart": 4,
    "change_version": 4,
    "strike_stop": 3,
    "edit": 6,
}
"""What is done to the stack, and how often beside the others."""


class Stroke(NamedTuple):
    """One process killed."""

    at: int
    """Microseconds since 1970."""
    kind: str
    pid: int
    run: str | None


class Nemesis:
    """Strikes again and again, and starts the daemon anew each time."""

    def __init__(self, stack: Stack, random: Random, strokes: Mapping[str, int] = STROKES) -> None:
        self.strokes: list[Stroke] = []
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self.shown: list[float] = []
        """Seconds from the death of a run until the history showed it."""
        self._stack = stack
        self._random = random
        self._strokes = strokes
        self._edits = 0
        self._lock = threading.Lock()

    @property
    def kills(self) -> int:
        """Return how many daemons, fork servers and runs were killed."""
        return sum(self.counts[kind] for kind in ("daemon", "forkserver", "run"))

    def strike_after_answer(self) -> None:
        """Kill the daemon now: it has just answered somebody."""
        with self._lock:
            self.counts["right after an answer"] += self._kill_daemon()

    def go_on_until(self, is_over: Callable[[], bool]) -> None:
        """Strike until it is over; the daemon may lie dead then."""
        while not is_over():
            self._see_to_daemon()
            if self._random.random() < 0.45:
                self._stack.until_it_serves(20)
                time.sleep(self._random.uniform(0, 0.9))
            else:
                time.sleep(self._random.uniform(0, 1.5))
            (stroke,) = self._random.choices(list(self._strokes), list(self._strokes.values()))
            self.counts[stroke] += 1
            getattr(self, f"_{stroke}")()

    def bring_back(self) -> bool:
        """Start a daemon that nobody will kill; tell whether it serves."""
        self._see_to_daemon()
        return self._stack.until_it_serves(STOP_PATIENCE)

    def _see_to_daemon(self) -> None:
        with self._lock:
            if (told := self._stack.end_of_daemon()) is not None:
                self.violations.append(told)
            if not self._stack.is_up():
                self._stack.start()

    def _note(self, process: Process) -> None:
        self.strokes.append(Stroke(time.time_ns() // 1000, process.kind, process.pid, process.run))
        self.counts[process.kind] += 1

    def _kill_daemon(self) -> bool:
        daemon = self._stack.daemon
        if not self._stack.kill_daemon() or daemon is None:
            return False
        self._note(Process(daemon.pid, "daemon"))
        daemon.wait()
        return True

    def _kill(self, process: Process) -> None:
        with suppress(OSError):
            os.kill(process.pid, signal.SIGKILL)
            self._note(process)

    def _of_kind(self, *kinds: str) -> list[Process]:
        return [process for process in self._stack.processes() if process.kind in kinds]

    def _strike_daemon(self) -> None:
        with self._lock:
            self._kill_daemon()
        time.sleep(self._random.choice([0, 0, 0.2, 1.0]))
        if self._random.random() < 0.3:  # what dies while nobody is there to see it
            self._strike_runs()

    def _strike_runs(self) -> None:
        runs = self._of_kind("run", "child")
        for process in self._random.sample(runs, min(len(runs), self._random.choice([1, 2, 4, 8]))):
            is_measured = process.run is not None and self._random.random() < 0.7
            if is_measured and self._stack.serves() and self._stack.state_of(process.run) == "running":
                self._kill(process)
                self._measure(process.run)
            else:
                self._kill(process)

    def _measure(self, run: str | None) -> None:
        """Measure how long it takes until everybody can see that *run* has crashed, while its daemon lives."""
        killed, daemon = time.monotonic(), self._stack.daemon
        while self._stack.state_of(run) == "running" and time.monotonic() - killed < LONGEST:
            time.sleep(0.01)
        if daemon is self._stack.daemon and self._stack.is_up():
            self.shown.append(round(time.monotonic() - killed, 3))

    def _strike_forkservers(self) -> None:
        for process in self._of_kind("forkserver"):
            self._kill(process)

    def _strike_daemon_and_forkserver(self) -> None:
        servers = self._of_kind("forkserver")
        with self._lock:
            if self._random.random() < 0.5:
                self._kill_daemon()
                time.sleep(self._random.choice([0, 0, 0.05]))
            for process in servers:
                self._kill(process)
            self._kill_daemon()

    def _strike_everything(self) -> None:
        with self._lock:
            self._kill_daemon()
            for process in self._of_kind("forkserver", "run", "child"):
                self._kill(process)

    def _strike_start(self) -> None:
        """Kill one daemon after the other while it starts, recovery included."""
        for _ in range(self._random.randint(1, 3)):
            with self._lock:
                self._kill_daemon()
                self._stack.start()
            time.sleep(self._random.uniform(0, 1.2))
        with self._lock:
            self.counts["while it started"] += self._kill_daemon()

    def _hold_up(self) -> None:
        daemon = self._stack.daemon
        if daemon is not None and self._stack.is_up():
            daemon.send_signal(signal.SIGSTOP)
            time.sleep(self._random.uniform(0.2, 2.5))
            daemon.send_signal(signal.SIGCONT)

    def _restart(self) -> None:
        if self._stack.until_it_serves(20):
            with self._lock:
                self._end_politely()

    def _change_version(self) -> None:
        """Let a daemon of another version follow, on one that ended in order or was killed."""
        if not self._stack.until_it_serves(20):
            return
        with self._lock:
            if self._random.random() < 0.5:
                self._kill_daemon()
            else:
                self._end_politely()
            self._stack.change_version()
            self.counts["version changed"] += 1

    def _end_politely(self) -> None:
        if not self._stack.is_up():
            return
        code = self._stack.terminate(STOP_PATIENCE)
        if code != 0:
            self.violations.append(f"a daemon that was asked to end: {code}")
            self._kill_daemon()

    def _strike_stop(self) -> None:
        """Ask it to end, and kill it while it does."""
        with self._lock:
            if self._stack.is_up():
                assert self._stack.daemon is not None
                self._stack.daemon.send_signal(signal.SIGTERM)
                time.sleep(self._random.uniform(0, 0.4))
                pid = self._stack.daemon.pid
                if not self._kill_daemon():
                    self._stack.struck.add(pid)

    def _edit(self) -> None:
        """Write another version of a file; a broken one now and then, that is mended soon."""
        self._edits += 1
        name = self._random.choice(sorted(self._stack.workload.files))
        if self._random.random() < 0.3:
            self._stack.write(name, self._edits, broken=True)
            time.sleep(self._random.uniform(0.1, 1))
        self._stack.write(name, self._edits)
