"""The verdict on a run process that ended without a last word in its journal."""

import signal
from typing import NamedTuple

from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State


class Ending(NamedTuple):
    """The state a run is given, and the error that explains it."""

    state: State
    error: ErrorInfo | None


def judge_exit(status: int | None, *, cancelled: bool = False, overdue: bool = False) -> Ending:
    """Judge an exit whose journal has no end.

    *status* is the exit code, a signal number negated, or None where nobody learned it.
    *cancelled*: a person or a policy asked for the end; *overdue*: its time-out was enforced.
    """
    if overdue:
        return Ending(
            State.TIMED_OUT, ErrorInfo("TimedOut", "the run passed its time-out and its processes were killed")
        )
    if cancelled:
        return Ending(State.CANCELLED, None)
    return Ending(State.CRASHED, ErrorInfo("Crashed", _cause(status)))


def judge_reboot(*, cancelled: bool = False) -> Ending:
    """Judge a run whose process belonged to an earlier boot of the machine."""
    if cancelled:
        return Ending(State.CANCELLED, None)
    return Ending(State.CRASHED, ErrorInfo("Crashed", "the machine was rebooted, or lost its power, while it ran"))


def _cause(status: int | None) -> str:
    if status is None:
        return "the run process disappeared; nobody was there to learn its exit code"
    if status >= 0:
        if status == 74:
            return "the run process exited with code 74: its journal could not be written (is the disk full?)"
        return f"the run process exited with code {status} before the flow came to its end"
    name = _signal_name(-status)
    if -status == signal.SIGKILL:
        return f"the run process was killed by {name}; out of memory is the usual reason when nobody killed it"
    return f"the run process was killed by {name}"


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
