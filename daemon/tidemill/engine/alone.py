"""Flows and tasks called in plain Python, outside of any run: each is a run of its own, in this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tidemill.authoring.context import CURRENT_RUN
from tidemill.authoring.flow_runs import FlowRun
from tidemill.authoring.flows import Flow, FunctionFlow
from tidemill.authoring.tasks import Task, definition_of
from tidemill.domain.errors import TidemillError
from tidemill.engine.flow_run import FlowCall, Prepared
from tidemill.engine.function_run import await_here, call_here, place_task
from tidemill.engine.invocation import carry, carry_awaiting
from tidemill.engine.invoking import is_async
from tidemill.engine.local import flow_run, local_run
from tidemill.engine.run import Run
from tidemill.engine.task_run import TaskRun
from tidemill.engine.verdicts import Verdict, returned_state

_program: list[Run] = []


def run_of_program() -> Run:
    """Return the run that tasks belong to which a plain program submits outside of flows."""
    if not _program:
        import atexit

        run = local_run("program", "", None)
        run.has_promises = True
        _program.append(run)
        # Its threads are daemons: what was submitted must not be lost when the program ends.
        atexit.register(lambda: [future.wait() for future in run.futures])
    return _program[0]


def call_task(task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any, return_state: bool) -> Any:
    """Run a task that no flow has called; an async one when what this returns is awaited."""
    definition = definition_of(task)
    run = local_run(definition.name, definition.place.file, None)
    run.has_promises = True
    place = partial(place_task, run, task, args, kwargs, wait_for)
    if is_async(task.fn):
        return _await_task(run, place, return_state)
    with _opened(run):
        return call_here(place(), return_state=return_state)


def call_flow(made: Prepared, return_state: bool) -> Any:
    """Carry out a function flow that no other has called; an async one when what this returns is awaited."""
    if isinstance(made.flow, FunctionFlow) and is_async(made.flow.fn):
        return _await_flow(made, return_state)
    return _ended(_carry_flow(made)[1], made.flow, return_state)


def run_flow(made: Prepared) -> FlowRun:
    """Carry out a flow that no other has called, and return what became of it."""
    return flow_run(*_carry_flow(made))


@contextmanager
def _opened(run: Run) -> Iterator[None]:
    run.warden.open()
    token = CURRENT_RUN.set(run)
    try:
        yield
    finally:
        CURRENT_RUN.reset(token)
        run.warden.close()
        run.pool.close()


async def _await_task(run: Run, place: Callable[[], TaskRun], return_state: bool) -> Any:
    with _opened(run):
        return await await_here(place, return_state=return_state)


def _carry_flow(made: Prepared) -> tuple[Run, Verdict]:
    call = _begin(made)
    with _opened(call.run):
        carry(call)
        verdict = call.conclude()
        for task_run in call.run.task_runs:
            if isinstance(task_run.error, KeyboardInterrupt):
                raise task_run.error
    return call.run, verdict


async def _await_flow(made: Prepared, return_state: bool) -> Any:
    call = _begin(made)
    with _opened(call.run):
        await carry_awaiting(call)
        return _ended(call.conclude(), made.flow, return_state)


def _begin(made: Prepared) -> FlowCall:
    flow = made.flow
    return FlowCall(made, local_run(flow.name, flow.place.file, flow.options, made.parameters), flow.options.timeout)


def _ended(verdict: Verdict, flow: Flow, return_state: bool) -> Any:
    if return_state:
        return returned_state(verdict)
    if verdict.state.is_success:
        return verdict.value
    raise verdict.exception or TidemillError(f"flow {flow.name} ended as {verdict.state}")
