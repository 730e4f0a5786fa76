"""A limit whose slots come back with time: its file tells how many are out, and since when."""

import math
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidemill.domain.limits import Limit
from tidemill.limits.line import Line
from tidemill.limits.slotfile import Holder

_STATE: Final = struct.Struct("<dd")


class RateFile(Line):
    """The slots of one rate. The clock is the wall's: a rate of a few a day outlives a reboot."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__(path)
        self._clock = clock

    def free(self, limit: Limit, number: int | None = None) -> int:
        """Return how many slots are left for whoever has ticket *number*, or none yet."""
        return math.floor(limit.slots - self._out(limit) + 1e-9) - self.wanted_before(number)

    def take(self, limit: Limit, wanted: int, number: int | None, holder: Holder) -> Sequence[int] | None:
        """Take *wanted* slots at once, or none."""
        if not self.locks.lock(0):
            return None  # another process is at it, for microseconds
        try:
            if self.free(limit, number) < wanted:
                return None
            self._write(self._out(limit) + wanted)
        except OSError:
            return None  # a full disk: what cannot be counted is not given
        else:
            return range(wanted)
        finally:
            self.locks.unlock(0)

    def give_back(self, slots: Iterable[int]) -> None:
        """Let them be: they come back with time."""

    def refund(self, limit: Limit, slots: Sequence[int]) -> None:
        """Undo a taking that led to nothing."""
        if self.locks.lock(0):
            with suppress(OSError):
                self._write(max(0.0, self._out(limit) - len(slots)))
            self.locks.unlock(0)

    def out(self, limit: Limit) -> int:
        """Return how many slots were taken and have not come back, a part of one counted whole."""
        return math.ceil(self._out(limit) - 1e-9)

    def seconds_until(self, limit: Limit, wanted: int, number: int | None) -> float:
        """Return when there will be *wanted* slots, if nobody else comes."""
        lacking = self._out(limit) + self.wanted_before(number) + wanted - limit.slots
        return max(0.0, lacking / (limit.per_second or math.inf))

    def _out(self, limit: Limit) -> float:
        state = self.locks.read(0, _STATE.size)
        out, since = _STATE.unpack(state) if len(state) == _STATE.size else (0.0, 0.0)
        # A clock that was set back stands still here until it is written anew.
        passed = max(0.0, self._clock() - since)
        left = out - passed * (limit.per_second or 0.0)
        return max(0.0, left) if math.isfinite(left) else 0.0

    def _write(self, out: float) -> None:
        self.locks.write(0, _STATE.pack(out, self._clock()))
