"""Who is whose child: how no process of a run can slip away.

Every run process and the fork server are subreapers. What a run leaves behind, detached or not, becomes
the child of the run while that lives and of the fork server when it has died. So a child that the
server did not make is always a leftover, and nothing has to be guessed from names or environments.
"""

import ctypes
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidemill.journal.processes import parent

_PR_SET_CHILD_SUBREAPER: Final = 36
_prctl: Final = ctypes.CDLL(None, use_errno=True).prctl


def become_subreaper() -> None:
    """Make orphaned descendants of this process its children."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def own_children() -> set[int]:
    """Return the pids of this process's children, the dead among them included."""
    me = os.getpid()
    try:
        return {int(pid) for pid in Path(f"/proc/{me}/task/{me}/children").read_bytes().split()}
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
        return {pid for pid in pids if parent(pid) == me}


def kill(pid: int) -> None:
    """End *pid* at once."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def kill_group(leader: int) -> None:
    """End every process in the group of *leader* at once."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
