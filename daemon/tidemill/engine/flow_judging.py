"""Says how a flow's attempt went, and keeps what a function flow returned."""

from typing import TYPE_CHECKING, Any, Final

from tidemill.authoring.states import FailedRun
from tidemill.authoring.states import State as ReturnedState
from tidemill.domain.errors import Skip
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import SUCCESSES, State
from tidemill.engine.arguments import promises_in, with_results
from tidemill.engine.failures import describe
from tidemill.engine.futures import Future
from tidemill.engine.graph_judging import judge_graph
from tidemill.engine.graph_run import GraphRun
from tidemill.engine.keeping import keep
from tidemill.engine.run import Run
from tidemill.engine.verdicts import Verdict, judge_interruption, summarise
from tidemill.storage.places import ResultPlace

if TYPE_CHECKING:
    from tidemill.engine.flow_run import FlowCall

_NO_FAILURE: Final = frozenset({*SUCCESSES, State.SKIPPED})


def judge_flow(call: "FlowCall", graph_run: GraphRun | None) -> Verdict:
    """Say how the attempt went whose code has been called."""
    run, error = call.run, call.error
    interrupted = judge_interruption(run)
    if interrupted is not None:
        return interrupted
    if isinstance(error, Skip):
        return Verdict(State.SKIPPED, describe(error)._replace(traceback=None), exception=error)
    if error is not None:
        return Verdict(_state_after(error, run), describe(error), exception=error)
    if graph_run is not None:
        return judge_graph(graph_run.graph, graph_run.task_runs)
    return _judge_value(call, call.value)


def _judge_value(call: "FlowCall", value: Any) -> Verdict:
    """Judge by what the body returned: a state says it, several states the worst of them, anything else is a value.

    A submitted task that failed, and whose failure nobody has seen, fails a flow that returns no state.
    """
    if isinstance(value, ReturnedState):
        return _judge_states(call, [value], value)
    run = call.run
    returned = [promise for promise, _ in promises_in(value) if isinstance(promise, Future)]
    unknown = [future for future in run.futures if not future.looked_at or future in returned]
    bad = [future.task_run for future in unknown if future.task_run.state not in _NO_FAILURE]
    if bad:
        return Verdict(State.FAILED, summarise(bad), exception=bad[0].error or FailedRun(bad[0].name))
    if isinstance(value, list | tuple | set) and value and all(isinstance(item, ReturnedState) for item in value):
        return _judge_states(call, list(value), value)
    return _keep(call, with_results(value, states=False))


def _keep(call: "FlowCall", value: Any) -> Verdict:
    try:
        result = None if value is None else keep(call, call.flow.options.keeping, value, _place(call))
    except Exception as failure:
        return Verdict(State.FAILED, describe(failure), exception=failure)
    return Verdict(State.COMPLETED, result=result, value=value)


def _place(call: "FlowCall") -> ResultPlace:
    return call.run.place(call.flow.name, -1)._replace(parameters=call.run.context.parameters)


def _judge_states(call: "FlowCall", states: list[ReturnedState], value: Any) -> Verdict:
    failures = [state for state in states if not state.is_completed()]
    if not failures:
        if value is not states[0]:
            return _keep(call, value)
        return _keep(call, value.data)._replace(message=value.message)
    first = failures[0]
    message = first.message or f"the flow returned {first.name}"
    if len(states) > 1:
        message = f"{len(failures)} of {len(states)} states the flow returned are failures; the first: {message}"
    exception = first.error or FailedRun(message)
    ended = first.type if len(states) == 1 and first.is_final() else State.FAILED
    return Verdict(ended, ErrorInfo(type(exception).__name__, message), exception=exception, message=message)


def _state_after(error: BaseException, run: Run) -> State:
    """Tell a task's time-out, which the body did not catch, from any other failure."""
    timed_out = any(task_run.error is error and task_run.state is State.TIMED_OUT for task_run in run.task_runs)
    return State.TIMED_OUT if timed_out else State.FAILED
