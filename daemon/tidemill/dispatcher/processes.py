"""Signals to run processes, sent only to the process that was meant."""

import os
import signal

from tidemill.domain.runs import ProcessName
from tidemill.journal.processes import is_alive


def signal_process(process: ProcessName, number: signal.Signals) -> bool:
    """Send a signal to *process*; tell whether it was still there. A later process of its pid is spared."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        # The descriptor is held first and the name compared after: what it names cannot change any more.
        if not is_alive(process):
            return False
        signal.pidfd_send_signal(pidfd, number)
    except OSError:
        return False
    finally:
        os.close(pidfd)
    return True


def kill_group(process: ProcessName) -> None:
    """Kill *process* and everything in its process group, if it is still that process."""
    if is_alive(process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            signal_process(process, signal.SIGKILL)
