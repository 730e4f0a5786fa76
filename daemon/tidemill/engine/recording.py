"""Tells the journal, and with it everybody, what came of an attempt of a task."""

from typing import TYPE_CHECKING

from tidemill.domain.events import TaskEnded, TaskRetrying
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import COMPLETED, State
from tidemill.domain.tuples import make
from tidemill.engine.interrupts import Interrupt

if TYPE_CHECKING:
    from tidemill.engine.task_run import TaskRun


def record(task_run: "TaskRun") -> None:
    """Tell how the attempt went."""
    if task_run.claim is not None:
        task_run.claim.release()
    now, run, failure = task_run.run.now(), task_run.run, task_run.failure
    if task_run.state is COMPLETED:
        failure = None
    elif failure is not None:
        _tell_failure(task_run, failure)
        if task_run.delay is not None:
            due = now + int(task_run.delay * 1_000_000)
            run.sink.write(TaskRetrying(now, task_run.index, task_run.name, task_run.attempt, due, failure))
            return
    # What a transaction has not decided yet is no news.
    event = make(
        TaskEnded,
        (
            now,
            task_run.index,
            task_run.name,
            task_run.state,
            task_run.attempt,
            task_run.started_at,
            failure,
            task_run.result,
            task_run.run_name,
            task_run.subflow,
        ),
    )
    (task_run.transaction or run.sink).write(event)


def end(task_run: "TaskRun", state: State, error: ErrorInfo | None = None) -> None:
    """Bring a task run to its end without another attempt."""
    if task_run.has_ended:
        return
    task_run.state, task_run.delay = state, None
    task_run.failure = error or task_run.failure
    record(task_run)


def _tell_failure(task_run: "TaskRun", failure: ErrorInfo) -> None:
    """Let the log show why, beside what the task printed."""
    tell = task_run.run.tell
    if task_run.delay is not None:
        text = f"attempt {task_run.attempt} failed, the next begins in {task_run.delay:g} s: {failure.line}"
        tell(task_run.name, "WARNING", text)
    elif task_run.state is State.SKIPPED:
        tell(task_run.name, "INFO", f"{task_run.state}: {failure.line}")
    elif failure.traceback is not None and not isinstance(task_run.error, Interrupt):
        tell(task_run.name, "ERROR", f"{task_run.state}\n{failure.traceback.rstrip()}")
    elif task_run.state is not State.UPSTREAM_FAILED:
        tell(task_run.name, "ERROR", f"{task_run.state}: {failure.line}")
