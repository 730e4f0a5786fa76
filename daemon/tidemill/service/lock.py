"""One daemon a state directory: a lock that dies with its holder, and a pid for people."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tidemill.config.paths import StatePaths
from tidemill.domain.errors import AlreadyRunning, StateDirectoryError

PATIENCE: Final = 40
PAUSE: Final = 0.05
"""Looks, and seconds between them, until the holder of the lock has told who it is."""


def prepare_state(paths: StatePaths, *, passable: bool = False) -> None:
    """Make the state directory and its folders, for our eyes only, or refuse with the reason.

    *passable*: others may reach what in it is open to them, which is the control socket; they still see no names.
    """
    try:
        for folder in paths.folders:
            folder.mkdir(mode=0o700, parents=folder == paths.root, exist_ok=True)
        owner = paths.root.stat().st_uid
        if owner != os.geteuid():
            raise StateDirectoryError(
                f"the state directory {paths.root} belongs to uid {owner}, who could change what this daemon (uid "
                f"{os.geteuid()}) records: give it to the daemon's user, or choose another with --state"
            )
        paths.root.chmod(0o711 if passable else 0o700)
        probe = paths.root / ".probe"  # one name: what a killed daemon leaves of it is taken away by the next
        probe.touch(mode=0o600)
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(paths, error) from error


class StateLock:
    """Holds the state directory while the daemon serves it.

    A flock needs no clean-up: after SIGKILL it is free, and the pid file is only what people read.
    """

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._fd: int | None = None

    @property
    def fileno(self) -> int:
        """The descriptor that holds the lock."""
        if self._fd is None:
            raise RuntimeError("the lock is not held")
        return self._fd

    @property
    def is_ours(self) -> bool:
        """Tell whether the file that is locked is still the one that another daemon would lock."""
        try:
            return os.path.samestat(os.fstat(self.fileno), self._paths.lock.stat())
        except OSError:
            return False

    def __enter__(self) -> Self:
        try:
            fd = os.open(self._paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unwritable(self._paths, error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise AlreadyRunning(self._paths.root, _holder(self._paths.pid_file)) from None
        self._fd = fd
        return self

    def write_pid(self) -> None:
        """Write the pid of this process, whole or not at all."""
        fresh = self._paths.pid_file.with_suffix(".new")
        try:
            fresh.write_text(f"{os.getpid()}\n")
            fresh.replace(self._paths.pid_file)
        except OSError as error:
            raise _unwritable(self._paths, error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd is not None:
            if read_pid(self._paths.pid_file) == os.getpid():
                with suppress(OSError):  # a file system that is read-only by now; the lock decides, not this file
                    self._paths.pid_file.unlink()
            os.close(self._fd)
            self._fd = None


def _unwritable(paths: StatePaths, error: OSError) -> StateDirectoryError:
    return StateDirectoryError(
        f"the state directory {paths.root} cannot be written ({error.strerror}); make room there, "
        "change its owner or permissions, or choose another with --state"
    )


def _holder(path: Path) -> int | None:
    """Return the pid of the daemon that holds the lock; one that has just taken it writes its pid in a moment."""
    for _ in range(PATIENCE):
        pid = read_pid(path)
        if pid is not None and Path(f"/proc/{pid}").exists():
            return pid
        time.sleep(PAUSE)
    return None


def read_pid(path: Path) -> int | None:
    """Read the pid that a daemon left, if there is one."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
