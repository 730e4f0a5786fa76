"""Watching run processes whose fork server may not tell their exit: adopted ones, and orphans of a dead server."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from contextlib import suppress

from tidemill.config.paths import StatePaths
from tidemill.dispatcher.runs import ActiveRun
from tidemill.forkserver import kinship
from tidemill.journal.exits import find_exit
from tidemill.journal.processes import exit_status, open_process
from tidemill.service.processes import process_of

LOOKS = (0.1, 0.2, 0.4, 0.8)
"""Seconds between the looks for an exit that nobody has written down yet; the reaper may be busy."""


AGAIN = 1.0
"""Seconds until what the system refused to tell is asked again."""

log = logging.getLogger(__name__)


class ExitWatch:
    """Learns of ends by pidfd, and of their status from the kernel or from whoever reaped the process."""

    def __init__(self, paths: StatePaths, on_exited: Callable[[str, int | None], None]) -> None:
        self._paths = paths
        self._on_exited = on_exited
        self._watched: dict[str, ActiveRun] = {}
        self._pidfds: dict[str, int] = {}
        self._unsure: set[str] = set()
        self._is_closed = False

    def add(self, run: ActiveRun, journal: str) -> None:
        """Watch the process of *run*, as known or as *journal* tells; one that is gone already is told soon."""
        if run.uid in self._watched or run.gone or self._is_closed:
            return
        try:
            if run.process is None:
                run.process = process_of(journal)
            pidfd = None if run.process is None else open_process(run.process)
        except OSError as error:  # it may live
            if run.uid not in self._unsure:
                self._unsure.add(run.uid)
                log.error("whether the process of run %s lives cannot be learned yet: %s", run.uid, error)
            asyncio.get_running_loop().call_later(AGAIN, self.add, run, journal)
            return
        self._unsure.discard(run.uid)
        self._watched[run.uid] = run
        if pidfd is None:
            self._look_up(run, LOOKS)
        else:
            self._pidfds[run.uid] = pidfd
            asyncio.get_running_loop().add_reader(pidfd, self._ended, run, pidfd)

    def watches(self, uid: str) -> bool:
        """Tell whether it watches the run called *uid*."""
        return uid in self._watched

    def close(self) -> None:
        """Stop watching; the processes do not notice."""
        self._is_closed = True
        for pidfd in self._pidfds.values():
            asyncio.get_running_loop().remove_reader(pidfd)
            os.close(pidfd)
        self._pidfds.clear()
        self._watched.clear()

    def reap_strangers(self, runs: Iterable[ActiveRun]) -> None:
        """Reap what became our child when its fork server died, and is none of the live *runs*.

        A fork server, which leads a session of its own, is waited for by whoever started it.
        """
        known = {run.process.pid for run in runs if run.process is not None}
        for pid in kinship.own_children() - known:
            with suppress(OSError):
                if os.getsid(pid) != pid:
                    os.waitpid(pid, os.WNOHANG)

    def _ended(self, run: ActiveRun, pidfd: int) -> None:
        asyncio.get_running_loop().remove_reader(pidfd)
        status = _reap(pidfd, run)
        if status is None:
            self._look_up(run, LOOKS)
        else:
            self._tell(run, status)

    def _look_up(self, run: ActiveRun, looks: tuple[float, ...]) -> None:
        """Ask the kernel and the exits journal, again and again for a while: both know it once somebody has reaped."""
        if self._is_closed or run.gone:
            self._forget(run)
            return
        try:
            status = self._learn(run)
        except OSError as error:
            log.error("how the process of run %s ended cannot be learned yet: %s", run.uid, error)
            asyncio.get_running_loop().call_later(AGAIN, self._look_up, run, looks)
            return
        if status is not None or not looks:
            self._tell(run, status)
        else:
            asyncio.get_running_loop().call_later(looks[0], self._look_up, run, looks[1:])

    def _learn(self, run: ActiveRun) -> int | None:
        pidfd = self._pidfds.get(run.uid)
        status = None if pidfd is None or run.process is None else exit_status(run.process, pidfd)
        if status is not None:
            return status
        found = find_exit(self._paths.exits, run.uid, run.process)
        return None if found is None else found.status

    def _tell(self, run: ActiveRun, status: int | None) -> None:
        self._forget(run)
        self._on_exited(run.uid, status)

    def _forget(self, run: ActiveRun) -> None:
        self._watched.pop(run.uid, None)
        pidfd = self._pidfds.pop(run.uid, None)
        if pidfd is not None:
            os.close(pidfd)


def _reap(pidfd: int, run: ActiveRun) -> int | None:
    """Return the status of a process that became our child when its fork server died, else None."""
    try:
        ended = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        if run.process is not None:
            # As its fork server would: before it is reaped, for until then the group's name is nobody else's.
            kinship.kill_group(run.process.pid)
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
