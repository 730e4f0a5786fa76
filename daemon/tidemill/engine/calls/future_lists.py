"""Several futures: a list that answers like one, and waiting for whichever ends first."""

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from tidemill.engine.calls.futures import Future
from tidemill.engine.waits import wait_watchfully


class FutureList(list[Future]):
    """The futures of one ``.map()``."""

    def wait(self, timeout: float | None = None) -> None:
        """Wait until all have ended, at most *timeout* seconds in all."""
        wait(self, timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> list[Any]:
        """Return all values, in order; raise what the first that failed raised."""
        until = None if timeout is None else time.monotonic() + timeout
        return [future.result(_left(until), raise_on_failure) for future in self]


class DoneAndNotDone(NamedTuple):
    """What ``wait`` returns."""

    done: set[Future]
    not_done: set[Future]


def wait(futures: Iterable[Future], timeout: float | None = None) -> DoneAndNotDone:
    """Wait until all *futures* have ended, at most *timeout* seconds in all, and tell which have."""
    given = list(futures)
    until = None if timeout is None else time.monotonic() + timeout
    for future in given:
        future.wait(_left(until))
    done = {future for future in given if future.done()}
    return DoneAndNotDone(done, set(given) - done)


def as_completed(futures: Iterable[Future], timeout: float | None = None) -> Iterator[Future]:
    """Yield *futures* as they end; raise TimeoutError when *timeout* seconds have passed and some have not."""
    given = set(futures)
    until = None if timeout is None else time.monotonic() + timeout
    changed = threading.Condition()
    ended: deque[Future] = deque()

    def note(future: Future) -> None:
        with changed:
            ended.append(future)
            changed.notify()

    for future in given:
        future.looked_at = True
        future.add_done_callback(note)
    for future in given:
        # A thread that takes part and only waited could be the one that was to run it.
        if future.is_ours():
            future.help()
    for number in range(len(given)):
        with changed:
            if not wait_watchfully(partial(changed.wait_for, lambda: ended), _left(until)):
                raise TimeoutError(f"{len(given) - number} of {len(given)} tasks have not ended within {timeout:g} s")
            future = ended.popleft()
        yield future


def _left(until: float | None) -> float | None:
    return None if until is None else max(0.0, until - time.monotonic())
