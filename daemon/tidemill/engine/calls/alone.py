"""Flows and tasks called in plain Python, outside of any run: each is a run of its own, in this process."""

from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tidemill.authoring.flow_runs import FlowRun
from tidemill.authoring.flows import FunctionFlow
from tidemill.authoring.tasks import Task, definition_of
from tidemill.domain.errors import TidemillError
from tidemill.domain.states import State
from tidemill.engine.calls.arguments import given
from tidemill.engine.calls.function_run import final_state, outcome, place_task
from tidemill.engine.calls.local import flow_run, local_run
from tidemill.engine.flow_run import FlowCall, Prepared, prepare_call
from tidemill.engine.invocation import carry, carry_awaiting
from tidemill.engine.invoking import ASYNC, ASYNC_GENERATOR, GENERATOR, kind_of
from tidemill.engine.run import Run
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
    """Run a task that no flow has called; an async one or a generator when what this returns is taken."""
    definition = definition_of(task)
    run = local_run(definition.name, definition.place.file, None)
    run.has_promises = True
    place = partial(place_task, run, task, args, kwargs, wait_for)
    return _carried(kind_of(task.fn), run, place, final_state if return_state else outcome)


def call_flow(flow: FunctionFlow, values: dict[str, Any], wait_for: Any, return_state: bool) -> Any:
    """Carry out a flow that no other has called; an async one or a generator when what this returns is taken."""
    awaited, kind = given((), values, wait_for), kind_of(flow.fn)
    call = _begin(prepare_call(flow, values if awaited is None else awaited.results()))
    return _carried(kind, call.run, lambda: call, partial(_ended, return_state=return_state))


def run_flow(made: Prepared) -> FlowRun:
    """Carry out a flow that no other has called, and return what became of it."""
    call = _begin(made)
    with _opened(call.run):
        carry(call)
        return flow_run(call.run, _verdict(call))


def _carried(kind: int, run: Run, place: Callable[[], Any], conclude: Callable[[Any], Any]) -> Any:
    """Carry an invocation through, in the way that its function asks for."""
    if kind == ASYNC:
        return _await(run, place, conclude)
    if kind == GENERATOR:
        return _stream(run, place, conclude)
    if kind == ASYNC_GENERATOR:
        return _stream_awaiting(run, place, conclude)
    with _opened(run):
        invocation = place()
        carry(invocation)
        return conclude(invocation)


async def _await(run: Run, place: Callable[[], Any], conclude: Callable[[Any], Any]) -> Any:
    with _opened(run):
        invocation = place()
        await carry_awaiting(invocation)
        return conclude(invocation)


def _stream(run: Run, place: Callable[[], Any], conclude: Callable[[Any], Any]) -> Generator[Any, Any, Any]:
    from tidemill.engine.calls.streaming import stream

    with _opened(run):
        return (yield from stream(place, conclude))


async def _stream_awaiting(
    run: Run, place: Callable[[], Any], conclude: Callable[[Any], Any]
) -> AsyncGenerator[Any, Any]:
    from tidemill.engine.calls.streaming import stream_awaiting

    with _opened(run):
        async for value in stream_awaiting(place, conclude):
            yield value


@contextmanager
def _opened(run: Run) -> Iterator[None]:
    run.warden.open()
    try:
        yield
    finally:
        run.close()


def _begin(made: Prepared) -> FlowCall:
    flow = made.flow
    return FlowCall(made, local_run(flow.name, flow.place.file, flow.options, made.parameters), flow.options.timeout)


def _ended(call: FlowCall, *, return_state: bool) -> Any:
    verdict = _verdict(call)
    if return_state:
        return returned_state(verdict, call.run)
    if verdict.state.is_success or verdict.state is State.SKIPPED:
        return verdict.value
    raise verdict.exception or TidemillError(f"flow {call.flow.name} ended as {verdict.state}")


def _verdict(call: FlowCall) -> Verdict:
    """Return how the flow went; Ctrl-C is the caller's, not the flow's."""
    verdict = call.conclude()
    for task_run in call.run.task_runs:
        if isinstance(task_run.error, KeyboardInterrupt):
            raise task_run.error
    return verdict
