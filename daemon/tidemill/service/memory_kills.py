"""Whether the kernel killed a run for lack of memory: by its own log where that may be read, else by what it counts.

Who was killed the log alone tells. The count is that of the control group in which the daemon and its runs are: seen
higher than a moment ago when a run is found killed, it is taken for the run's.
"""

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidemill.domain.runs import ProcessName

_KILLED: Final = re.compile(rb"(\d+),(\d+),(\d+),[^;]*;.*Killed process (\d+) \(")
"""A line of /dev/kmsg: priority, number, microseconds since boot, and what the kernel says."""
_RECORD: Final = 8192
"""Bytes; no record of the kernel's log is longer."""
_FIRST_PIDS: Final = 0xEFFFFFFC
"""The inode number of the namespace in which pids are those that the kernel speaks of."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class MemoryKills:
    """Looks at the group's count once a second, and at the log when it is asked."""

    def __init__(self, proc: Path = Path("/proc"), log: Path = Path("/dev/kmsg")) -> None:
        self._counter = _find_counter(proc)
        self._now = self._before = self._count()
        self._log = _open_log(proc, log)
        self._in_log: dict[int, int] = {}

    def beat(self) -> None:
        """Take note of what is counted now; called once a second."""
        self._before, self._now = self._now, self._count()

    def met(self, process: ProcessName | None, status: int | None) -> str | None:
        """Say that *process*, which has ended with *status*, was killed for lack of memory; None if it was not."""
        if status != -signal.SIGKILL:
            return None
        if process is not None and self._is_in_log(process):
            return "the kernel killed the run for lack of memory, as its log says"
        count = self._count()
        if self._before is None or count is None or count <= self._before:
            return None
        return "the kernel killed it for lack of memory: the control group that it was in had met its limit"

    def close(self) -> None:
        """Let go of the kernel's log."""
        if self._log is not None:
            os.close(self._log)
            self._log = None

    def _count(self) -> int | None:
        if self._counter is not None:
            with suppress(OSError, ValueError):
                for line in self._counter.read_text().splitlines():
                    name, _, value = line.partition(" ")
                    if name == "oom_kill":
                        return int(value)
        return None

    def _is_in_log(self, process: ProcessName) -> bool:
        self._read_log()
        killed = self._in_log.get(process.pid)
        if killed is None:
            return False
        # The log's clock stands still while the machine sleeps, that of processes does not.
        asleep = time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
        return killed / 1_000_000 + asleep >= process.start_time / _TICKS - 1

    def _read_log(self) -> None:
        while self._log is not None:
            try:
                found = _KILLED.match(os.read(self._log, _RECORD))
            except BlockingIOError:
                return
            except BrokenPipeError:  # what was not read in time is lost
                continue
            except OSError:
                self.close()
                return
            if found is not None:
                self._in_log[int(found[4])] = int(found[3])


def _find_counter(proc: Path) -> Path | None:
    """Return the file in which the kernel counts the kills within this process's memory control group."""
    with suppress(OSError):
        told = [line.split(":", 2) for line in (proc / "self/cgroup").read_text().splitlines()]
        groups = {controllers: path for _, controllers, path in told}
        mounts = [line.split() for line in (proc / "self/mounts").read_text().splitlines()]
        for kind, name, file in (("cgroup2", "", "memory.events"), ("cgroup", "memory", "memory.oom_control")):
            for _, place, mounted, options, *_ in mounts:
                if mounted == kind and name in ("", *options.split(",")) and name in groups:
                    counter = Path(place) / groups[name].lstrip("/") / file
                    if counter.exists():
                        return counter
    return None


def _open_log(proc: Path, log: Path) -> int | None:
    with suppress(OSError):
        if (proc / "self/ns/pid").stat().st_ino == _FIRST_PIDS:
            return os.open(log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return None
