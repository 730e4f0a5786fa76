"""Carries a function flow: its body is called, and the tasks it calls become task runs as they come."""

import inspect
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from tidemill.authoring.flows import FunctionFlow
from tidemill.authoring.tasks import Task, definition_of, signature_of
from tidemill.domain.events import RunRetrying, TaskEnded
from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.domain.states import State
from tidemill.engine.failures import describe
from tidemill.engine.futures import Future, futures_in, with_results
from tidemill.engine.interrupts import Cancelled, Interrupt
from tidemill.engine.invoking import Shield, invoke_code
from tidemill.engine.retrying import Retries
from tidemill.engine.run import Run
from tidemill.engine.task_run import TaskRun, attempt, attempt_awaiting, end
from tidemill.engine.verdicts import Verdict, judge_interruption, summarise
from tidemill.engine.warden import Call


def carry_out_function(flow: FunctionFlow, run: Run, parameters: Mapping[str, Any]) -> Verdict:
    """Call the flow's body, again where its own retries say so, and judge it."""
    retries = Retries(flow.options.retry)
    attempts = 0
    while True:
        attempts += 1
        verdict = _call_body(flow, run, parameters)
        if verdict.state is not State.FAILED or not flow.options.retry.allows_any or verdict.exception is None:
            return verdict
        delay = retries.delay_after_error(verdict.exception)
        if delay is None or run.interruption is not None:
            return verdict
        now = run.now()
        run.sink.write(
            RunRetrying(now, attempts, now + int(delay * 1_000_000), verdict.error or ErrorInfo("Failed", ""))
        )
        if not run.pause(delay):
            return judge_interruption(run) or verdict
        run.begin_again()


def _call_body(flow: FunctionFlow, run: Run, parameters: Mapping[str, Any]) -> Verdict:
    arguments = arrange(flow, parameters)
    first = len(run.futures)
    value, error = invoke_code(run, Call(), flow.fn, args=arguments.args, kwargs=arguments.kwargs)
    for future in run.futures[first:]:
        looked_at = future.looked_at
        future.wait()
        future.looked_at = looked_at
    interrupted = judge_interruption(run)
    if interrupted is not None:
        return interrupted
    if error is not None:
        return Verdict(_state_after(error, run), describe(error), exception=error)
    returned = list(futures_in(value))
    unknown = [future for future in run.futures[first:] if not future.looked_at or future in returned]
    bad = [future.task_run for future in unknown if not future.task_run.state.is_success]
    if bad:
        return Verdict(State.FAILED, summarise(bad), exception=bad[0].error)
    value = with_results(value)
    try:
        result = _keep(flow, run, value)
    except Exception as failure:
        return Verdict(State.FAILED, describe(failure), exception=failure)
    return Verdict(State.COMPLETED, result=result, value=value)


def _state_after(error: BaseException, run: Run) -> State:
    """Tell a task's time-out, which the body did not catch, from any other failure."""
    timed_out = any(task_run.error is error and task_run.state is State.TIMED_OUT for task_run in run.task_runs)
    return State.TIMED_OUT if timed_out else State.FAILED


def _keep(flow: FunctionFlow, run: Run, value: Any) -> ResultInfo | None:
    if value is None:
        return None
    info: ResultInfo | None = (flow.options.result_handler or run.keeper).write(value, run.place(flow.name, -1))
    return info


def arrange(flow: FunctionFlow, parameters: Mapping[str, Any]) -> inspect.BoundArguments:
    """Return the values as the arguments of the flow's function."""
    raw = flow.signature.raw
    arguments: OrderedDict[str, Any] = OrderedDict()
    rest = dict(parameters)
    for name, parameter in raw.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments[name] = rest
        elif name in rest:
            arguments[name] = rest.pop(name)
    return inspect.BoundArguments(raw, arguments)


def call_task(run: Run, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run *task* here, with its retries, as part of *run*; return its value or raise what it raised."""
    with Shield(run):
        args, kwargs = _given(run, task, args, kwargs)
        task_run = make_task_run(run, task)
        if not _is_done_already(run, task_run):
            task_run.args, task_run.kwargs = with_results((args, kwargs)) if run.futures else (args, kwargs)
            delay = attempt(task_run)
            while delay is not None:
                if not run.pause(delay):
                    end(task_run, State.CANCELLED)
                    break
                delay = attempt(task_run)
    return outcome(run, task_run)


async def await_task(run: Run, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Do the same for an async task inside an event loop, which goes on meanwhile."""
    import asyncio

    args, kwargs = _given(run, task, args, kwargs)
    task_run = make_task_run(run, task)
    if not _is_done_already(run, task_run):
        task_run.args, task_run.kwargs = with_results((args, kwargs))
        delay = await attempt_awaiting(task_run)
        while delay is not None:
            await asyncio.sleep(delay)
            delay = await attempt_awaiting(task_run)
    return outcome(run, task_run)


def submit_task(run: Run, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Future:
    """Start *task* beside the caller, as part of *run*."""
    with Shield(run):
        args, kwargs = _given(run, task, args, kwargs)
        task_run = make_task_run(run, task)
        future = Future(run, task_run, args, kwargs)
        run.futures.append(future)
        if _is_done_already(run, task_run):
            return future.end_at_once()
        return future.start()


def make_task_run(run: Run, task: Task) -> TaskRun:
    """Give *task* the next place in the run."""
    definition = definition_of(task)
    with run.lock:
        task_run = TaskRun(run, definition.name, run.next_index(), definition.options, task.fn)
        run.task_runs.append(task_run)
    return task_run


def outcome(run: Run, task_run: TaskRun) -> Any:
    """Return the value of a task run that has ended, or raise what ended it."""
    if task_run.state.is_success:
        return task_run.value
    if isinstance(task_run.error, Interrupt) or task_run.error is None:
        raise (run.interruption or Cancelled)
    raise task_run.error


def _is_done_already(run: Run, task_run: TaskRun) -> bool:
    """Take the value of an earlier attempt, of this process or of one before, instead of running the task."""
    earlier = run.earlier.get(task_run.index)
    if earlier is not None and earlier.name == task_run.name and earlier.state.is_success:
        task_run.value, task_run.state, task_run.result = earlier.value, earlier.state, earlier.result
        return True
    finished = run.finished.get(task_run.index)
    if finished is None or finished.name != task_run.name:
        return False
    task_run.value = run.read_result(finished.result, task_run.options.result_handler, task_run.name)
    task_run.state, task_run.result = State.CACHED, finished.result
    index, name = task_run.index, task_run.name
    run.sink.write(TaskEnded(run.now(), index, name, State.CACHED.value, 0, None, None, finished.result))
    return True


def _given(
    run: Run, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with the task's bound values in them; a task that is bound is run for its result."""
    bound = definition_of(task).bound
    if not bound:
        return args, kwargs
    named = dict(signature_of(task).raw.bind_partial(*args).arguments) if args else {}
    values = {
        name: call_task(run, value, (), {}) if isinstance(value, Task) else value
        for name, value in bound.items()
        if name not in named and name not in kwargs
    }
    return args, {**values, **kwargs}
