"""A flow that is called inside a run: a task run of the run that calls it, and a run of its own."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec

from tidemill.authoring.context import with_current_tags
from tidemill.authoring.flows import Flow, FunctionFlow
from tidemill.authoring.mapping import wrappers_are_made
from tidemill.authoring.task_options import TaskOptions
from tidemill.domain.errors import TidemillError
from tidemill.domain.events import RunEnded, SubflowStarted
from tidemill.domain.identifiers import new_run_id
from tidemill.domain.states import State
from tidemill.engine.calls.arguments import given
from tidemill.engine.flow_run import FlowCall, prepare_call
from tidemill.engine.interrupts import Interrupt
from tidemill.engine.invocation import carry, carry_awaiting
from tidemill.engine.invoking import ASYNC, ASYNC_GENERATOR, GENERATOR, kind_of
from tidemill.engine.run import Run
from tidemill.engine.run_names import name_run
from tidemill.engine.task_run import TaskRun
from tidemill.storage.history import NOTHING

_OPTIONS: Final = TaskOptions()
_SHOWN: Final = 64 * 1024
"""Bytes of a parameter up to which the record holds it as it is."""


def place_subflow(run: Run, flow: Flow, values: Mapping[str, Any], wait_for: Any = None) -> TaskRun:
    """Give a call of a flow its place in the run that calls it."""
    task_run = TaskRun(run, flow.name, _OPTIONS, flow.__class__)
    task_run.subflow = new_run_id()
    task_run.fn = _CARRIERS[kind_of(flow.fn) if isinstance(flow, FunctionFlow) else 0]
    task_run.args = (task_run, flow, values)
    if wait_for is not None or run.has_promises or wrappers_are_made():
        task_run.upstream = given(task_run.args, {}, wait_for)
    return task_run


def _carry_child(task_run: TaskRun, flow: Flow, values: Mapping[str, Any]) -> Any:
    call = _open(task_run, flow, values)
    carry(call)
    return _close(task_run, call)


async def _await_child(task_run: TaskRun, flow: Flow, values: Mapping[str, Any]) -> Any:
    call = _open(task_run, flow, values)
    await carry_awaiting(call)
    return _close(task_run, call)


def _stream_child(task_run: TaskRun, flow: Flow, values: Mapping[str, Any]) -> Any:
    from tidemill.engine.calls.streaming import stream

    return (yield from stream(partial(_open, task_run, flow, values), partial(_close, task_run)))


async def _stream_child_awaiting(task_run: TaskRun, flow: Flow, values: Mapping[str, Any]) -> Any:
    from tidemill.engine.calls.streaming import stream_awaiting

    async for value in stream_awaiting(partial(_open, task_run, flow, values), partial(_close, task_run)):
        yield value


_CARRIERS: Final = {
    0: _carry_child,
    ASYNC: _await_child,
    GENERATOR: _stream_child,
    ASYNC_GENERATOR: _stream_child_awaiting,
}


def _open(task_run: TaskRun, flow: Flow, values: Mapping[str, Any]) -> FlowCall:
    """Begin the child's run."""
    outer, prepared = task_run.run, prepare_call(flow, values)
    context = outer.context._replace(
        run_id=task_run.subflow or "",
        flow_name=flow.name,
        name=None,
        parameters=prepared.parameters,
        attempt=1,
        parent=outer.context.run_id,
        tags=with_current_tags(flow.options.tags),
    )
    run = task_run.child = outer.child(context, (task_run.name, task_run.occurrence))
    run.caller = task_run
    run.use(flow.options.task_runner)
    before = outer.earlier.get((task_run.name, task_run.occurrence))
    if before is not None and before.child is not None:
        run.continue_after(before.child)
    if flow.options.run_name is not None:
        run.context = context._replace(name=name_run(flow.options.run_name, prepared.parameters, run))
    shown = as_plain_data(prepared.parameters)
    run.sink.write(SubflowStarted(run.now(), outer.context.run_id, task_run.index, flow.name, shown, run.context.name))
    return FlowCall(prepared, run, flow.options.timeout)


def _close(task_run: TaskRun, call: FlowCall) -> Any:
    """End the child's run; return its value, or raise what made it fail."""
    verdict, run = call.conclude(), call.run
    ended = RunEnded(run.now(), verdict.state.value, verdict.error, verdict.result)
    if task_run.transaction is None:
        run.sink.write(ended)
    else:
        task_run.transaction.hold(run.sink, ended)
    run.close()
    task_run.said = verdict.said
    if verdict.state.is_success:
        task_run.result = verdict.handed or verdict.result or NOTHING
        return verdict.value
    if task_run.run.interruption is not None or isinstance(verdict.exception, Interrupt):
        raise task_run.run.interruption or verdict.exception or Interrupt
    task_run.ends_as = verdict.state if verdict.state.is_terminal else State.FAILED
    raise verdict.exception or TidemillError(f"flow {call.flow.name} ended as {verdict.state}")


def as_plain_data(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as the record shows them: JSON where they are, else how they look."""
    return {str(name): _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    try:
        data = msgspec.json.encode(value, enc_hook=repr)
    except Exception:
        data = b""
    if data and len(data) <= _SHOWN:
        return msgspec.json.decode(data)
    try:
        return repr(value)[:1000]
    except Exception as error:
        return f"<{type(value).__qualname__}, whose repr failed: {type(error).__name__}>"
