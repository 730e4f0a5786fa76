"""An event loop without a selector, a clock without hours: what asyncio's code needs to run step by step."""

import heapq
from collections import deque
from itertools import count


class Handle:
    """What call_later returns."""

    def __init__(self):
        self.is_cancelled = False

    def cancel(self):
        self.is_cancelled = True


class SimFuture:
    """A future whose waiter goes on in a later turn."""

    def __init__(self, loop):
        self._loop = loop
        self._outcome = None
        self._waiters = []

    def done(self):
        return self._outcome is not None

    def cancelled(self):
        return False

    def set_result(self, value):
        self._set((value, None))

    def set_exception(self, error):
        self._set((None, error))

    def _set(self, outcome):
        self._outcome = outcome
        for waiter in self._waiters:
            self._loop.call_soon(waiter)

    def when_done(self, waiter):
        if self._outcome is None:
            self._waiters.append(waiter)
        else:
            self._loop.call_soon(waiter)

    def result(self):
        value, error = self._outcome
        if error is not None:
            raise error
        return value

    def __await__(self):
        if self._outcome is None:
            yield self
        return self.result()


class SimTask:
    """A coroutine on its way; *on_end* is told its answer, or the error that came out of it."""

    def __init__(self, loop, coroutine, on_end=None):
        self._coroutine = coroutine
        self._on_end = on_end
        loop.call_soon(self._step)

    def _step(self):
        try:
            awaited = self._coroutine.send(None)
        except StopIteration as stop:
            if self._on_end is not None:
                self._on_end(stop.value)
        except Exception as error:
            if self._on_end is None:
                raise
            self._on_end(error)
        else:
            awaited.when_done(self._step)

    def drop(self):
        """Forget it, as a process that is killed does."""
        self._coroutine.close()


class SimLoop:
    """Runs one callback at a time, when it is told to."""

    def __init__(self, clock):
        self._clock = clock
        self._order = count()
        self._timers = []
        self._tasks = []
        self.ready = deque()
        self.readers = {}

    def time(self):
        return self._clock.monotonic()

    def call_soon(self, callback, *args):
        self.ready.append((callback, args))

    call_soon_threadsafe = call_soon

    def call_later(self, delay, callback, *args):
        handle = Handle()
        heapq.heappush(self._timers, (self.time() + delay, next(self._order), handle, callback, args))
        return handle

    def add_reader(self, fd, callback, *args):
        self.readers[fd] = (callback, args)

    def remove_reader(self, fd):
        return self.readers.pop(fd, None) is not None

    def create_future(self):
        return SimFuture(self)

    def create_task(self, coroutine, on_end=None):
        task = SimTask(self, coroutine, on_end)
        self._tasks.append(task)
        return task

    def run_in_executor(self, _executor, act):
        """Do in a later turn what a thread would, so that others come in between."""
        future = self.create_future()
        self.call_soon(self._execute, act, future)
        return future

    def _execute(self, act, future):
        try:
            future.set_result(act())
        except Exception as error:
            future.set_exception(error)

    def run_one(self):
        """Run the next callback; tell whether there was one."""
        now = self.time()
        while self._timers and self._timers[0][0] <= now:
            _, _, handle, callback, args = heapq.heappop(self._timers)
            if not handle.is_cancelled:
                self.ready.append((callback, args))
        if not self.ready:
            return False
        callback, args = self.ready.popleft()
        callback(*args)
        return True

    def close(self):
        """Drop everything, as a killed process does."""
        for task in self._tasks:
            task.drop()
        self.ready.clear()
        self.readers.clear()
