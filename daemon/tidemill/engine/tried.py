"""Task runs and flows as retries see them: what is called, since when, and how the author's own functions are called.

Imported at the first failure.
"""

from collections.abc import Callable
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
        task_run.retries = Retries(task_run.options.retry, TriedTask(task_run))
    return task_run.retries


def retries_of_flow(call: "FlowCall") -> Retries:
    """Return the attempts of a flow so far, as its policy sees them."""
    if call.retries is None:
        call.retries = Retries(call.flow.options.retry, TriedFlow(call))
    return call.retries


class TriedTask(Tried):
    """A task run is tried again."""

    def __init__(self, task_run: "TaskRun") -> None:
        self._task_run = task_run
        self.name = f"task {task_run.name}"
        self.fn, self.args, self.kwargs = task_run.fn, task_run.args, task_run.kwargs

    def spent(self) -> float:
        """Return the seconds since its first attempt began, in this attempt of its flow."""
        return _spent(self._task_run, self._task_run.since or self._task_run.started_at)

    def call(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Call a function of the author's as part of the task."""
        return _call(self._task_run, fn, args)

    def warn(self, text: str) -> None:
        """Tell the run's log, under the task's name."""
        self._task_run.run.tell(self._task_run.name, "WARNING", text)

    def accepts(self, error: BaseException) -> bool:
        """Ask Prefect's ``retry_condition_fn``."""
        task_run = self._task_run
        condition, state = task_run.options.retry.condition_fn, _failed(task_run.state, error)
        return condition is None or bool(self.call(condition, task_run.task, view_task_run(task_run, state), state))


class TriedFlow(Tried):
    """A flow is tried again."""

    def __init__(self, call: "FlowCall") -> None:
        self._call = call
        self.name = f"flow {call.flow.name}"
        if isinstance(call.flow, FunctionFlow):
            self.fn, self.args, self.kwargs = call.fn, call.args, call.kwargs

    def spent(self) -> float:
        """Return the seconds since its first attempt began."""
        return _spent(self._call, self._call.since)

    def call(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Call a function of the author's as part of the flow's own body."""
        return _call(self._call, fn, args)

    def warn(self, text: str) -> None:
        """Tell the run's log."""
        self._call.run.tell("-", "WARNING", text)

    def accepts(self, error: BaseException) -> bool:
        """Ask ``retry_condition_fn``, with the flow and its run."""
        flow, run = self._call.flow, self._call.run
        condition, state = flow.options.retry.condition_fn, _failed(self._call.verdict.state, error)
        return condition is None or bool(self.call(condition, flow, view_run(run, state), state))


def _call(invocation: Invocation, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call *fn* so that it can be cancelled, and may log and be async."""
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


def _spent(invocation: Invocation, since: int | None) -> float:
    return 0.0 if since is None else max(0.0, (invocation.run.now() - since) / _MICROSECONDS)


def _failed(state: State, error: BaseException) -> ReturnedState:
    return ReturnedState(state, message=f"{type(error).__name__}: {error}", data=error, error=error)
