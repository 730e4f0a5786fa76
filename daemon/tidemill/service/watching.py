"""Watching run processes whose fork server cannot tell their exit: adopted ones, and orphans of a dead server."""

import asyncio
import os
from collections.abc import Callable

from tidemill.config.paths import StatePaths
from tidemill.dispatcher.runs import ActiveRun
from tidemill.journal.exits import find_exits
from tidemill.journal.processes import open_process

LOOK_AGAIN = 0.2
"""Seconds after which an exit that nobody has written down yet is looked up once more."""


class ExitWatch:
    """Learns of ends by pidfd, and of their status from whoever reaped the process."""

    def __init__(self, paths: StatePaths, on_exited: Callable[[str, int | None], None]) -> None:
        self._paths = paths
        self._on_exited = on_exited
        self._watched: dict[str, int] = {}

    def add(self, run: ActiveRun) -> None:
        """Watch the process of *run*; one that is gone already is told at once."""
        if run.uid in self._watched or run.gone:
            return
        pidfd = None if run.process is None else open_process(run.process)
        if pidfd is None:
            self._look_up(run.uid)
            return
        self._watched[run.uid] = pidfd
        asyncio.get_running_loop().add_reader(pidfd, self._ended, run.uid, pidfd)

    def close(self) -> None:
        """Stop watching; the processes do not notice."""
        for pidfd in self._watched.values():
            asyncio.get_running_loop().remove_reader(pidfd)
            os.close(pidfd)
        self._watched.clear()

    def _ended(self, uid: str, pidfd: int) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(pidfd)
        del self._watched[uid]
        status = _reap(pidfd)
        os.close(pidfd)
        if status is None:
            self._look_up(uid)
        else:
            self._on_exited(uid, status)

    def _look_up(self, uid: str) -> None:
        """Ask the exits journal, twice: the reaper writes a moment after the process has died."""
        found = find_exits(self._paths.exits, [uid])
        if uid in found:
            self._on_exited(uid, found[uid].status)
        else:
            asyncio.get_running_loop().call_later(LOOK_AGAIN, self._look_up_finally, uid)

    def _look_up_finally(self, uid: str) -> None:
        found = find_exits(self._paths.exits, [uid])
        self._on_exited(uid, found[uid].status if uid in found else None)


def _reap(pidfd: int) -> int | None:
    """Return the status of a process that became our child when its fork server died, else None."""
    try:
        ended = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return None
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
