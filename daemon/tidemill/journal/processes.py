"""Whether a process is alive, never mistaken for a later one that was given its pid."""

import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from tidemill.domain.runs import ProcessName

_DEAD: Final = frozenset({"Z", "X", "x"})


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
    """Open a pidfd of exactly this process; None when it does not live.

    It is readable when the process has ended, and signals sent through it can reach no other.
    """
    if process.boot_id != boot_id():
        return None
    try:
        pidfd = os.pidfd_open(process.pid)
    except (OSError, ValueError):
        return None
    # Checked after it was opened: from here on the pid cannot be given to another process unseen.
    if start_time(process.pid) == process.start_time:
        return pidfd
    with suppress(OSError):
        os.close(pidfd)
    return None


def _stat(pid: int) -> list[str] | None:
    """Return the fields of the stat file from the third (state) on; the second may hold anything."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(fd, 4096)
    except OSError:
        return None
    finally:
        os.close(fd)
    return text[text.rindex(b")") + 2 :].decode().split()
