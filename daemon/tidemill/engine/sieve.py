"""What programs that the run starts write to its streams themselves, without the secrets that the run has read.

They write into a file in memory, which a thread carries over into the log: not into a pipe, which would make them wait
for this process, and end them with it. Opened with the first secret that is read, so that other runs pay nothing.
"""

import atexit
import ctypes
import fcntl
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from tidemill.domain.secrecy import hide

STREAMS: Final = (1, 2)
SOON: Final = 0.02
LATER: Final = 0.25
"""Seconds between two looks: at first, and where there was nothing for long."""
_PIECE: Final = 1 << 20
_LONGEST: Final = 1 << 16
"""Bytes of a line that is waited for; of a longer one a secret may be cut in two."""
_PUNCH: Final = 0x02 | 0x01
"""FALLOC_FL_PUNCH_HOLE and FALLOC_FL_KEEP_SIZE."""


class Sieve:
    """Takes the place of the log behind the standard streams of this process and its children."""

    def __init__(self, pass_on: Callable[[str], None], lock: threading.RLock) -> None:
        """Give whole lines to *pass_on*, one caller at a time under *lock*."""
        self._pass_on = pass_on
        self._lock = lock
        self._fd: int | None = None
        self._read = 0
        self._held = b""

    def open(self) -> None:
        """Begin: what is started from now on writes here. Raises OSError where there is no such file."""
        fd = os.memfd_create("output")
        # Each writes behind all others, also who opens it anew.
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
        self._fd = fd
        with suppress(
            RuntimeError
        ):  # without another thread it is carried over when this process writes, and at the end
            threading.Thread(target=self._carry, name="output of programs", daemon=True).start()
        for stream in STREAMS:
            os.dup2(fd, stream)
        atexit.register(self.finish)

    def drain(self) -> bool:
        """Pass on the lines that are complete; tell whether there was anything."""
        if self._fd is None:
            return False
        with self._lock:
            before = self._read
            try:
                while data := os.pread(self._fd, _PIECE, self._read):
                    self._take(self._fd, data)
            except OSError:  # the run's code closed it
                self._fd = None
            return self._read > before

    def finish(self) -> None:
        """Pass on everything, the beginning of a line too."""
        if self._fd is None:
            return
        with self._lock:
            self.drain()
            self._tell(self._held)
            self._held = b""

    def _take(self, fd: int, data: bytes) -> None:
        held = self._held + data
        # A progress bar ends its lines with a carriage return.
        end = max(held.rfind(b"\n"), held.rfind(b"\r")) + 1
        if len(held) - end > _LONGEST:
            end = len(held)
        self._tell(held[:end])
        _forget_bytes(fd, self._read, len(data))
        self._read, self._held = self._read + len(data), held[end:]

    def _tell(self, data: bytes) -> None:
        if data:
            self._pass_on(hide(data.decode("utf-8", "surrogateescape")))

    def _carry(self) -> None:
        pause = SOON
        while self._fd is not None:
            pause = SOON if self.drain() else min(pause * 1.5, LATER)
            time.sleep(pause)

    def leave(self, log: int) -> int:
        """Return where a copy of this process writes, which carries nothing over: to the others, else to *log*."""
        fd, self._fd = self._fd, None
        return log if fd is None else fd


def _forget_bytes(fd: int, offset: int, length: int) -> None:
    """Give the memory of what was read back to the machine."""
    with suppress(AttributeError):  # a C library without it
        ctypes.CDLL(None).fallocate(fd, _PUNCH, ctypes.c_long(offset), ctypes.c_long(length))
