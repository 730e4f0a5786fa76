"""Says how a flow's attempt went, and keeps what a function flow returned."""

from typing import TYPE_CHECKING, Any, Final

from tidemill.authoring.states import FailedRun
from tidemill.authoring.states import State as ReturnedState
from tidemill.domain.errors import Skip
from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.domain.states import SUCCESSES, State
from tidemill.engine.calls.arguments import promises_in, with_results, with_states
from tidemill.engine.failures import describe, message_of, type_name
from tidemill.engine.graphs.graph_judging import judge_graph
from tidemill.engine.graphs.graph_run import GraphRun
from tidemill.engine.keeping import keep, keep_by_default
from tidemill.engine.returned_states import ends_as, is_authors_own, said_by
from tidemill.engine.run import Run
from tidemill.engine.verdicts import Verdict, judge_interruption, summarise
from tidemill.storage.places import ResultPlace

if TYPE_CHECKING:
    from tidemill.engine.flow_run import FlowCall
    from tidemill.engine.task_run import TaskRun

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
    """Judge by what the body returned: a state that it made says it; of others the worst; anything else is a value.

    Futures in the value reach the caller as states, as those of tasks do. A submitted task that failed, and whose
    failure nobody has seen, fails a flow that returns no state.
    """
    run, returned = call.run, [promise for promise, _ in promises_in(value)]
    given = with_states(value) if returned else value
    said = said_by(given)
    if not is_authors_own(said):
        unknown = [future for future in run.futures if not future.looked_at or future in returned]
        bad = [future.task_run for future in unknown if future.task_run.state not in _NO_FAILURE]
        if bad:
            ended = State.FAILED if said is None else ends_as(said)
            handed = ReturnedState(ended, data=given) if returned else None
            exception = bad[0].error or FailedRun(bad[0].name)
            return Verdict(ended, summarise(bad), exception=exception, said=handed)
    if said is None:
        return _keep(call, given)
    if said.is_completed():
        return _keep(call, said.data)._replace(said=said)
    exception = said.exception()
    # The state of a task names the exception's type already.
    message = said.message if said is not given or is_authors_own(said) else None
    error = ErrorInfo(type_name(exception), message or message_of(exception))
    return Verdict(ends_as(said), error, exception=exception, said=said)


def _keep(call: "FlowCall", value: Any) -> Verdict:
    """Keep the values; what holds states is kept as it is too, for an attempt that calls the flow no more."""
    plain, caller = with_results(value), call.run.caller
    try:
        result = None if plain is None else keep(call, call.flow.options.keeping, plain, _place(call))
        handed = None if plain is value or caller is None else _keep_as_handed(caller, value)
    except Exception as failure:
        return Verdict(State.FAILED, describe(failure), exception=failure)
    return Verdict(State.COMPLETED, result=result, value=value, handed=handed)


def _keep_as_handed(caller: "TaskRun", value: Any) -> ResultInfo | None:
    return keep_by_default(caller.run, value, caller.name, caller.index)


def _place(call: "FlowCall") -> ResultPlace:
    return call.run.place(call.flow.name, -1)._replace(parameters=call.run.context.parameters)


def _state_after(error: BaseException, run: Run) -> State:
    """Tell a task's time-out, which the body did not catch, from any other failure."""
    timed_out = any(task_run.error is error and task_run.state is State.TIMED_OUT for task_run in run.task_runs)
    return State.TIMED_OUT if timed_out else State.FAILED
