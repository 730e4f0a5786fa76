"""A few threads that take calls from one queue; the thread that owns the work takes part.

Threads are started one by one, when something is ready and nobody is free, and only as many are at work as help. A
call returns its successor to be carried on by the same thread, which spares a chain of tasks every hand-over. A wait
until a later moment holds no thread.

Whoever goes on from call to call takes no lock, and the queue needs none: a lock that several threads take thousands
of times a second passes the interpreter to and fro each time. What is read without it is at worst a moment old, and
whoever goes to sleep looks at the queue once more after saying so.
"""

import contextvars
import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from tidemill.engine.lookout import Lookout
from tidemill.engine.waits import at_a_stretch
from tidemill.limits.here import HELD
from tidemill.limits.turns import Turn

Call = Callable[[], Any]
"""Does a piece of work and returns the one that follows it, or None."""

_ROUND: Final = 256
"""Calls of each thread at work after which all but one step back, to find out anew how many help."""


class Pool:
    """Carries out calls in at most *limit* threads."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic, lookout: Lookout | None = None) -> None:
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
        self._active = 0
        """The threads that go on from call to call."""
        self._wanted = 1
        """How many of them help."""
        self._begun = 0
        """Calls so far, or nearly so."""
        self._next_round = _ROUND
        self._lookout = lookout or Lookout(clock)
        self._is_watched = False
        """One of the idle threads is on the lookout."""
        self._is_expected = False
        """A thread that waited for a call may be back to carry out the next one itself."""
        self._closed = False

    @property
    def limit(self) -> int:
        """How many threads there may be."""
        return self._limit

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread just now."""
        return len(self._ready)

    def put(self, calls: Iterable[Call]) -> None:
        """Add calls that can begin now, in this order."""
        self._ready.extend(calls)
        if not (self._active and self._is_watched) and (self._idle or self._threads < self._limit):
            with self._changed:
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
        self._ready.extend(calls)
        if self.has_member():
            # Its own call stands still meanwhile.
            self._count(active=-1)
            try:
                self._carry_out(done)
            finally:
                self._count(active=1)
            return
        # Counted first: this thread is one of those that may work at once.
        self._count(threads=1)
        self._members.add(threading.get_ident())
        try:
            self._carry_out(done)
        finally:
            self._members.discard(threading.get_ident())
            self._count(threads=-1)

    def join(self) -> bool:
        """Count the calling thread as one of those that may work at once, and tell whether there is a place for it."""
        with self._changed:
            if self._active >= self._limit:
                return False
            self._active += 1
            self._begun += 1
            self._members.add(threading.get_ident())
            return True

    def leave(self) -> None:
        """Give the place back."""
        with self._changed:
            self._active -= 1
            self._members.discard(threading.get_ident())
            if not self._is_watched:
                # Whoever is on the lookout sees it: this thread may be back before anybody else had begun.
                self._call_up()

    def expect(self) -> None:
        """Leave the next call to whoever waited for what has just ended, where one thread at a time is enough."""
        self._is_expected = True

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
            try:
                while call is not None:
                    call = self._following(call(), done)
            finally:
                self._count(active=-1)

    def _count(self, *, threads: int = 0, active: int = 0) -> None:
        with self._changed:
            self._threads += threads
            self._active += active

    def _following(self, call: Call | None, done: Callable[[], bool]) -> Call | None:
        """Return what this thread goes on with, *call* or the next of the queue; None when it is to step back."""
        self._begun += 1
        if self._begun >= self._next_round:
            self._next_round = self._begun + _ROUND * self._wanted
            self._wanted = 1
        if self._active > self._wanted or (self._is_expected and self._wanted == 1):
            if call is not None:
                self._ready.appendleft(call)
            return None
        if call is not None or self._closed or done():
            return call
        # What is due by now comes first in its turn.
        return self._pop() if not self._later else None

    def _take(self, done: Callable[[], bool]) -> Call | None:
        """Wait for a call, and for its being this thread's turn; None when there is nothing more to do."""
        with self._changed:
            may_begin = not (self._is_expected and self._wanted == 1)
            self._is_expected = False
            while not self._closed and not done():
                wait = self._ripen()
                if may_begin and self._active < self._wanted and (call := self._pop()) is not None:
                    self._active += 1
                    self._begun += 1
                    self._call_up()
                    return call
                self._idle += 1
                try:
                    self._wait(wait)
                finally:
                    self._idle -= 1
                may_begin = True
            # It may have been on the lookout.
            self._call_up()
            return None

    def _pop(self) -> Call | None:
        try:
            return self._ready.popleft()
        except IndexError:
            return None

    def _wait(self, wait: float | None) -> None:
        """Wait until there may be something to do, on the lookout where calls wait for others to get on."""
        if not self._ready or self._is_watched:
            self._changed.wait(at_a_stretch(wait))
        else:
            self._watch(wait)

    def _watch(self, wait: float | None) -> None:
        lookout = self._lookout
        lookout.begin(self._begun)
        self._is_watched = True
        try:
            is_called = self._changed.wait(lookout.pause if wait is None else min(wait, lookout.pause))
        finally:
            self._is_watched = False
        if not is_called and lookout.end(self._begun):
            self._wanted = min(2 * self._wanted, self._limit)

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
        """Let one more thread look at the queue, if there is something in it for it; the lock is held."""
        if not self._ready or (self._is_watched and self._active >= self._wanted):
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
