"""Flows and tasks that are called: inside a run they become part of it, outside they run here and now."""

from functools import partial
from typing import TYPE_CHECKING, Any

from tidemill.authoring.context import CURRENT_RUN, CURRENT_TASK
from tidemill.authoring.flows import Flow, FunctionFlow
from tidemill.authoring.tasks import Task
from tidemill.domain.errors import ParameterError
from tidemill.engine.calls.function_run import call_here, call_lazily, place_task, submit
from tidemill.engine.calls.subflows import place_subflow
from tidemill.engine.flow_run import prepare
from tidemill.engine.invoking import kind_of
from tidemill.engine.run import Run
from tidemill.engine.task_run import TaskRun
from tidemill.engine.verdicts import Verdict

if TYPE_CHECKING:
    from tidemill.authoring.flow_runs import FlowRun


class InPlace:
    """The engine as authoring sees it."""

    def call_task(
        self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], *, wait_for: Any, return_state: bool
    ) -> Any:
        """Run *task* here and return its value, or raise what it raised; its state where that is asked for.

        An async task returns a coroutine; it has its place in the run when that is awaited.
        """
        run = _live_run()
        if run is None:
            return _alone().call_task(task, args, kwargs, wait_for, return_state)
        kind = kind_of(task.fn)
        if kind:
            return call_lazily(kind, partial(place_task, run, task, args, kwargs, wait_for), return_state)
        return call_here(place_task(run, task, args, kwargs, wait_for), return_state=return_state)

    def submit_task(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], *, wait_for: Any) -> Any:
        """Start *task* beside the caller and return its future."""
        run = _live_run() or _alone().run_of_program()
        return submit(place_task(run, task, args, kwargs, wait_for))

    def map_task(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], *, wait_for: Any) -> Any:
        """Start *task* for every element of what it is mapped over and return the futures."""
        from tidemill.engine.calls.mapping import map_task

        return map_task(_live_run() or _alone().run_of_program(), task, args, kwargs, wait_for)

    def call_flow(
        self, flow: FunctionFlow, args: tuple[Any, ...], kwargs: dict[str, Any], *, wait_for: Any, return_state: bool
    ) -> Any:
        """Run a function flow here and return its value, or raise what it raised; its state where that is asked for.

        An async flow returns a coroutine.
        """
        try:
            arguments = dict(flow.signature.raw.bind_partial(*args, **kwargs).arguments)
        except TypeError as error:
            raise ParameterError(f"flow {flow.name} cannot be called like this: {error}") from None
        run, values = _live_run(), _by_name(flow, arguments)
        if run is None:
            return _alone().call_flow(flow, values, wait_for, return_state)
        place = partial(place_subflow, run, flow, values, wait_for)
        kind = kind_of(flow.fn)
        if kind:
            return call_lazily(kind, place, return_state)
        return call_here(place(), return_state=return_state)

    def run_flow(self, flow: Flow, parameters: dict[str, Any]) -> "FlowRun":
        """Run *flow* here and return what became of it; inside another run raise what made it fail."""
        outer = _live_run()
        if outer is None:
            alone: FlowRun = _alone().run_flow(prepare(flow, parameters))
            return alone
        task_run = place_subflow(outer, flow, parameters)
        value = call_here(task_run, return_state=False)
        from tidemill.engine.calls.local import called_flow_run

        return called_flow_run(task_run, Verdict(task_run.state, value=value))


def _live_run() -> Run | None:
    """Return the run that the calling code is part of: that of its task, else that of the flow's body."""
    task = CURRENT_TASK.get()
    run = task.run if isinstance(task, TaskRun) else CURRENT_RUN.get()
    return run if isinstance(run, Run) else None


def _alone() -> Any:
    """Return what runs flows and tasks outside of runs; no run process has a use for it."""
    from tidemill.engine.calls import alone

    return alone


def _by_name(flow: FunctionFlow, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return bound arguments with those of ``**kwargs`` among the others."""
    raw = flow.signature.raw
    values: dict[str, Any] = {}
    for name, value in arguments.items():
        if raw.parameters[name].kind is raw.parameters[name].VAR_KEYWORD:
            values.update(value)
        else:
            values[name] = value
    return values
