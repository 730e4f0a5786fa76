"""How a run ended, as the engine saw it."""

from typing import Any, NamedTuple

from tidemill.authoring.states import State as ReturnedState
from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.domain.states import State
from tidemill.engine.interrupts import Cancelled
from tidemill.engine.run import Run
from tidemill.engine.task_run import TaskRun


class Verdict(NamedTuple):
    """A flow came to its end."""

    state: State
    error: ErrorInfo | None = None
    result: ResultInfo | None = None
    value: Any = None
    """What a function flow returned."""
    exception: BaseException | None = None
    """What it raised, for a caller in the same process."""
    said: ReturnedState | None = None
    """The state that its body made and returned."""
    handed: ResultInfo | None = None
    """Where the value is kept as the caller got it, when that holds states."""


def judge_interruption(run: Run) -> Verdict | None:
    """Say how a run went that was cancelled or has passed its time-out; None when neither happened."""
    if run.interruption is None:
        return None
    if run.interruption is Cancelled:
        return Verdict(State.CANCELLED, exception=Cancelled())
    error = TimeoutError("the run took longer than its time-out")
    return Verdict(State.TIMED_OUT, ErrorInfo("TimeoutError", str(error)), exception=error)


def summarise(bad: list[TaskRun]) -> ErrorInfo:
    """Return the first failure as the run's, with a count of the others."""
    first = bad[0]
    failure = first.failure or ErrorInfo("Failed", "")
    others = f" (and {len(bad) - 1} more failed)" if len(bad) > 1 else ""
    # The engine's own sentences name the task already.
    who = "" if failure.message.startswith(f"task {first.name} ") else f"task {first.name}: "
    return failure._replace(message=f"{who}{failure.message}{others}")


def returned_state(verdict: Verdict, run: Run) -> ReturnedState:
    """Return a verdict on *run* as the state that authors see."""
    said = verdict.said
    message = verdict.error.line if verdict.error is not None else None
    state = ReturnedState(
        verdict.state,
        name=said.name if said is not None and said.kind is verdict.state else None,
        message=(said.message if said is not None else None) or message,
        data=said.data if said is not None and not verdict.state.is_success else verdict.value,
        error=verdict.exception,
    )
    state.of = run.context.run_id
    return state
