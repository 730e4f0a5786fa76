"""What SERIALIZABLE locks keys with. Names are Prefect's; a manager of the author's own has the same methods."""

import os
import threading
import time
from pathlib import Path
from typing import Final

from tidemill.cache.locks import KeyLocks, locks_of

PAUSE: Final = 0.05
"""Seconds between two looks at a key that somebody else holds."""


class LockManager:
    """Locks keys for holders. The kernel takes a lock back with the process that has it, so none needs a time-out."""

    def __init__(self, locks: KeyLocks) -> None:
        self._locks = locks

    def acquire_lock(
        self,
        key: str,
        holder: str | None = None,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Lock *key* for *holder* and tell whether that was possible within so many seconds; None waits for ever."""
        end = None if acquire_timeout is None else time.monotonic() + acquire_timeout
        while not self._locks.take(key, holder or _caller()):
            if end is not None and time.monotonic() >= end:
                return False
            time.sleep(PAUSE)
        return True

    def release_lock(self, key: str, holder: str | None = None) -> None:
        """Give *key* back. Raises ValueError when *holder* does not hold it."""
        holder = holder or _caller()
        if not self._locks.is_held(key, holder):
            raise ValueError(f"the key {key!r} cannot be released: {holder} does not hold its lock")
        self._locks.give_back(key, holder)

    def is_locked(self, key: str) -> bool:
        """Tell whether somebody holds *key*, here or in another process."""
        return self._locks.is_taken(key)

    def is_lock_holder(self, key: str, holder: str | None = None) -> bool:
        """Tell whether *holder* holds *key*."""
        return self._locks.is_held(key, holder or _caller())

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until nobody holds *key*, and tell whether that was so within so many seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while self.is_locked(key):
            if end is not None and time.monotonic() >= end:
                return False
            time.sleep(PAUSE)
        return True


class MemoryLockManager(LockManager):
    """Locks keys among the threads of one process."""

    def __init__(self) -> None:
        super().__init__(locks_of(None))


class FileSystemLockManager(LockManager):
    """Locks keys among the processes of one machine, by a file in *lock_files_directory*."""

    def __init__(self, lock_files_directory: str | os.PathLike[str]) -> None:
        super().__init__(locks_of(Path(lock_files_directory)))


def _caller() -> str:
    return f"{os.getpid()}:{threading.get_ident()}"
