"""Calls the functions that authors want called when a run or a task run reaches a state."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from tidemill.authoring.hooks import Hook
from tidemill.authoring.states import State as ReturnedState
from tidemill.domain.states import State
from tidemill.domain.times import from_micros
from tidemill.engine.failures import describe
from tidemill.engine.invoking import run_coroutine
from tidemill.engine.resuming import value_of
from tidemill.engine.run import Run

if TYPE_CHECKING:
    from tidemill.authoring.run_views import FlowRunView, TaskRunView
    from tidemill.engine.task_run import TaskRun

_KINDS: Final = {
    State.RUNNING: "on_running",
    State.COMPLETED: "on_completion",
    State.CACHED: "on_completion",
    State.FAILED: "on_failure",
    State.TIMED_OUT: "on_failure",
    State.CANCELLED: "on_cancellation",
    State.CRASHED: "on_crashed",
}


def call_task_hooks(task_run: "TaskRun") -> None:
    """Call the task's hooks for the state it is in."""
    hooks = task_run.options.hooks.get(_KINDS.get(task_run.state, ""), ())
    if hooks:
        state = state_of(task_run)
        _call(hooks, (task_run.task, view_task_run(task_run, state), state), task_run.run, task_run.name)


def call_flow_hooks(flow: Any, run: Run, state: ReturnedState) -> None:
    """Call the flow's hooks for *state*."""
    hooks = flow.options.hooks.get(_KINDS.get(state.kind, ""), ())
    if hooks:
        _call(hooks, (flow, view_run(run, state), state), run, "-")


def state_of(task_run: "TaskRun") -> ReturnedState:
    """Return the state of a task run as authors see it."""
    failure, said, kind = task_run.failure, task_run.said, task_run.state
    message = failure.line if failure is not None and task_run.error is not None else None
    name = said.name if said is not None and said.kind is kind else None
    state = ReturnedState(
        kind,
        name=name,
        message=(said.message if said is not None else None) or message,
        data=said.data if said is not None and not kind.is_success else value_of(task_run),
        error=task_run.error,
    )
    state.of = task_run_id(task_run)
    return state


def task_run_id(task_run: "TaskRun") -> str:
    """Return what a task run is known by: the run's id and the task's place in it."""
    return f"{task_run.run.context.run_id}/{task_run.index}"


def view_run(run: Run, state: ReturnedState | None = None) -> "FlowRunView":
    """Return a run as authors see it."""
    # Few runs are looked at, and every fork server would hold it.
    from tidemill.authoring.run_views import FlowRunView

    context, began = run.context, from_micros(run.since)
    return FlowRunView(
        id=context.run_id,
        name=context.name or context.run_id,
        flow_name=context.flow_name,
        parameters=context.parameters,
        tags=context.tags,
        state=state,
        run_count=context.attempt,
        expected_start_time=context.scheduled_for or began,
        parent_flow_run_id=context.parent,
        start_time=began,
    )


def view_task_run(task_run: "TaskRun", state: ReturnedState | None = None) -> "TaskRunView":
    """Return a task run as authors see it."""
    from tidemill.authoring.run_views import TaskRunView

    return TaskRunView(
        id=task_run_id(task_run),
        name=task_run.run_name or task_run.name,
        task_name=task_run.name,
        flow_run_id=task_run.run.context.run_id,
        tags=task_run.options.tags,
        state=state or state_of(task_run),
        run_count=task_run.attempt,
        start_time=None if task_run.started_at is None else from_micros(task_run.started_at),
    )


def _call(hooks: Iterable[Hook], arguments: tuple[Any, ...], run: Run, task: str) -> None:
    for hook in hooks:
        try:
            answer = hook(*arguments)
            if hasattr(answer, "__await__"):
                run_coroutine(answer)
        except Exception as error:
            # A hook is an observer: what it makes of a run's end changes nothing about it.
            name = getattr(hook, "__name__", repr(hook))
            run.tell(task, "ERROR", f"the hook {name} failed\n{describe(error).traceback or error}")
