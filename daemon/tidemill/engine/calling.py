"""Flows and tasks that are called: inside a run they become part of it, outside they run here and now."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tidemill.authoring.context import CURRENT_RUN, RunContext
from tidemill.authoring.flow_runs import FlowRun, TaskOutcome
from tidemill.authoring.flows import Flow, FunctionFlow
from tidemill.authoring.tasks import Task, definition_of
from tidemill.domain.errors import ParameterError, TidemillError
from tidemill.domain.events import Event
from tidemill.domain.identifiers import new_run_id
from tidemill.domain.results import ResultInfo
from tidemill.domain.states import State
from tidemill.engine.flow_run import carry_out, prepare
from tidemill.engine.function_run import await_task, call_task, submit_task
from tidemill.engine.interrupts import Interrupt
from tidemill.engine.invoking import in_event_loop
from tidemill.engine.run import Run
from tidemill.engine.task_run import TaskRun
from tidemill.engine.verdicts import Verdict
from tidemill.storage.places import ResultPlace

_ASYNC_FLAG = 0x80


class InPlace:
    """The engine as authoring sees it."""

    def call_task(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run *task* here and return its value, or raise what it raised."""
        run = _live_run()
        if run is None:
            return _call_alone(task, args, kwargs)
        if in_event_loop() and _is_async(task.fn):
            return await_task(run, task, args, kwargs)
        return call_task(run, task, args, kwargs)

    def submit_task(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Start *task* beside the caller and return its future."""
        run = _live_run()
        if run is None:
            raise TidemillError(f"task {task.name} can be submitted inside a flow only; call it: {task.name}(…)")
        return submit_task(run, task, args, kwargs)

    def call_flow(self, flow: FunctionFlow, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function flow here and return its value, or raise what it raised."""
        try:
            given = flow.signature.raw.bind_partial(*args, **kwargs)
        except TypeError as error:
            raise ParameterError(f"flow {flow.name} cannot be called like this: {error}") from None
        values = _by_name(flow, dict(given.arguments))
        return _await_flow(flow, values) if _is_async(flow.fn) else _value_of(flow, values)

    def run_flow(self, flow: Flow, parameters: dict[str, Any]) -> FlowRun:
        """Run *flow* here and return what became of it; inside another run raise what made it fail."""
        is_part = _live_run() is not None
        run, verdict, task_runs = _run_here(flow, parameters)
        if is_part and not verdict.state.is_success:
            raise verdict.exception or TidemillError(f"flow {flow.name} ended as {verdict.state}")
        return FlowRun(
            run_id=run.context.run_id,
            flow_name=flow.name,
            state=verdict.state,
            value=verdict.value,
            error=verdict.error,
            exception=verdict.exception,
            tasks=_outcomes(task_runs),
        )


class Nowhere:
    """Takes the events of a run that nobody records."""

    def write(self, event: Event) -> None:
        """Let it pass."""


class InMemory:
    """Keeps no results: they are in memory for as long as the caller holds them."""

    def write(self, value: Any, place: ResultPlace) -> ResultInfo | None:
        """Keep nothing."""
        return None

    def read(self, info: ResultInfo) -> Any:
        """Refuse: nothing was kept."""
        raise TidemillError("the result was not kept")


def _value_of(flow: FunctionFlow, values: dict[str, Any]) -> Any:
    verdict = _run_here(flow, values)[1]
    if verdict.state.is_success:
        return verdict.value
    raise verdict.exception or TidemillError(f"flow {flow.name} ended as {verdict.state}")


async def _await_flow(flow: FunctionFlow, values: dict[str, Any]) -> Any:
    """Run an async flow for a caller that awaits it, in a thread with a loop of its own: both loops stay free."""
    import asyncio

    return await asyncio.to_thread(_value_of, flow, values)


def _live_run() -> Run | None:
    run = CURRENT_RUN.get()
    return run if isinstance(run, Run) else None


def _is_async(fn: Any) -> bool:
    code = getattr(getattr(fn, "__func__", fn), "__code__", None)
    return code is not None and bool(code.co_flags & _ASYNC_FLAG)


def _local_run(name: str, file: str, max_workers: int | None) -> Run:
    folder = Path(file).parent if file and not file.startswith("<") else Path.cwd()
    context = RunContext(run_id=new_run_id(), flow_name=name, folder=folder.resolve())
    run = Run(context, Nowhere(), InMemory(), max_workers=max_workers or 4)
    run.is_local = True
    return run


def _call_alone(task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a task that no flow has called, as a run of its own."""
    definition = definition_of(task)
    run = _local_run(definition.name, definition.place.file, None)
    if _is_async(task.fn):
        return _await_alone(run, task, args, kwargs)
    token = CURRENT_RUN.set(run)
    run.warden.open()
    try:
        return call_task(run, task, args, kwargs)
    finally:
        run.warden.close()
        run.pool.close()
        CURRENT_RUN.reset(token)


async def _await_alone(run: Run, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    token = CURRENT_RUN.set(run)
    try:
        return await await_task(run, task, args, kwargs)
    finally:
        run.warden.close()
        run.pool.close()
        CURRENT_RUN.reset(token)


def _run_here(flow: Flow, parameters: dict[str, Any]) -> tuple[Run, Verdict, list[TaskRun]]:
    """Carry out *flow* as part of the run that is going on, else as a run of its own."""
    outer = _live_run()
    if outer is not None:
        return _run_within(outer, flow, parameters)
    run = _local_run(flow.name, flow.place.file, flow.options.max_workers)
    prepared = prepare(flow, run, parameters)
    run.warden.open()
    try:
        if flow.options.timeout is not None:
            run.warden.at(flow.options.timeout, run.expire)
        verdict = carry_out(prepared)
        for task_run in run.task_runs:
            if isinstance(task_run.error, KeyboardInterrupt):
                raise task_run.error
        return run, verdict, run.task_runs
    finally:
        run.warden.close()
        run.pool.close()


def _run_within(run: Run, flow: Flow, parameters: dict[str, Any]) -> tuple[Run, Verdict, list[TaskRun]]:
    first = len(run.task_runs)
    outer = run.context
    try:
        verdict = carry_out(prepare(flow, run, parameters))
    finally:
        run.context = replace(outer)
    if isinstance(verdict.exception, Interrupt):
        raise verdict.exception
    return run, verdict, run.task_runs[first:]


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


def _outcomes(task_runs: Iterable[TaskRun]) -> dict[str, TaskOutcome]:
    outcomes: dict[str, TaskOutcome] = {}
    for task_run in task_runs:
        name, number = task_run.name, 1
        while name in outcomes:
            number += 1
            name = f"{task_run.name}-{number}"
        outcomes[name] = TaskOutcome(
            name=name,
            index=task_run.index,
            state=State(task_run.state),
            attempts=max(task_run.attempt, 0),
            value=task_run.value,
            error=task_run.failure if not task_run.state.is_success else None,
            exception=task_run.error,
        )
    return outcomes
