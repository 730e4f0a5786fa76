"""A few threads that take calls from one queue; the thread that owns the work takes part.

Threads are started one by one, when something is ready and nobody is free. A call returns its successor to be
carried on by the same thread, which spares a chain of tasks every hand-over. A wait until a later moment holds
no thread.
"""

import contextvars
import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from tidemill.limits.here import HELD
from tidemill.limits.turns import Turn

Call = Callable[[], Any]
"""Does a piece of work and returns the one that follows it, or None."""


class Pool:
    """Carries out calls in at most *limit* threads."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._changed = threading.Condition(threading.Lock())
        self._ready: deque[Call] = deque()
        self._later: list[list[Any]] = []
        """Moment, number and call; None in the place of a call that began before its time."""
        self._order = itertools.count()
        self._threads = 0
        self._members: set[int] = set()
        """The threads that take part; each waits for nothing but what it can help to bring about."""
        self._idle = 0
        self._closed = False

    @property
    def limit(self) -> int:
        """How many threads there may be."""
        return self._limit

    @property
    def has_waiting(self) -> bool:
        """Tell whether calls wait for a thread just now."""
        return bool(self._ready)

    def put(self, calls: Iterable[Call]) -> None:
        """Add calls that can begin now, in this order."""
        with self._changed:
            self._ready.extend(calls)
            self._call_up()

    def put_later(self, delay: float, call: Call) -> None:
        """Add a call that can begin *delay* seconds from now, or when it is its turn."""
        patience = delay.patience if isinstance(delay, Turn) else delay
        with self._changed:
            entry = [self._clock() + patience, next(self._order), call]
            heapq.heappush(self._later, entry)
            if self._idle:
                self._changed.notify()
            else:
                self._start()
        if isinstance(delay, Turn):
            delay.listen(partial(self._hurry, entry))

    def work(self, calls: Iterable[Call], done: Callable[[], bool]) -> None:
        """Begin with *calls* and take part until *done*, which is asked again after every call and every ``wake``."""
        with self._changed:
            # Counted first: this thread is one of those that may work at once.
            self._threads += 1
            self._members.add(threading.get_ident())
            self._ready.extend(calls)
        try:
            self._carry_out(done)
        finally:
            with self._changed:
                self._threads -= 1
                self._members.discard(threading.get_ident())

    def join(self) -> bool:
        """Count the calling thread as one of those that may work at once, and tell whether there is a place for it."""
        with self._changed:
            if self._threads >= self._limit:
                return False
            self._threads += 1
            self._members.add(threading.get_ident())
            return True

    def leave(self) -> None:
        """Give the place back."""
        with self._changed:
            self._threads -= 1
            self._members.discard(threading.get_ident())
            self._call_up()

    def has_member(self) -> bool:
        """Tell whether the calling thread takes part already."""
        return threading.get_ident() in self._members

    def wake(self) -> None:
        """Let everybody who takes part ask again whether the work is done."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Send the threads home as soon as they are free; what was not begun is forgotten."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._later.clear()
            self._changed.notify_all()

    def _carry_out(self, done: Callable[[], bool]) -> None:
        while (call := self._take(done)) is not None:
            while call is not None:
                call = call()

    def _take(self, done: Callable[[], bool]) -> Call | None:
        with self._changed:
            while not self._closed and not done():
                wait = self._ripen()
                if self._ready:
                    call = self._ready.popleft()
                    self._call_up()
                    return call
                self._idle += 1
                try:
                    self._changed.wait(wait)
                finally:
                    self._idle -= 1
            return None

    def _ripen(self) -> float | None:
        """Move what is due to the queue, and return the seconds until the next is; the lock is held."""
        while self._later:
            wait: float = self._later[0][0] - self._clock()
            if wait > 0:
                return wait
            call = heapq.heappop(self._later)[2]
            if call is not None:
                self._ready.append(call)
        return None

    def _hurry(self, entry: list[Any]) -> None:
        """Let a call that waits for its moment begin now."""
        with self._changed:
            call, entry[2] = entry[2], None
            if call is not None and not self._closed:
                self._ready.append(call)
                self._call_up()

    def _call_up(self) -> None:
        """Let one more thread look at the queue, if there is something in it; the lock is held."""
        if not self._ready:
            return
        if self._idle:
            self._changed.notify()
        else:
            self._start()

    def _start(self) -> None:
        if self._threads >= self._limit or self._closed:
            return
        self._threads += 1
        context = contextvars.copy_context()
        # Whatever code made the thread necessary: it lends nothing to what the thread does for others.
        context.run(HELD.set, ())
        # Daemons, so that a task nobody can interrupt does not hold the process at its end.
        thread = threading.Thread(target=context.run, args=(self._serve,), name="tidemill", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._threads -= 1

    def _serve(self) -> None:
        self._members.add(threading.get_ident())
        self._carry_out(lambda: False)
