"""Takes the value of a task from an earlier attempt, of this process or of one before, instead of running it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tidemill.authoring.task_options import TaskOptions
from tidemill.domain.events import TaskEnded
from tidemill.domain.states import State
from tidemill.engine.invoking import ASYNC_GENERATOR, GENERATOR, kind_of
from tidemill.engine.keeping import handler_of
from tidemill.engine.run import Key, Run
from tidemill.storage.reading import read_back

if TYPE_CHECKING:
    from tidemill.engine.task_run import TaskRun

_UNREAD: Final = object()
"""Stands for a value that nobody has asked for yet."""
_DROPPED: Final = object()
"""Stands for a value that is to be read whenever somebody asks."""


class Later:
    """Stands for a value that is put together whenever somebody asks."""

    __slots__ = ("read",)

    def __init__(self, read: Callable[[], Any]) -> None:
        self.read = read


def take_over(task_run: "TaskRun", *, reading: bool = True) -> bool:
    """Take what an earlier attempt left, and tell whether there was something.

    Raises TidemillError with the reason why a value that was kept cannot be had any more; without *reading* only
    ``value_of`` does, when somebody takes the value.
    """
    run, key = task_run.run, (task_run.name, task_run.occurrence)
    earlier = run.earlier.get(key)
    if earlier is not None and earlier.state.is_success:
        task_run.value, task_run.state, task_run.result = earlier.value, earlier.state, earlier.result
        task_run.attempt, task_run.started_at, task_run.run_name = earlier.attempt, earlier.started_at, earlier.run_name
        if earlier.index != task_run.index or earlier.run is not run:
            _tell(task_run)
        return True
    if earlier is not None and task_run.since is None:
        # It counts on: its attempts are numbered within the run, whichever attempt of the flow they belong to.
        task_run.attempt, task_run.started_at, task_run.since = earlier.attempt, earlier.started_at, run.now()
    finished = run.find_finished(key)
    if finished is None:
        return False
    task_run.value = finished_value(run, key, task_run.options) if reading else _UNREAD
    task_run.state, task_run.result = State.CACHED, finished.result
    _tell(task_run)
    return True


def value_of(task_run: "TaskRun") -> Any:
    """Return the value of a task run that succeeded, in this attempt or before. Raises TidemillError as above."""
    if task_run.value is _DROPPED and task_run.result is not None:
        return read_back(task_run.result, handler_of(task_run.options.keeping, task_run.run), task_run.run.keeper)
    if type(task_run.value) is Later:
        return task_run.value.read()
    if task_run.value is _UNREAD:
        task_run.value = finished_value(task_run.run, (task_run.name, task_run.occurrence), task_run.options)
    return task_run.value


def drop_value(task_run: "TaskRun") -> None:
    """Hold the value of a task run no longer, where it can be read back."""
    kept, is_stream = task_run.result, kind_of(task_run.fn) in (GENERATOR, ASYNC_GENERATOR)
    if kept is not None and kept.handler != "none" and not is_stream:
        task_run.value = _DROPPED


def has_finished(run: Run, key: Key) -> bool:
    """Tell whether a task run completed in an earlier attempt."""
    earlier = run.earlier.get(key)
    return (earlier is not None and earlier.state.is_success) or run.find_finished(key) is not None


def finished_value(run: Run, key: Key, options: TaskOptions) -> Any:
    """Return the value of a task run that completed in an earlier attempt. Raises TidemillError as above."""
    earlier = run.earlier.get(key)
    if earlier is not None and earlier.state.is_success:
        return value_of(earlier)
    finished = run.find_finished(key)
    return run.read_result(finished.result if finished else None, handler_of(options.keeping, run), key[0])


def _tell(task_run: "TaskRun") -> None:
    run, state = task_run.run, task_run.state.value
    run.sink.write(
        TaskEnded(
            run.now(),
            task_run.index,
            task_run.name,
            state,
            task_run.attempt,
            task_run.started_at,
            None,
            task_run.result,
            task_run.run_name,
        )
    )
