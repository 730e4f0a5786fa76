"""Keeps a run within what it may take of the machine, by the kernel's own limits, and says so when it meets one."""

import errno
import os
import resource
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidemill.domain.restraints import told

_KERNEL: Final = {
    # Not RLIMIT_AS: libraries reserve many more addresses than they ever use.
    "memory": resource.RLIMIT_DATA,
    "processes": resource.RLIMIT_NPROC,
    "open_files": resource.RLIMIT_NOFILE,
    "file_size": resource.RLIMIT_FSIZE,
    "cpu": resource.RLIMIT_CPU,
}
_LAST_SECONDS: Final = 5
"""Seconds of processor time between the signal that names the limit and the kernel's SIGKILL."""
_in_force: dict[str, float] = {}


def restrain(limits: Mapping[str, float], *, is_grouped: bool = False) -> bool:
    """Put *limits* into force, for this process and those it will make; a lower one that is in force stays.

    Where the run has a control group (*is_grouped*), that counts its processes: the kernel's own limit would count
    those of other runs too. Tells whether anything has changed.
    """
    before = dict(_in_force)
    for name, value in limits.items():
        if name in _KERNEL and value < _in_force.get(name, float("inf")):
            _in_force[name] = value
            if not (is_grouped and name == "processes"):
                _set(name, int(value))
    return _in_force != before


def explain(error: BaseException) -> str | None:
    """Say which limit *error* comes from; None where it comes from none."""
    name = _limit_behind(error)
    if name is None or name not in _in_force:
        return None
    return f"the run met its limit on {name.replace('_', ' ')}, {told(name, _in_force[name])}"


def _set(name: str, value: int) -> None:
    if name == "memory":
        # What the process had before any code of the run was loaded is not the run's.
        value += int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    kind = _KERNEL[name]
    hard = value + _LAST_SECONDS if name == "cpu" else value
    before = resource.getrlimit(kind)[1]
    if before != resource.RLIM_INFINITY:
        hard = min(hard, before)
    with suppress(OSError, ValueError):
        resource.setrlimit(kind, (min(value, hard), hard))


def _limit_behind(error: BaseException) -> str | None:
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return "processes"
    if isinstance(error, OSError):
        return {
            errno.EMFILE: "open_files",
            errno.EFBIG: "file_size",
            errno.ENOMEM: "memory",
            errno.EAGAIN: "processes",
        }.get(error.errno or 0)
    return None
