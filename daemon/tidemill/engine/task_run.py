"""One task in one run, carried through its attempts by a pipeline of small phases."""

from collections.abc import Callable
from typing import Any, Final

from tidemill.authoring.context import CURRENT_TASK
from tidemill.authoring.task_options import TaskOptions
from tidemill.domain.errors import Retry
from tidemill.domain.events import TaskEnded, TaskRetrying, TaskStarted
from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.domain.states import State
from tidemill.engine.failures import describe
from tidemill.engine.interrupts import DeadlinePassed, Interrupt
from tidemill.engine.invoking import invoke_code
from tidemill.engine.retrying import Retries
from tidemill.engine.run import Run
from tidemill.engine.warden import Call, pending_interrupt
from tidemill.storage.history import NOTHING

_ENDED: Final = frozenset(state for state in State if state.is_terminal)


class TaskRun(Call):
    """A task has its place in a run."""

    __slots__ = (
        "args",
        "attempt",
        "delay",
        "error",
        "failure",
        "fn",
        "index",
        "kwargs",
        "name",
        "options",
        "result",
        "retries",
        "run",
        "started_at",
        "state",
        "value",
    )

    def __init__(self, run: Run, name: str, index: int, options: TaskOptions, fn: Callable[..., Any]) -> None:
        super().__init__()
        self.run = run
        self.name = name
        self.index = index
        self.options = options
        self.fn = fn
        self.args: tuple[Any, ...] = ()
        self.kwargs: dict[str, Any] = {}
        self.attempt = 0
        self.started_at: int | None = None
        self.state = State.PENDING
        self.value: Any = None
        self.error: BaseException | None = None
        self.failure: ErrorInfo | None = None
        self.result: ResultInfo | None = None
        self.retries: Retries | None = None
        self.delay: float | None = None
        """Seconds until the next attempt, after one that failed."""

    @property
    def has_ended(self) -> bool:
        """Tell whether it came to its end."""
        return self.state in _ENDED


def attempt(task_run: TaskRun) -> float | None:
    """Carry a task run through one attempt; return the seconds until the next one, None when it has ended."""
    try:
        for phase in PHASES:
            phase(task_run)
    except Interrupt as late:
        conclude_late(task_run, late)
    return task_run.delay


async def attempt_awaiting(task_run: TaskRun) -> float | None:
    """Do the same where an event loop is running: only the call of the user's code differs."""
    start(task_run)
    await invoke_awaiting(task_run)
    for phase in (judge, plan_retry, record):
        phase(task_run)
    return task_run.delay


def start(task_run: TaskRun) -> None:
    """Open the attempt."""
    now = task_run.run.now()
    if task_run.started_at is None:
        task_run.started_at = now
    task_run.attempt += 1
    task_run.state = State.RUNNING
    task_run.delay = None
    timeout = task_run.options.timeout
    deadline = None if timeout is None else now + int(timeout * 1_000_000)
    task_run.run.sink.write(TaskStarted(now, task_run.index, task_run.name, task_run.attempt, deadline))


def invoke(task_run: TaskRun) -> None:
    """Call the user's code."""
    token = CURRENT_TASK.set(task_run)
    try:
        task_run.value, task_run.error = invoke_code(
            task_run.run,
            task_run,
            task_run.fn,
            args=task_run.args,
            kwargs=task_run.kwargs,
            timeout=task_run.options.timeout,
        )
    finally:
        CURRENT_TASK.reset(token)


async def invoke_awaiting(task_run: TaskRun) -> None:
    """Await the user's code, inside the event loop it belongs to."""
    import asyncio

    token = CURRENT_TASK.set(task_run)
    try:
        async with asyncio.timeout(task_run.options.timeout) as limit:
            task_run.value, task_run.error = await task_run.fn(*task_run.args, **task_run.kwargs), None
    except TimeoutError as error:
        task_run.value, task_run.error = None, DeadlinePassed() if limit.expired() else error
        if limit.expired():
            task_run.interrupt = DeadlinePassed
    except asyncio.CancelledError:
        interruption = task_run.run.interruption
        if interruption is None:
            raise
        task_run.value, task_run.error = None, interruption()
    except BaseException as error:
        task_run.value, task_run.error = None, error
    finally:
        CURRENT_TASK.reset(token)


def judge(task_run: TaskRun) -> None:
    """Say how the attempt went, and keep what it returned."""
    error = task_run.error
    if error is None:
        _judge_value(task_run)
    elif isinstance(error, Interrupt):
        _judge_interrupt(task_run, error)
    elif isinstance(error, KeyboardInterrupt) and task_run.run.is_local:
        task_run.state = State.CANCELLED
        task_run.run.cancel()
    else:
        task_run.state = State.FAILED


def plan_retry(task_run: TaskRun) -> None:
    """Decide whether another attempt follows a failed one, and when."""
    if task_run.state is State.COMPLETED or task_run.error is None:
        return
    policy = task_run.options.retry
    wanted = policy.allows_any or isinstance(task_run.error, Retry)
    if wanted and task_run.run.interruption is None and not isinstance(task_run.error, Interrupt):
        task_run.retries = task_run.retries or Retries(policy)
        if isinstance(task_run.error, RejectedValueError):
            task_run.delay = task_run.retries.delay_after_value(task_run.error.value)
        else:
            task_run.delay = task_run.retries.delay_after_error(task_run.error)
    task_run.failure = describe(task_run.error)
    if task_run.delay is not None:
        task_run.state = State.RETRYING


def record(task_run: TaskRun) -> None:
    """Tell the journal, and with it everybody."""
    now, run = task_run.run.now(), task_run.run
    if task_run.failure is not None and task_run.state is not State.COMPLETED:
        _tell_failure(task_run, task_run.failure)
    if task_run.delay is not None and task_run.failure is not None:
        due = now + int(task_run.delay * 1_000_000)
        run.sink.write(TaskRetrying(now, task_run.index, task_run.name, task_run.attempt, due, task_run.failure))
        return
    run.sink.write(
        TaskEnded(
            now,
            task_run.index,
            task_run.name,
            task_run.state.value,
            task_run.attempt,
            task_run.started_at,
            task_run.failure if task_run.state is not State.COMPLETED else None,
            task_run.result,
        )
    )


PHASES: Final = (start, invoke, judge, plan_retry, record)


class RejectedValueError(Exception):
    """Stands for a returned value that the task's own retry condition did not accept."""

    def __init__(self, value: Any) -> None:
        super().__init__("the retry condition does not accept what the task returned")
        self.value = value


def end(task_run: TaskRun, state: State, error: ErrorInfo | None = None) -> None:
    """Bring a task run to its end without another attempt."""
    if task_run.has_ended:
        return
    task_run.state, task_run.delay = state, None
    task_run.failure = error or task_run.failure
    record(task_run)


def conclude_late(task_run: TaskRun, late: Interrupt) -> None:
    """Settle a task run that an interrupt reached in the last instant, between its code and the engine's."""
    task_run.thread = None
    if not task_run.has_ended:
        task_run.error = late
        _judge_interrupt(task_run, late)
        task_run.failure = describe(task_run.error)
        task_run.delay = None
        record(task_run)


def _tell_failure(task_run: TaskRun, failure: ErrorInfo) -> None:
    """Let the log show why, beside what the task printed."""
    if task_run.delay is not None:
        text = f"attempt {task_run.attempt} failed, the next begins in {task_run.delay:g} s: {failure.line}"
        task_run.run.tell(task_run.name, "WARNING", text)
    elif failure.traceback is not None and not isinstance(task_run.error, Interrupt):
        task_run.run.tell(task_run.name, "ERROR", f"{task_run.state}\n{failure.traceback.rstrip()}")
    elif task_run.state is not State.UPSTREAM_FAILED:
        task_run.run.tell(task_run.name, "ERROR", f"{task_run.state}: {failure.line}")


def _judge_value(task_run: TaskRun) -> None:
    if task_run.options.retry.retry is not None:
        task_run.retries = task_run.retries or Retries(task_run.options.retry)
        if task_run.retries.rejects(task_run.value):
            task_run.error, task_run.state = RejectedValueError(task_run.value), State.FAILED
            return
    try:
        task_run.result = _keep(task_run)
    except Exception as error:
        task_run.error, task_run.state = error, State.FAILED
        return
    task_run.state = State.COMPLETED


def _keep(task_run: TaskRun) -> ResultInfo | None:
    value, handler, run = task_run.value, task_run.options.result_handler, task_run.run
    if handler is None and value is None:
        return NOTHING
    info: ResultInfo | None = (handler or run.keeper).write(value, run.place(task_run.name, task_run.index))
    if info is not None and info.handler == "none":
        run.note(f"the result of task {task_run.name} is not kept: it is not JSON and cannot be pickled")
    return info


def _judge_interrupt(task_run: TaskRun, error: Interrupt) -> None:
    own = task_run.interrupt is not None and pending_interrupt(task_run.outer) is None
    if isinstance(error, DeadlinePassed) and task_run.run.interruption is None and own:
        limit = task_run.options.timeout
        message = f"task {task_run.name} took longer than its time-out of {limit:g} s"
        task_run.error = TimeoutError(message).with_traceback(error.__traceback__)
        task_run.state = State.TIMED_OUT
    elif isinstance(error, DeadlinePassed) and task_run.run.interruption is not None:
        task_run.state = State.TIMED_OUT
    else:
        task_run.state = State.CANCELLED
