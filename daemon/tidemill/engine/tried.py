"""Task runs and flows as retries see them: what is called, since when, and how the author's own functions are called.

Imported at the first failure.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tidemill.authoring.context import CURRENT_RUN, CURRENT_TASK
from tidemill.authoring.flows import FunctionFlow
from tidemill.authoring.states import State as ReturnedState
from tidemill.domain.states import State
from tidemill.engine.hooks import view_run, view_task_run
from tidemill.engine.interrupts import Interrupt
from tidemill.engine.invocation import Invocation
from tidemill.engine.invoking import invoke_code
from tidemill.engine.retrying import Retries, Tried
from tidemill.engine.warden import Call

if TYPE_CHECKING:
    from tidemill.engine.flow_run import FlowCall
    from tidemill.engine.task_run import TaskRun

_MICROSECONDS: Final = 1_000_000


def retries_of_task(task_run: "TaskRun") -> Retries:
    """Return the attempts of a task run so far, as its policy sees them."""
    if task_run.retries is None:
        policy = task_run.options.retry
        tried = _tried(task_run, f"task {task_run.name}", task_run.name, task_run.since or task_run.started_at)
        tried.fn, tried.args, tried.kwargs = task_run.fn, task_run.args, task_run.kwargs
        if policy.condition_fn is not None:
            tried.accepts = partial(_accepts_task, task_run, tried.call)
        task_run.retries = Retries(policy, tried)
    return task_run.retries


def retries_of_flow(call: "FlowCall") -> Retries:
    """Return the attempts of a flow so far, as its policy sees them."""
    if call.retries is None:
        policy = call.flow.options.retry
        tried = _tried(call, f"flow {call.flow.name}", "-", call.since)
        if isinstance(call.flow, FunctionFlow):
            tried.fn, tried.args, tried.kwargs = call.fn, call.args, call.kwargs
        if policy.condition_fn is not None:
            tried.accepts = partial(_accepts_flow, call, tried.call)
        call.retries = Retries(policy, tried)
    return call.retries


def _tried(invocation: Invocation, name: str, task: str, since: int | None) -> Tried:
    run = invocation.run
    return Tried(
        name=name,
        spent=lambda: 0.0 if since is None else max(0.0, (run.now() - since) / _MICROSECONDS),
        call=partial(_call, invocation),
        warn=lambda text: run.tell(task, "WARNING", text),
    )


def _call(invocation: Invocation, fn: Callable[..., Any], *args: Any) -> Any:
    """Call a function of the author's as part of what is tried: it can be cancelled, and may log and be async."""
    run = invocation.run
    token, run_token = CURRENT_TASK.set(invocation.visible), CURRENT_RUN.set(run)
    try:
        value, error = invoke_code(run, Call(), fn, args=args, kwargs={})
    finally:
        CURRENT_RUN.reset(run_token)
        CURRENT_TASK.reset(token)
    if error is None:
        return value
    if isinstance(error, Exception | Interrupt | KeyboardInterrupt):
        raise error
    raise RuntimeError(f"{type(error).__name__}: {error}") from error


def _accepts_task(task_run: "TaskRun", call: Callable[..., Any], error: BaseException) -> bool:
    state = _failed(task_run.state, error)
    return bool(call(task_run.options.retry.condition_fn, task_run.task, view_task_run(task_run, state), state))


def _accepts_flow(flow_call: "FlowCall", call: Callable[..., Any], error: BaseException) -> bool:
    flow, state = flow_call.flow, _failed(flow_call.verdict.state, error)
    return bool(call(flow.options.retry.condition_fn, flow, view_run(flow_call.run, state), state))


def _failed(state: State, error: BaseException) -> ReturnedState:
    return ReturnedState(state, message=f"{type(error).__name__}: {error}", data=error, error=error)
