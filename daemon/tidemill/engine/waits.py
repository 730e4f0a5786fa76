"""Waits of the main thread, which looks up from them now and then.

A signal that comes between Python's look for signals and the system call that waits interrupts nothing: it would be
noticed when the wait is over, and a run that was cancelled at this moment would go on waiting.
"""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

FIRST: Final = 0.02
"""Seconds of the first piece; each is twice as long as the one before."""
LONGEST: Final = 1.0
"""Seconds after which a signal is noticed at the latest."""


def at_a_stretch(seconds: float | None) -> float | None:
    """Return how long of *seconds*, None for ever, the calling thread may wait before it looks up."""
    if threading.get_ident() != threading.main_thread().ident:
        return seconds
    return LONGEST if seconds is None else min(seconds, LONGEST)


def wait_watchfully(
    wait: Callable[[float | None], Any], seconds: float | None, clock: Callable[[], float] = time.monotonic
) -> Any:
    """Call *wait*, which returns something true unless the time it is given passes, and return what it returned.

    *seconds* are the whole time, None for ever. Each call of *wait* has to look whether what it waits for is there
    already: a bare condition may have been notified just as its time passed, and forgets it.
    """
    if threading.get_ident() != threading.main_thread().ident:
        return wait(seconds)
    until = None if seconds is None else clock() + seconds
    piece = FIRST
    while True:
        left = None if until is None else until - clock()
        if left is not None and left <= piece:
            return wait(max(0.0, left))
        if found := wait(piece):
            return found
        piece = min(2 * piece, LONGEST)


def look_up_from(loop: "AbstractEventLoop") -> None:
    """Let *loop*, if it is the main thread's, never wait for longer without looking up."""
    if at_a_stretch(None) is not None:
        loop.call_later(LONGEST, look_up_from, loop)
