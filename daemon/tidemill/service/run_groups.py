"""The control groups of runs as the daemon looks after them: what was met, who used too much, what is left over."""

import signal
from collections.abc import Collection, Iterable
from typing import Any

from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.restraints import told
from tidemill.forkserver import cgroups
from tidemill.forkserver.cgroups import GROUPED, Place

_TOGETHER = "which counts all its processes together"


class RunGroups:
    """Nothing is kept here that another daemon could not find again in the groups themselves."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._leftover: set[str] = set()

    def folder_for(self, restraints: Collection[str]) -> str:
        """Return where the group of a run with these limits is made; empty where it needs none, or there is none."""
        return self._place.folder if GROUPED & set(restraints) else ""

    def told(self) -> dict[str, Any]:
        """Return which kind of limit is in force, and why it is not the better one."""
        if self._place.folder:
            return {"kind": "cgroup", "reason": None}
        return {"kind": "rlimit", "reason": self._place.reason}

    def met(self, uid: str, status: int | None) -> str | None:
        """Say which limit a run met that has ended with *status*, and take its group away."""
        if not self._place.folder:
            return None
        spent = cgroups.look(self._place.folder, uid)
        if spent is None:
            return None
        self._leftover.add(uid)
        self._sweep()
        if spent.memory is not None and spent.memory[1]:
            limit = told("memory", spent.memory[0])
            return f"the run met its limit on memory, {limit}, {_TOGETHER}: the kernel killed one for it"
        if spent.cpu is not None and spent.cpu[1] >= spent.cpu[0] and status == -signal.SIGKILL:
            return f"the run met its limit on cpu, {told('cpu', spent.cpu[0])}, {_TOGETHER}"
        if spent.processes is not None and spent.processes[1]:
            return f"the run met its limit on processes, {told('processes', spent.processes[0])}, {_TOGETHER}"
        return None

    def enforce(self, live: Iterable[ActiveRun]) -> None:
        """End what has used up its processor time, and take away what could not be before; called every second."""
        if not self._place.folder:
            return
        for run in live:
            if cgroups.has_used_up_cpu(self._place.folder, run.uid):
                cgroups.kill(self._place.folder, run.uid)
        self._sweep()

    def take_up(self, live: Iterable[ActiveRun]) -> None:
        """Take away the groups of runs that ended while no daemon looked after them."""
        if not self._place.folder:
            return
        going = {run.uid for run in live}
        self._leftover.update(uid for uid in cgroups.groups_in(self._place.folder) if uid not in going)
        self._sweep()

    def _sweep(self) -> None:
        for uid in list(self._leftover):
            cgroups.kill(self._place.folder, uid)
            if cgroups.remove(self._place.folder, uid):
                self._leftover.discard(uid)
