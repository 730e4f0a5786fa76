"""Who waits for a limit: tickets in the order of arrival, over all processes.

A ticket is as many locked bytes as slots are wanted, at the time it was drawn, far behind the bytes that are slots.
Whoever looks for a free slot leaves as many as those before it want. A waiter that dies is out of the line; one that
does not look for a second, because all threads of its run are busy, is passed by until it does.
"""

import struct
import time
from pathlib import Path
from typing import Final

from tidemill.domain.limits import MOST_SLOTS
from tidemill.limits.bytelocks import ByteLocks

ATTENTION: Final = 1.0
"""Seconds after which somebody who has not looked again is passed by."""
_FIRST: Final = 1 << 23
AHEAD: Final = _FIRST
"""The number of a ticket that stands before all others: a place was kept for who shows it."""
SPACING: Final = 1 << 14
"""Bytes of a microsecond: more than anybody may want, so that no ticket touches the next."""
_LAST: Final = (1 << 63) - 1
_LOOKED: Final = struct.Struct("<qd")
"""A ticket and when its bearer looked last."""
_LOOKS: Final = 4096
"""Places for that, found by the number; two that share one are both taken for attentive."""

assert MOST_SLOTS < SPACING


def draw_number() -> int:
    """Return the number of a ticket drawn now; every process of the machine has the same clock."""
    return _FIRST + int(time.monotonic() * 1_000_000) * SPACING


class Line:
    """The file of one limit, and those who wait for it."""

    def __init__(self, path: Path) -> None:
        self.locks = ByteLocks(path)
        self._tickets: dict[int, int] = {}
        """This process's own, which the kernel does not tell it of."""
        self._looked: dict[int, float] = {}

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
        self._look(number)
        return True

    def leave(self, number: int) -> None:
        """Stand in line no more."""
        wanted = self._tickets.pop(number, None)
        if wanted is not None:
            self._looked.pop(number, None)
            self.locks.unlock(number, wanted)

    def wanted_before(self, number: int | None) -> int:
        """Return how many slots are wanted by those before ticket *number*; by all who wait, without one."""
        if number in self._tickets:
            self._look(number)
        end, now = _LAST if number is None else number, time.monotonic()
        own = sum(
            wanted
            for ticket, wanted in self._tickets.items()
            if ticket < end and now - self._looked[ticket] <= ATTENTION
        )
        others = self.locks.others(_FIRST, end)
        return own + sum(found.end - found.start for found in others if self._is_attentive(found.start, now))

    def _look(self, number: int) -> None:
        now = self._looked[number] = time.monotonic()
        self.locks.note(_place(number), _LOOKED.pack(number, now))

    def _is_attentive(self, number: int, now: float) -> bool:
        content = self.locks.read(_place(number), _LOOKED.size)
        ticket, at = _LOOKED.unpack(content) if len(content) == _LOOKED.size else (0, 0.0)
        return bool(ticket != number or now - at <= ATTENTION)

    def _begin_anew(self) -> None:
        """Forget what was held of another file."""
        self._tickets.clear()
        self._looked.clear()


def _place(number: int) -> int:
    """Return where in the file it stands when the bearer of a ticket looked; far behind what slots need."""
    return _FIRST + number // SPACING % _LOOKS * _LOOKED.size
