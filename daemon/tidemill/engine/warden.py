"""Ends user code that has used up its time, or whose run was cancelled.

In the main thread a signal raises, which also breaks system calls; in other threads Python's asynchronous exceptions
do, which need Python code to be running. What cannot be reached so is told to the run, which has the last word: it
records the verdict and ends the process group. Deadlines cost a thread, started with the first one.
"""

import _signal  # type: ignore[import-not-found]
import faulthandler
import heapq
import itertools
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from tidemill.engine.interrupts import DeadlinePassed, Interrupt

GRACE: Final = 2.0
"""Seconds after which code that did not even notice is taken to be stuck."""
REMINDER: Final = 0.02
"""Seconds after which the main thread's signal is sent again, then after twice as long, and so on."""
PATIENCE: Final = 0.25
"""Seconds after which code in an event loop that did not even notice is reached as any other."""
CLEANUP: Final = 8.0
"""Seconds that code has, beyond the grace, when it noticed and is cleaning up."""
UNREACHABLE: Final = 2.0
"""Seconds beyond the grace, after which code that lets no other thread run, the warden's included, ends the process."""
SIGNAL: Final = signal.SIGRTMIN + 3
"""Private to the engine, so that user code may use SIGALRM as it likes."""


set_handler: Final[Callable[[int, Any], Any]] = _signal.signal
"""What ``signal.signal`` wraps to make enums of numbers, which raises and catches an exception for every function."""
IGNORE: Final = _signal.SIG_IGN
DEFAULT: Final = _signal.SIG_DFL


class Call:
    """User code is being called, in *thread*, by one part of the engine."""

    __slots__ = ("awaken", "interrupt", "noticed", "outer", "shielded", "thread")

    def __init__(self) -> None:
        self.thread: int | None = None
        self.outer: Call | None = None
        """The call of the same thread that this one was made in."""
        self.interrupt: type[Interrupt] | None = None
        self.noticed = False
        self.shielded = False
        """The user code has called the engine, which must not be torn out of its work."""
        self.awaken: Callable[[], Any] | None = None
        """Lets the event loop that runs the code cancel it; a loop that waits is to be reached in no other way."""

    def expire(self, warden: "Warden") -> None:
        """Come to an end: its time is up."""
        warden.interrupt(self, DeadlinePassed)


class Warden:
    """Watches the calls of one run."""

    def __init__(
        self,
        stuck: Callable[[Call], None],
        *,
        last_resort: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.calls: dict[int, Call | None] = {}
        """The innermost call of each thread."""
        self._stuck = stuck
        self._clock = clock
        self._last_resort = last_resort
        self._armed_for: float | None = None
        self._changed = threading.Condition(threading.Lock())
        self._duties: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._main: int | None = None
        self._old_handler: Any = None

    def open(self) -> None:
        """Take the signal, where this is the main thread."""
        if threading.current_thread() is threading.main_thread():
            self._main = threading.get_ident()
            self._old_handler = set_handler(SIGNAL, self._on_signal)

    def close(self) -> None:
        """Watch nothing any more."""
        with self._changed:
            self._closed = True
            self._duties.clear()
            self._arm()
            self._changed.notify_all()
        if self._main is not None:
            set_handler(SIGNAL, self._old_handler or DEFAULT)
            self._main = None

    def watch(self, call: Call, seconds: float) -> Callable[[], None]:
        """Let *call* expire after so many seconds, unless the function this returns is called before."""
        watched = [True]

        def expire() -> None:
            if watched:
                call.expire(self)

        self._after(seconds, expire)
        return watched.clear

    def at(self, seconds: float, duty: Callable[[], None]) -> None:
        """Do *duty* after so many seconds, in the warden's thread."""
        self._after(seconds, duty)

    def interrupt(self, call: Call, kind: type[Interrupt]) -> None:
        """Raise *kind* in the code of *call*, and see to it that it ends."""
        thread = call.thread
        if thread is None or call.interrupt is not None:
            return

        class Raised(kind):  # type: ignore[misc, valid-type]
            """The same, and it tells when the code notices."""

            def __init__(self, *args: object) -> None:
                super().__init__(*args)
                call.noticed = True

        Raised.__name__ = Raised.__qualname__ = kind.__name__
        Raised.__module__ = "tidemill"
        call.interrupt = Raised
        if call.awaken is None:
            self._deliver(call, thread)
            self._remind(call, thread, REMINDER)
        else:
            with suppress(RuntimeError):  # its loop may just have been closed
                call.awaken()
            self._remind(call, thread, PATIENCE)
        self._after(GRACE, lambda: self._insist(call, thread))

    def release(self, call: Call, thread: int) -> None:
        """Take back an interrupt that came too late for the code it was meant for."""
        call.thread = None
        if call.interrupt is not None and not call.noticed and thread != self._main:
            _raise_in(thread, None)

    def _deliver(self, call: Call, thread: int) -> None:
        if thread == self._main:
            signal.pthread_kill(thread, SIGNAL)
        elif not shielded(self.calls.get(thread)):
            _raise_in(thread, call.interrupt)

    def _remind(self, call: Call, thread: int, pause: float) -> None:
        """Send the signal again: one that comes between Python's look for signals and a system call breaks nothing."""

        def again() -> None:
            if call.thread == thread and not call.noticed:
                self._deliver(call, thread)
                self._remind(call, thread, 2 * pause)

        if (thread == self._main or call.awaken is not None) and pause < GRACE:
            self._after(pause, again)

    def _insist(self, call: Call, thread: int) -> None:
        """Give code that noticed the time to clean up; call the rest stuck."""
        if call.thread != thread:
            return
        if call.noticed or shielded(self.calls.get(thread)):
            self._after(CLEANUP, lambda: self._stuck(call) if call.thread == thread else None)
        else:
            self._stuck(call)

    def _on_signal(self, *_: Any) -> None:
        call = self.calls.get(threading.get_ident())
        pending = None if shielded(call) else pending_interrupt(call)
        if pending is not None:
            raise pending

    def _after(self, seconds: float, duty: Callable[[], None]) -> None:
        with self._changed:
            heapq.heappush(self._duties, (self._clock() + seconds, next(self._order), duty))
            # Before the code is called: it may leave the warden's thread no chance to begin.
            self._arm()
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._serve, name="tidemill-warden", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _arm(self) -> None:
        """Let the last resort watch over the warden's next duty; the lock is held.

        It is a thread without Python: it writes all tracebacks to the descriptor and ends the process, if nobody
        winds it up again.
        """
        due = self._duties[0][0] if self._duties else None
        if self._last_resort is None or due == self._armed_for:
            return
        self._armed_for = due
        with suppress(OSError, ValueError, RuntimeError):
            if due is None:
                faulthandler.cancel_dump_traceback_later()
            else:
                patience = max(0.0, due - self._clock()) + GRACE + UNREACHABLE
                faulthandler.dump_traceback_later(patience, exit=True, file=self._last_resort)

    def _serve(self) -> None:
        while (duty := self._next()) is not None:
            duty()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._closed:
                wait = self._duties[0][0] - self._clock() if self._duties else None
                self._arm()
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._duties)[2]
                self._changed.wait(wait)
            return None


def shielded(call: Call | None) -> bool:
    """Tell whether *call* must not be torn out of what it does."""
    return call is not None and call.shielded


def pending_interrupt(call: Call | None) -> type[Interrupt] | None:
    """Return what is to be raised in *call* or in a call around it, and was not noticed yet."""
    while call is not None:
        if call.interrupt is not None and not call.noticed:
            return call.interrupt
        call = call.outer
    return None


def _raise_in(thread: int, kind: type[Interrupt] | None) -> None:
    # ctypes costs milliseconds and is needed only when something has to be ended.
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), None if kind is None else ctypes.py_object(kind))
