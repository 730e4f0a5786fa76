"""What the daemon's code finds in place of clocks, processes and chance."""

import asyncio
import sys
from contextlib import contextmanager
from datetime import datetime
from types import SimpleNamespace
from unittest.mock import patch

import apscheduler.schedulers.base

from tidemill.dispatcher import dispatcher as dispatching
from tidemill.domain.identifiers import ALPHABET
from tidemill.scheduler import clock as ticking
from tidemill.service import daemon as serving
from tidemill.service import enrolment, launching, processes, recording, recovery, timekeeping, watching
from tidemill.service.handlers import backfill


class Hours:
    """Two clocks: one that only goes forward, and the wall's, which may be set."""

    def __init__(self, begin):
        self._monotonic = 1000.0
        self._ahead = self._right = begin - 1000.0
        self.eras = [[self.time(), None]]
        """Where each era of the wall's clock began and ended, in seconds; the present one goes on."""

    def monotonic(self):
        return self._monotonic

    def time(self):
        return self._monotonic + self._ahead

    def time_ns(self):
        return int(self.time() * 1_000_000) * 1000

    def pass_by(self, seconds):
        self._monotonic += seconds

    @property
    def wrong(self):
        """By how many seconds the wall's clock is ahead of the time that it began with."""
        return self._ahead - self._right

    def jump(self, seconds):
        """Set the wall's clock: a new era begins."""
        self.eras[-1][1] = self.time()
        self._ahead += seconds
        self.eras.append([self.time(), None])

    def begin_of(self, era):
        """Return when an era began, in microseconds of the wall's clock."""
        return int(self.eras[era][0] * 1_000_000)

    def highest(self, at):
        """Return the latest time that the clock had shown by *at*, whose last digits tell the era."""
        return max([at, *(int(end * 1_000_000) for _, end in self.eras[: at % 1000])])

    def sleep(self, _seconds):
        """Nothing takes time but what the world says."""


_present = []


def _note_opening(event, args):
    """Note who opens the history but SQLite itself: closing it again would cancel SQLite's locks."""
    if event == "open" and _present and not _present[-1].disk.is_busy and str(args[0]).startswith(_present[-1].prefix):
        _present[-1].opened.append(str(args[0]))


sys.addaudithook(_note_opening)


@contextmanager
def physics(world):
    """Let *world* be what there is, until the end of the block."""
    machine, hours = world.machine, world.hours

    class Today(datetime):
        @classmethod
        def now(cls, tz=None):
            return world.now()

    def new_run_id():
        return "00" + "".join(world.ids.choices(ALPHABET, k=8))

    def open_process(name):
        process = machine.find(name) if name.boot_id == machine.boot else None
        return None if process is None else process.pid

    def reap(pidfd, _run):
        dead = next((each for each in machine.processes if each.pid == pidfd), None)
        if dead is None or dead.is_reaped or not dead.is_orphan:
            return None
        dead.is_reaped = True
        return dead.status

    def boot_id():
        return machine.boot

    changes = [
        (apscheduler.schedulers.base, "datetime", Today),
        (ticking, "time", hours),
        (recording, "time", hours),
        (recovery, "time", hours),
        (dispatching, "time", hours),
        (serving, "datetime", Today),
        (serving, "new_run_id", new_run_id),
        (backfill, "datetime", Today),
        (timekeeping, "new_run_id", new_run_id),
        (launching, "ensure", world.ensure_forkserver),
        (launching, "reap", lambda pid: None),
        (launching, "boot_id", boot_id),
        (recovery, "boot_id", boot_id),
        (enrolment, "boot_id", boot_id),
        (processes, "_holder_of", machine.holder_of),
        (watching, "open_process", open_process),
        (watching, "_reap", reap),
        (watching, "os", SimpleNamespace(close=lambda fd: None)),
        (dispatching, "kill_group", lambda name: machine.signal(name, 9)),
        (dispatching, "signal_process", machine.signal),
    ]
    patches = [patch.object(module, name, value) for module, name, value in changes]
    for each in patches:
        each.start()
    _present.append(world)
    try:
        yield
    finally:
        _present.pop()
        for each in patches:
            each.stop()
        asyncio._set_running_loop(None)
