"""Whether one more thread would help: threads that take the interpreter from each other cost more than they do.

Python code runs in one thread at a time. Where calls are short, a second thread asks for the interpreter whenever the
first lets go of it for a moment, and on a machine with nothing else to do that makes a call three times as dear. So
threads are added while calls wait although there is something left to work with, and looked at anew now and then.
"""

import time
from collections.abc import Callable
from typing import Final

FIRST: Final = 0.001
"""Seconds of the first pause between two looks; each that finds nothing to do doubles the next."""
LONGEST: Final = 0.004
_LATE: Final = 0.002
"""Seconds after the end of a pause; who is back later had to wait for the interpreter."""
_PATIENCE: Final = 0.05
"""Seconds without a call's beginning after which another thread is added in any case: one may wait for the other."""
_BUSY: Final = 0.6
"""The share of a processor that code uses which would gain nothing."""


class Lookout:
    """Watches, a pause at a time, how the calls of a pool get on."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, used: Callable[[], float] = time.process_time
    ) -> None:
        self._clock = clock
        self._used = used
        self.pause = FIRST
        self._began_at = self._moved_at = self._used_before = 0.0
        self._begun = -1

    def begin(self, begun: int) -> None:
        """Note how things stand before a pause; *begun* counts the calls that have begun."""
        self._began_at, self._used_before = self._clock(), self._used()
        self._notice(begun, self._began_at)

    def end(self, begun: int) -> bool:
        """Tell, after the pause, whether one more thread would help."""
        now = self._clock()
        waited, moved = now - self._began_at, begun != self._begun
        self._notice(begun, now)
        is_free = self._used() - self._used_before < _BUSY * waited
        is_stuck = not moved and (waited < self.pause + _LATE or now - self._moved_at >= _PATIENCE)
        helps = is_free or is_stuck
        self.pause = FIRST if helps else min(2 * self.pause, LONGEST)
        return helps

    def _notice(self, begun: int, now: float) -> None:
        if begun != self._begun:
            self._begun, self._moved_at = begun, now
