"""Locked bytes of a file: POSIX record locks, which belong to a process and end with it.

Not flock and not open-file-description locks: a child that user code forks would share those, and keep them when
the run is dead. POSIX locks are no child's; in return the process loses all it has on a file as soon as it closes
any descriptor of that file. So there is one ByteLocks a process and file, and it is never closed.
"""

import fcntl
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

_FLOCK: Final = struct.Struct("@hhqqi0q")
"""The kernel's struct flock: type, whence, start, length, pid, padded to whole words."""


class Locked(NamedTuple):
    """Another process holds the bytes from *start* up to *end*."""

    start: int
    end: int
    pid: int


class ByteLocks:
    """The bytes of one file that this process locks, and those that others do."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._identity: tuple[int, int] | None = None

    @property
    def is_sound(self) -> bool:
        """Tell whether the file is open, and still the one that others would lock; of no other is anything held."""
        if self._fd < 0:
            return False
        try:
            status = os.fstat(self._fd)
        except OSError:
            return False
        return status.st_nlink > 0 and (status.st_dev, status.st_ino) == self._identity

    def open(self, *, make: bool) -> bool:
        """Open the file, *make* it where it is not; tell whether it is open."""
        # One that was open is not closed: user code may have done that, and the number be another file's by now.
        self._fd = -1
        with suppress(FileNotFoundError):
            self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0), 0o600)
            status = os.fstat(self._fd)
            self._identity = status.st_dev, status.st_ino
            return True
        return False

    def lock(self, start: int, length: int = 1) -> bool:
        """Lock bytes; False if another process has one of them."""
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def unlock(self, start: int, length: int = 1) -> None:
        """Give bytes back."""
        with suppress(OSError):
            fcntl.lockf(self._fd, fcntl.LOCK_UN, length, start)

    def others(self, start: int, end: int) -> list[Locked]:
        """Return what other processes hold of the bytes from *start* up to *end*, in order."""
        found: list[Locked] = []
        gaps = [(start, end)] if start < end and self._fd >= 0 else []
        while gaps:
            low, high = gaps.pop()
            held = self._first(low, high)
            if held is not None:
                found.append(held)
                # The kernel tells any one of them; those before and behind it are asked for by themselves.
                gaps += [gap for gap in ((low, held.start), (held.end, high)) if gap[0] < gap[1]]
        return sorted(found)

    def read(self, start: int, length: int) -> bytes:
        """Return content of the file; locks do not guard it."""
        return os.pread(self._fd, length, start) if self._fd >= 0 else b""

    def write(self, start: int, content: bytes) -> None:
        """Put content into the file."""
        os.pwrite(self._fd, content, start)

    def note(self, start: int, content: bytes) -> None:
        """Put content into the file that is good to have; on a full disk it goes without."""
        with suppress(OSError):
            os.pwrite(self._fd, content, start)

    def _first(self, start: int, end: int) -> Locked | None:
        query = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, end - start, 0)
        kind, _, at, length, pid = _FLOCK.unpack(fcntl.fcntl(self._fd, fcntl.F_GETLK, query))
        if kind == fcntl.F_UNLCK:
            return None
        return Locked(max(at, start), min(at + length, end) if length else end, pid)
