"""Whether an attempt of a flow is followed by another, and who is told.

What decides is imported when a flow has failed, or says how it wants to be tried again: few do.
"""

from typing import TYPE_CHECKING

from tidemill.authoring.states import FailedRun
from tidemill.domain.errors import GiveUp, Retry
from tidemill.domain.events import RunRetrying
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State
from tidemill.engine.failures import describe
from tidemill.engine.graphs.graph_run import GraphRun, failed
from tidemill.engine.verdicts import Verdict

if TYPE_CHECKING:
    from tidemill.engine.flow_run import FlowCall


def begin_attempt(call: "FlowCall") -> None:
    """Tell the author's callback that an attempt begins."""
    from tidemill.engine.tried import retries_of_flow

    retries_of_flow(call).begin()


def judge_by_condition(call: "FlowCall") -> Verdict:
    """Ask the flow's own retry condition about what it returned."""
    from tidemill.engine.tried import retries_of_flow

    objection = retries_of_flow(call).objection(call.verdict.value)
    return call.verdict if objection is None else Verdict(State.FAILED, describe(objection), exception=objection)


def next_attempt(call: "FlowCall", graph_run: GraphRun | None) -> float | None:
    """Return the seconds until the flow's next attempt, and tell of it; None when this was the last."""
    run, verdict = call.run, call.verdict
    if verdict.state not in (State.FAILED, State.TIMED_OUT) or run.interruption is not None:
        return None
    error = verdict.exception or FailedRun(verdict.error.message if verdict.error else "the flow failed")
    if not (call.flow.options.retry.allows_any or isinstance(error, Retry | BaseExceptionGroup)):
        return None
    if graph_run is not None and any(isinstance(task_run.error, GiveUp) for task_run in failed(run.task_runs)):
        return None
    from tidemill.engine.tried import retries_of_flow

    is_own = not any(task_run.error is error for task_run in run.task_runs)
    delay = retries_of_flow(call).delay_after(error, is_own=is_own)
    if delay is not None:
        _tell(call, delay, verdict.error or ErrorInfo("Failed", ""))
    return delay


def _tell(call: "FlowCall", delay: float, error: ErrorInfo) -> None:
    """Tell the journal and the log that another attempt follows; it bears the next number."""
    run, attempt, now = call.run, call.run.context.attempt, call.run.now()
    run.tell("-", "WARNING", f"attempt {attempt} of the flow failed, the next begins in {delay:g} s: {error.line}")
    run.sink.write(RunRetrying(now, attempt, now + int(delay * 1_000_000), error))
    run.context = run.context._replace(attempt=attempt + 1)
