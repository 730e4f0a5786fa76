"""The file that a run's log is: one line each, with its time, task and level.

Every line is written as it is complete, so that nothing is lost when the process dies; a text of many lines is one
write. What programs that the run starts write to the streams themselves goes into the same file as it is, or by way of
a sieve where there are secrets to hide.
"""

import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tidemill.domain.secrecy import hide

if TYPE_CHECKING:
    from tidemill.engine.sieve import Sieve


class RunLog:
    """Appends lines to the log of one run, up to a limit."""

    def __init__(self, fd: int, limit: int) -> None:
        self._fd = fd
        self._left = limit
        self._limit = limit
        self._lock = threading.RLock()
        self._second = -1
        self._stamp = ""
        self._sieve: Sieve | None = None
        os.register_at_fork(after_in_child=self._be_a_copy)

    def write(self, task: str, level: str, text: str) -> None:
        """Write *text*, each of its lines with its own prefix."""
        if self._sieve is not None:
            self._sieve.drain()
        if self._left <= 0:
            return
        text = hide(text)
        prefix = f"{self._now()} [{task}] {level} "
        if "\n" in text:
            text = text.rstrip("\n").replace("\n", f"\n{prefix}")
        data = f"{prefix}{text}\n".encode("utf-8", "backslashreplace")
        with self._lock:
            if self._left <= 0:
                return
            self._left -= len(data)
            if self._left <= 0:
                mark = f"{self._now()} [-] WARNING output truncated: the limit of {self._limit} bytes is reached\n"
                data = mark.encode()
            self._append(data)

    def sift(self) -> None:
        """Hide secrets from now on in what programs write that the run starts, too."""
        from tidemill.engine.sieve import Sieve

        self._sieve = Sieve(self._pass_on, self._lock)
        try:
            self._sieve.open()
        except OSError as error:
            self.write("-", "WARNING", f"what programs write themselves is not searched for secrets: {error.strerror}")

    def drain(self) -> None:
        """Write what programs have written by now."""
        if self._sieve is not None:
            self._sieve.drain()

    def finish(self) -> None:
        """Write what programs have written, the beginning of a line too."""
        if self._sieve is not None:
            self._sieve.finish()

    def _pass_on(self, text: str) -> None:
        self._append(text.encode("utf-8", "surrogateescape"))

    def _be_a_copy(self) -> None:
        # The thread that held it at the fork does not exist in the child.
        self._lock = threading.RLock()
        if self._sieve is not None:
            # Behind what other programs have written; the process that was copied carries it over.
            self._fd = self._sieve.leave(self._fd)
            self._sieve = None

    def _append(self, data: bytes) -> None:
        # A full disk must not fail the task that prints.
        with suppress(OSError):
            while data:
                data = data[os.write(self._fd, data) :]

    def _now(self) -> str:
        seconds, micros = divmod(time.time_ns() // 1000, 1_000_000)
        if seconds != self._second:
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
            self._second = seconds
        return f"{self._stamp}.{micros:06d}Z"
