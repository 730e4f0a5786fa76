"""Says how an attempt of a task went, and keeps what it returned."""

from functools import partial
from typing import TYPE_CHECKING

from tidemill.domain.errors import ProcessDied, Skip
from tidemill.domain.states import COMPLETED, State
from tidemill.engine.failures import describe
from tidemill.engine.interrupts import DeadlinePassed, Interrupt
from tidemill.engine.keeping import Arguments, is_by_default, keep, keep_by_default
from tidemill.engine.returned_states import ends_as, said_by
from tidemill.engine.run_names import arguments_of
from tidemill.engine.warden import pending_interrupt

if TYPE_CHECKING:
    from tidemill.engine.task_run import TaskRun


def judge(task_run: "TaskRun") -> None:
    """Say how the attempt went, and keep what it returned."""
    error = task_run.error
    if error is None:
        _judge_value(task_run)
    elif isinstance(error, Interrupt):
        judge_interrupt(task_run, error)
    elif isinstance(error, Skip):
        task_run.state, task_run.failure = State.SKIPPED, describe(error)._replace(traceback=None)
    elif isinstance(error, ProcessDied):
        task_run.state = State.CRASHED
    elif isinstance(error, KeyboardInterrupt) and task_run.run.is_local:
        task_run.state = State.CANCELLED
        task_run.run.cancel()
    else:
        task_run.state = task_run.ends_as or State.FAILED


def judge_kept(task_run: "TaskRun") -> None:
    """Keep the value that was computed, in this attempt or in an earlier one that could not keep it."""
    run = task_run.run
    place = run.place(task_run.name, task_run.index)._replace(
        task_run_name=task_run.run_name, parameters=Arguments(partial(arguments_of, task_run))
    )
    task_run.error = None
    try:
        task_run.result = keep(task_run, task_run.options.keeping, task_run.value, place)
    except Exception as error:
        task_run.error, task_run.state = error, State.FAILED
        return
    task_run.state = COMPLETED


def judge_interrupt(task_run: "TaskRun", error: Interrupt) -> None:
    """Tell the task's own time-out from the run's, and both from a cancellation."""
    own = task_run.interrupt is not None and pending_interrupt(task_run.outer) is None
    if isinstance(error, DeadlinePassed) and task_run.run.interruption is None and own:
        message = f"task {task_run.name} took longer than its time-out of {task_run.timeout:g} s"
        task_run.error = TimeoutError(message).with_traceback(error.__traceback__)
        task_run.state = State.TIMED_OUT
    elif isinstance(error, DeadlinePassed) and task_run.run.interruption is not None:
        task_run.state = State.TIMED_OUT
    else:
        task_run.state = State.CANCELLED


def _judge_value(task_run: "TaskRun") -> None:
    said = None if task_run.subflow is not None else said_by(task_run.value)
    if said is not None:
        task_run.said, task_run.value = said, said.data
        if not said.is_completed():
            task_run.error = said.exception()
            task_run.state = ends_as(said)
            return
    if task_run.options.retry.on_value is not None:
        from tidemill.engine.tried import retries_of_task

        task_run.error = retries_of_task(task_run).objection(task_run.value)
        if task_run.error is not None:
            task_run.state = State.FAILED
            return
    _keep(task_run)


def _keep(task_run: "TaskRun") -> None:
    """Keep the value where that takes no time; elsewhere it is a step of its own, and the task run goes on."""
    run = task_run.run
    if task_run.result is None:
        # From here on what was computed is not lost: a further attempt only keeps it.
        task_run.is_computed = True
        if not is_by_default(run, task_run.options.keeping):
            return
        try:
            task_run.result = keep_by_default(run, task_run.value, task_run.name, task_run.index)
        except Exception as error:
            task_run.error, task_run.state = error, State.FAILED
            return
    task_run.state = COMPLETED
