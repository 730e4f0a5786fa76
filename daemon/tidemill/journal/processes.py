"""Whether a process is alive, never mistaken for a later one that was given its pid."""

import errno
import fcntl
import os
import select
import struct
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from tidemill.domain.runs import ProcessName

_DEAD: Final = frozenset({"Z", "X", "x"})
_INFO: Final = struct.Struct("=Q52xi")
"""The kernel's ``struct pidfd_info`` in its first size: what is asked for, or known, and the status at its end."""
_GET_INFO: Final = 0xC040FF0B
_EXIT: Final = 1 << 3


@cache
def boot_id() -> str:
    """Return the kernel's name for this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """Return when *pid* started, in clock ticks since boot; None when it does not live."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in _DEAD else int(fields[19])


def birth(pid: int) -> int | None:
    """Return when *pid* started, a dead one that is not reaped yet included."""
    fields = _stat(pid)
    return None if fields is None else int(fields[19])


def parent(pid: int) -> int | None:
    """Return the pid of the parent of *pid*, a dead one that is not reaped yet included."""
    fields = _stat(pid)
    return None if fields is None else int(fields[1])


def name_process(pid: int) -> ProcessName | None:
    """Name the process that bears *pid* now; None when it does not live."""
    started = start_time(pid)
    return None if started is None else ProcessName(pid, started, boot_id())


def is_alive(process: ProcessName) -> bool:
    """Tell whether exactly this process lives; one that waits to be reaped does not."""
    return process.boot_id == boot_id() and start_time(process.pid) == process.start_time


def open_process(process: ProcessName) -> int | None:
    """Open a pidfd of exactly this process; None when it is gone, reaped and all.

    It is readable when the process has ended, and signals sent through it can reach no other. Raises OSError where that
    cannot be learned: too many files are open, or /proc hides one that lives (hidepid=, another user namespace).
    """
    if process.boot_id != boot_id():
        return None
    try:
        pidfd = os.pidfd_open(process.pid)
    except ValueError:
        return None
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EINVAL):
            return None
        raise
    try:
        # Checked after it was opened: from here on the pid cannot be given to another process unseen.
        fields = _fields(process.pid)
    except OSError:
        os.close(pidfd)
        raise
    if fields is not None and int(fields[19]) == process.start_time:
        return pidfd
    if fields is None and not _has_ended(pidfd):
        os.close(pidfd)
        raise PermissionError(errno.EACCES, f"there is a process {process.pid}, and /proc is not allowed to show it")
    with suppress(OSError):
        os.close(pidfd)
    return None


def exit_status(process: ProcessName, pidfd: int) -> int | None:
    """Return how *process* ended: its exit code; the number of the signal that killed it, negative; None if unknown.

    Be it whose child it was: until it is reaped its stat file tells (a 0 there may be a secret), and from Linux 6.15 on
    the kernel tells it after that to whoever holds a *pidfd* of it.
    """
    answer = bytearray(_INFO.pack(_EXIT, 0))
    try:
        fcntl.ioctl(pidfd, _GET_INFO, answer)
        known, status = _INFO.unpack(answer)
    except OSError:
        known, status = 0, 0
    if known & _EXIT:
        return os.waitstatus_to_exitcode(status)
    fields = _stat(process.pid)
    if fields is None or fields[0] not in _DEAD or int(fields[19]) != process.start_time:
        return None
    return os.waitstatus_to_exitcode(int(fields[49])) or None


def _has_ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _stat(pid: int) -> list[str] | None:
    """Return the fields of the stat file; None also where they cannot be read."""
    try:
        return _fields(pid)
    except OSError:
        return None


def _fields(pid: int) -> list[str] | None:
    """Return the fields of the stat file from the third (state) on, the second may hold anything; None when it is gone.

    Raises OSError where that cannot be learned.
    """
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(fd, 4096)
        finally:
            os.close(fd)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(b")") + 2 :].decode().split()
