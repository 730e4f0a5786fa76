"""A disk that fails at one point of the reference run, and heals again."""

import resource
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final

from chaos.failing.faults import Fault, is_on_disk, meets
from chaos.sweeping.points import Numbering, Point
from chaos.tracing.calls import PASS, Call, Fail, Verdict


class Disturbance:
    """Decides for a tracer which calls fail, once it is let; with no fault it only names the points that are passed."""

    def __init__(self, folder: Path, variant: str, fault: Fault | None = None) -> None:
        self.is_let = False
        """The story has begun."""
        self.points: list[Point] = []
        """All that were passed, as long as nothing had failed."""
        self.refused: Counter[str] = Counter()
        """How many calls failed, by what part of the stack made them."""
        self.is_hit = False
        self._folder = folder
        self._fault = fault
        self.numbering = Numbering(variant, folder)
        self._struck: int | None = None
        """The process that alone is concerned."""
        self._until = 0.0
        self._tight = Tight()

    def decide(self, call: Call) -> Verdict:
        """Let *call* pass or fail."""
        point = self.numbering.number(call) if self.is_let else None
        if point is None or not is_on_disk(call, self._folder):
            return PASS
        if not self.is_hit:
            self.points.append(point)
        fault = self._fault
        if fault is None or (self.is_hit and not self._lasts(fault, call)):
            return PASS
        if not self.is_hit:
            if point != fault.point:
                return PASS
            self._begin(fault, call)
        self.refused[call.role] += 1
        return Fail(fault.errno)

    def heal(self) -> None:
        """Set the disk right for good."""
        self.is_let = False
        self._tight.loosen()

    def _begin(self, fault: Fault, call: Call) -> None:
        self.is_hit = True
        self._until = time.monotonic() + fault.seconds
        if fault.manner.startswith("process"):
            self._struck = call.pid
        if fault.error == "EMFILE" and fault.seconds:
            self._tight.tighten(call.pid, fault.seconds)

    def _lasts(self, fault: Fault, call: Call) -> bool:
        """Tell whether the fault that has begun concerns *call* too."""
        return (
            time.monotonic() < self._until
            and fault.error != "EMFILE"  # which the kernel itself sees to
            and self._struck in (None, call.pid)
            and meets(fault.error, call)
        )


class Tight:
    """A process that may open nothing more, for a while: by its real limit, so that every kind of opening meets it."""

    _KIND: Final = resource.RLIMIT_NOFILE

    def __init__(self) -> None:
        self._pid = 0
        self._usual = (0, 0)
        self._timer: threading.Timer | None = None

    def tighten(self, pid: int, seconds: float) -> None:
        """Let *pid* have as many open files as it has, and no more."""
        highest = max(int(fd.name) for fd in Path(f"/proc/{pid}/fd").iterdir())
        self._pid, self._usual = pid, resource.prlimit(pid, self._KIND)
        resource.prlimit(pid, self._KIND, (highest + 1, self._usual[1]))
        self._timer = threading.Timer(seconds, self.loosen)
        self._timer.daemon = True
        self._timer.start()

    def loosen(self) -> None:
        """Give back what was taken, to those too that inherited it."""
        if self._timer is None:
            return
        self._timer.cancel()
        with suppress(ProcessLookupError):
            resource.prlimit(self._pid, self._KIND, self._usual)
