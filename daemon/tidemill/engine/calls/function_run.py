"""Tasks that are called or submitted inside a run: each becomes a task run, in the order of the calls."""

from collections.abc import Callable
from typing import Any

from tidemill.authoring.context import CURRENT_TAGS, with_current_tags
from tidemill.authoring.mapping import Mapped, wrappers_are_made
from tidemill.authoring.parameters import Parameter
from tidemill.authoring.states import State as ReturnedState
from tidemill.authoring.tasks import Task, definition_of, signature_of
from tidemill.domain.errors import TidemillError
from tidemill.domain.states import State
from tidemill.engine.calls.arguments import given
from tidemill.engine.calls.futures import Future
from tidemill.engine.hooks import state_of
from tidemill.engine.interrupts import Cancelled, Interrupt
from tidemill.engine.invocation import carry, carry_awaiting
from tidemill.engine.invoking import ASYNC, GENERATOR, Shield
from tidemill.engine.resuming import value_of
from tidemill.engine.run import Run
from tidemill.engine.runners.task_code import code_of
from tidemill.engine.task_run import TaskRun, execute_elsewhere


def place_task(run: Run, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any = None) -> TaskRun:
    """Give a call of *task* its place in the run."""
    definition = definition_of(task)
    if definition.bound:
        args, kwargs = _with_bound(run, task, args, kwargs)
    options = definition.options
    if CURRENT_TAGS.get():
        options = options._replace(tags=with_current_tags(options.tags))
    task_run = TaskRun(run, definition.name, options, code_of(task), task)
    if wait_for is not None or run.has_promises or wrappers_are_made():
        task_run.upstream = given(args, kwargs, wait_for)
    task_run.args, task_run.kwargs = args, kwargs
    return task_run


def call_here(task_run: TaskRun, *, return_state: bool) -> Any:
    """Carry a task run through to its end here; return its value or raise what it raised, or return its state."""
    with Shield(task_run.run):
        carry(task_run)
    return final_state(task_run) if return_state else outcome(task_run)


async def await_here(place: Callable[[], TaskRun], *, return_state: bool) -> Any:
    """Do the same inside an event loop, which goes on meanwhile; it has its place when it is awaited."""
    task_run = place()
    await carry_awaiting(task_run)
    if isinstance(task_run.error, Interrupt) and task_run.run.interruption is not None:
        # The end of the whole run reaches the loop's tasks in asyncio's own way, of which it makes no unhandled errors.
        import asyncio

        raise asyncio.CancelledError
    return final_state(task_run) if return_state else outcome(task_run)


def call_lazily(kind: int, place: Callable[[], TaskRun], return_state: bool) -> Any:
    """Return what calling an async function or a generator returns; its task run begins when that does."""
    if kind == ASYNC:
        return await_here(place, return_state=return_state)
    # Few tasks are generators.
    from tidemill.engine.calls.streaming import stream, stream_awaiting

    return (stream if kind == GENERATOR else stream_awaiting)(place, outcome)


def submit(task_run: TaskRun) -> Future:
    """Start a task run beside the caller."""
    run = task_run.run
    with Shield(run):
        upstream = () if task_run.upstream is None else task_run.upstream.futures
        run.promise()
        execute_elsewhere(task_run)
        future = Future(run, task_run, upstream)
        run.futures.append(future)
        return future.start()


def outcome(task_run: TaskRun) -> Any:
    """Return the value of a task run that has ended, or raise what ended it."""
    if task_run.state.is_success:
        return value_of(task_run)
    if task_run.state is State.SKIPPED:
        return None
    if isinstance(task_run.error, Interrupt) or task_run.error is None:
        raise (task_run.run.interruption or Cancelled)
    raise task_run.error


def final_state(task_run: TaskRun) -> ReturnedState:
    """Return the state a task run ended in; raise what ends the whole run."""
    if isinstance(task_run.error, Interrupt) and task_run.run.interruption is not None:
        raise task_run.error
    task_run.run.promise()
    return state_of(task_run)


def _with_bound(
    run: Run, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with the task's bound values in them; a task that is bound is run for its result."""
    named = dict(signature_of(task).raw.bind_partial(*args).arguments) if args else {}
    values = {
        name: _bound_value(run, task, value)
        for name, value in definition_of(task).bound.items()
        if name not in named and name not in kwargs
    }
    return args, {**values, **kwargs}


def _bound_value(run: Run, task: Task, value: Any) -> Any:
    if isinstance(value, Task):
        return call_here(place_task(run, value, (), {}), return_state=False)
    if isinstance(value, Mapped | Parameter):
        raise TidemillError(
            f"task {task.name} is bound to {value!r}, which only a declared flow can fill: inside a flow function"
            " give it the value, or call .map() there"
        )
    return value
