"""The verdict on a run process that ended without a last word in its journal."""

import signal
from typing import Final, NamedTuple

from tidemill.domain.events import Event, OfSubflow, RunEnded, TaskEnded, TaskRetrying, TaskStarted
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State
from tidemill.journal.reader import JournalReader

STUCK: Final = 1
"""Exit code of a process that its last resort ended: its code let no other thread run, so nobody could say why."""


class Ending(NamedTuple):
    """The state a run is given, and the error that explains it."""

    state: State
    error: ErrorInfo | None


def judge_exit(status: int | None, *, cancelled: bool = False, overdue: bool = False, met: str | None = None) -> Ending:
    """Judge an exit whose journal has no end.

    *status* is the exit code, a signal number negated, or None where nobody learned it.
    *cancelled*: a person or a policy asked for the end; *overdue*: its time-out was enforced; *met*: which limit on
    all its processes together was met.
    """
    if overdue:
        why = "the time-out of the run, or of one of its tasks, had passed; its processes were killed"
        return Ending(State.TIMED_OUT, ErrorInfo("TimedOut", why))
    if cancelled:
        return Ending(State.CANCELLED, None)
    return Ending(
        State.CRASHED,
        ErrorInfo("Crashed", _cause(status) if met is None else f"{met}; {_cause(status, is_known=True)}"),
    )


def has_overrun(journal: str, at: int) -> bool:
    """Tell whether a task of the run was still going *at* a time behind its own time-out."""
    deadlines: dict[tuple[str, int], int] = {}
    reader = JournalReader(journal)
    try:
        while events := reader.read()[0]:
            for event in events:
                _note_deadline(deadlines, event)
    except OSError:
        return False
    finally:
        reader.close()
    return any(deadline <= at for deadline in deadlines.values())


def _note_deadline(deadlines: dict[tuple[str, int], int], event: Event, child: str = "") -> None:
    match event:
        case TaskStarted(index=index, deadline=deadline) if deadline is not None:
            deadlines[child, index] = deadline
        case TaskEnded(index=index) | TaskRetrying(index=index):
            deadlines.pop((child, index), None)
        case OfSubflow(run=run, event=of_child):
            _note_deadline(deadlines, of_child, run)
        case RunEnded() if not child:
            deadlines.clear()
        case _:
            pass


def judge_reboot(*, cancelled: bool = False) -> Ending:
    """Judge a run whose process belonged to an earlier boot of the machine."""
    if cancelled:
        return Ending(State.CANCELLED, None)
    return Ending(State.CRASHED, ErrorInfo("Crashed", "the machine was rebooted, or lost its power, while it ran"))


def _cause(status: int | None, *, is_known: bool = False) -> str:
    if status is None:
        return "the run process disappeared; nobody was there to learn its exit code"
    if status >= 0:
        if status == 74:
            return "the run process exited with code 74: its journal could not be written (is the disk full?)"
        return f"the run process exited with code {status} before the flow came to its end"
    name = _signal_name(-status)
    if -status == signal.SIGXCPU:
        return f"the run met its limit on cpu: it used up its seconds of processor time and was killed by {name}"
    if -status == signal.SIGKILL and not is_known:
        return f"the run process was killed by {name}; out of memory is the usual reason when nobody killed it"
    return f"the run process was killed by {name}"


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
