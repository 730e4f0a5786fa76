"""The limits of one state directory, and what this process holds of them."""

import os
import threading
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from tidemill.domain.limits import MOST_SLOTS, Limit
from tidemill.limits.lanes import Lanes
from tidemill.limits.leases import Grip, Lease
from tidemill.limits.line import SPACING, draw_number
from tidemill.limits.ratefile import RateFile
from tidemill.limits.slotfile import Holder, SlotFile
from tidemill.limits.table import Table, slot_file

_Taken = tuple[Limit, "SlotFile | RateFile", Sequence[int]]


class Slots:
    """Takes slots, and stands in line for them. One a process and folder: a second would undo the first's locks."""

    def __init__(self, folder: Path, run: str = "", flow: str = "") -> None:
        self._folder = folder
        self._table = Table(folder)
        self._run = (run, flow)
        self._begin_anew()
        # A copy that user code forks holds nothing, and a thread that is not in it may have had the lock.
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.RLock()
        self._files: dict[tuple[str, bool], SlotFile | RateFile] = {}
        self.lanes = Lanes(self)
        """Who waits in this process."""
        self.told: set[tuple[str, ...]] = set()
        """What the run's record tells already that something waits for."""

    @property
    def limits(self) -> Mapping[str, Limit]:
        """Every limit in force."""
        return self._table.limits()

    def of(self, tags: Collection[str]) -> tuple[str, ...]:
        """Return those of *tags* that are limits, in the order in which everybody takes them."""
        limits = self.limits
        # A rate is taken last: what it gave does not come back at once.
        return tuple(sorted({tag for tag in tags if tag in limits}, key=lambda tag: (_is_rate(limits[tag]), tag)))

    def take(
        self,
        names: Sequence[str],
        occupy: int = 1,
        *,
        number: int | None = None,
        part: str = "",
        under: Sequence[Grip] = (),
    ) -> Lease | None:
        """Take *occupy* slots of each limit of *names*, or none of any; None when one has not as many now.

        *names* come from ``of``. *number* is the ticket of who asks; *under* are grips it may borrow from.
        """
        with self.lock:
            limits = self.limits
            holder = Holder(self.pid, *self._run, part)
            taken: list[_Taken] = []
            grips: list[Grip] = []
            lenders: list[Grip] = []
            for name in names:
                limit = limits.get(name)
                if limit is None:
                    continue  # it was taken out of the settings a moment ago
                lender = next((grip for grip in under if grip.pid == self.pid and grip.lends(name, occupy)), None)
                if lender is not None:
                    lenders.append(lender)
                    continue
                file = self._file(name, limit)
                found = file.take(limit, occupy, number, holder)
                if found is None:
                    _undo(taken)
                    return None
                taken.append((limit, file, found))
                if not isinstance(file, RateFile):
                    grips.append(Grip(name, occupy, self.pid, None, partial(file.give_back, found)))
            grips += [lender.borrow(occupy) for lender in lenders]
            return Lease(grips, self._release)

    def free(self, name: str, number: int | None = None) -> int:
        """Return how many slots of a limit are left for whoever has ticket *number*; negative: more are wanted."""
        with self.lock:
            limit = self.limits.get(name)
            return MOST_SLOTS if limit is None else self._file(name, limit, make=False).free(limit, number)

    def seconds_until(self, names: Sequence[str], occupy: int, number: int | None) -> float:
        """Return when rates among *names* will have given enough, as far as that can be told."""
        with self.lock:
            limits = self.limits
            files = [(limits[name], self._file(name, limits[name])) for name in names if name in limits]
            waits = [file.seconds_until(limit, occupy, number) for limit, file in files if isinstance(file, RateFile)]
            return max(waits, default=0.0)

    def join(self, names: Sequence[str], occupy: int) -> int:
        """Stand in line for limits, with the same number for all; return it."""
        with self.lock:
            limits = self.limits
            files = [self._file(name, limits[name]) for name in names if name in limits]
            number = draw_number()
            while not all(file.join(number, occupy) for file in files):
                for file in files:
                    file.leave(number)
                number = max(number + SPACING, draw_number())
            return number

    def leave(self, number: int) -> None:
        """Stand in line no more."""
        with self.lock:
            for file in self._files.values():
                file.leave(number)

    def holders(self, name: str) -> list[Holder]:
        """Return who holds slots of a limit; nobody holds those of a rate."""
        with self.lock:
            limit = self.limits.get(name)
            file = self._file(name, limit, make=False) if limit else None
            return file.holders() if isinstance(file, SlotFile) else []

    def held(self, name: str) -> int:
        """Return how many slots of a limit are not there to be taken."""
        with self.lock:
            limit = self.limits.get(name)
            if limit is None:
                return 0
            file = self._file(name, limit, make=False)
            return file.out(limit) if isinstance(file, RateFile) else len(self.holders(name))

    def _file(self, name: str, limit: Limit, *, make: bool = True) -> "SlotFile | RateFile":
        is_rate = _is_rate(limit)
        file = self._files.get((name, is_rate))
        if file is None:
            path = slot_file(self._folder, name, is_rate=is_rate)
            file = self._files[name, is_rate] = RateFile(path) if is_rate else SlotFile(path)
        file.refresh(make=make)
        return file

    def _release(self, lease: Lease) -> None:
        with self.lock:
            for grip in lease.grips:
                if grip.pid == self.pid:
                    grip.let_go()
        self.lanes.call_heads({grip.name for grip in lease.grips})


def _is_rate(limit: Limit) -> bool:
    return limit.per_second is not None


def _undo(taken: Sequence[_Taken]) -> None:
    for limit, file, slots in taken:
        if isinstance(file, RateFile):
            file.refund(limit, slots)
        else:
            file.give_back(slots)
