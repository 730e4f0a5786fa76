"""Who waits for a limit: tickets in the order of arrival, over all processes.

A ticket is as many locked bytes as slots are wanted, at the time it was drawn, far behind the bytes that are slots.
Whoever looks for a free slot leaves as many as those before it want. A waiter that dies is out of the line.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tidemill.domain.limits import MOST_SLOTS
from tidemill.limits.bytelocks import ByteLocks

_FIRST: Final = 1 << 20
AHEAD: Final = _FIRST
"""The number of a ticket that stands before all others: a place was kept for who shows it."""
_SPACING: Final = 1 << 14
"""Bytes of a microsecond: more than anybody may want, so that no ticket touches the next."""
_LAST: Final = (1 << 63) - 1

assert MOST_SLOTS < _SPACING < _FIRST


def draw_number(clock: Callable[[], float] = time.monotonic) -> int:
    """Return the number of a ticket drawn now; every process of the machine has the same clock."""
    return _FIRST + int(clock() * 1_000_000) * _SPACING


class Line:
    """The file of one limit, and those who wait for it."""

    def __init__(self, path: Path) -> None:
        self.locks = ByteLocks(path)
        self._tickets: dict[int, int] = {}
        """This process's own, which the kernel does not tell it of."""

    def refresh(self, *, make: bool) -> None:
        """See to it that the file is the one that all others look at; *make* it where it is not."""
        if not self.locks.is_sound:
            self._begin_anew()
            self.locks.open(make=make)

    def join(self, number: int, wanted: int) -> bool:
        """Stand in line for *wanted* slots; False if another process bears that very number."""
        if number in self._tickets or not self.locks.lock(number, wanted):
            return False
        self._tickets[number] = wanted
        return True

    def leave(self, number: int) -> None:
        """Stand in line no more."""
        wanted = self._tickets.pop(number, None)
        if wanted is not None:
            self.locks.unlock(number, wanted)

    def wanted_before(self, number: int | None) -> int:
        """Return how many slots are wanted by those before ticket *number*; by all who wait, without one."""
        end = _LAST if number is None else number
        own = sum(wanted for ticket, wanted in self._tickets.items() if ticket < end)
        return own + sum(ticket.end - ticket.start for ticket in self.locks.others(_FIRST, end))

    def _begin_anew(self) -> None:
        """Forget what was held of another file."""
        self._tickets.clear()
