"""The children the server has made, and their ends."""

import os
import time

from msgspec import Struct

from tidemill.forkserver import kinship
from tidemill.forkserver.clients import Client
from tidemill.forkserver.protocol import LiveRun
from tidemill.forkserver.spares import Spare
from tidemill.journal.exits import ProcessExit


class Inspection(Struct):
    """A child that loads a file."""

    client: Client
    deadline: float
    """Monotonic; well behind the time limit that the child keeps itself."""
    timed_out: bool = False


class Ended(Struct, frozen=True):
    """A child that was reaped."""

    pid: int
    status: int
    at: int
    child: LiveRun | Inspection | Spare

    def as_exit(self, run: LiveRun) -> ProcessExit:
        """Write it as the exits journal has it."""
        return ProcessExit(run.run, self.pid, run.start_time, self.status, self.at)


class Children:
    """All children of the server, by pid."""

    def __init__(self) -> None:
        self._children: dict[int, LiveRun | Inspection | Spare] = {}
        self.owes = False
        """What ended children have left behind could not be looked for yet."""
        self._own = frozenset(kinship.own_children())  # what a preloaded module has started stays

    @property
    def at_work(self) -> bool:
        """Tell whether any child has something to do; a spare has not."""
        return any(not isinstance(child, Spare) for child in self._children.values())

    def add(self, pid: int, child: LiveRun | Inspection | Spare) -> None:
        """Remember a child that was made, or what it has become."""
        self._children[pid] = child

    @property
    def runs(self) -> tuple[LiveRun, ...]:
        """Every run process that has not been reaped."""
        return tuple(child for child in self._children.values() if isinstance(child, LiveRun))

    def find(self, run: str) -> LiveRun | None:
        """Return the process of *run*; None when it has none."""
        return next((child for child in self.runs if child.run == run), None)

    def reap(self) -> list[Ended]:
        """Reap every child that has ended, and end what each has left behind."""
        ended: list[Ended] = []
        while (dead := _next_dead()) is not None:
            pid, status = dead
            self.owes = True
            child = self._children.pop(pid, None)
            if child is not None:
                # Before it is reaped: until then its pid, and so its group's name, belongs to nobody else.
                kinship.kill_group(pid)
            os.waitpid(pid, 0)
            if child is not None:
                ended.append(Ended(pid, status, time.time_ns() // 1000, child))
        if self.owes:
            self._end_leftovers()
        return ended

    def next_deadline(self) -> float | None:
        """Return when the first inspection is over its time; None when there is none."""
        return min((child.deadline for child in self._inspections()), default=None)

    def end_late_inspections(self, now: float) -> None:
        """Kill inspections that are over their time."""
        for pid, child in self._children.items():
            if isinstance(child, Inspection) and child.deadline <= now and not child.timed_out:
                child.timed_out = True
                kinship.kill_group(pid)

    def _inspections(self) -> list[Inspection]:
        return [c for c in self._children.values() if isinstance(c, Inspection) and not c.timed_out]

    def _end_leftovers(self) -> None:
        """Kill children that were made by no order; their own children come here next."""
        try:
            children = kinship.own_children()
        except OSError:  # too many open files, say: whoever asks for more must not cost the runs their parent
            return
        self.owes = False
        for pid in children:
            if pid not in self._children and pid not in self._own:
                kinship.kill(pid)


def _next_dead() -> tuple[int, int] | None:
    """Return a child that has ended and how, without reaping it."""
    try:
        info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    if info is None:
        return None
    return info.si_pid, info.si_status if info.si_code == os.CLD_EXITED else -info.si_status
