"""What ``.submit()`` returns: a task that runs beside the code that started it."""

import contextvars
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State
from tidemill.engine.failures import describe
from tidemill.engine.invoking import Shield
from tidemill.engine.run import Run
from tidemill.engine.task_run import TaskRun, attempt, end


class Future:
    """A task was started; its result will be here.

    A thread that waits for a task nobody has begun runs it itself, so that tasks which wait for each other's
    futures cannot use up the threads.
    """

    def __init__(self, run: Run, task_run: TaskRun, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._run = run
        self._task_run = task_run
        self._given = (args, kwargs)
        self._context = contextvars.copy_context()
        self._upstream = list(futures_in((args, kwargs)))
        self._missing = 0
        self._followers: list[Future] = []
        self._taken = False
        self._ended = threading.Event()
        self.looked_at = False
        """Somebody knows how it ended; otherwise a failure is the run's."""

    @property
    def task_run(self) -> TaskRun:
        """The engine's side of it."""
        return self._task_run

    @property
    def name(self) -> str:
        """The task's name."""
        return self._task_run.name

    @property
    def state(self) -> State:
        """Where the task is in its life."""
        self.looked_at = self.looked_at or self.done()
        return self._task_run.state

    def done(self) -> bool:
        """Tell whether the task has ended."""
        return self._ended.is_set()

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
        """Wait, and return the task's value; raise what it raised, or return that when *raise_on_failure* is false."""
        self.wait(timeout)
        if not self.done():
            raise TimeoutError(f"task {self.name} has not ended within {timeout:g} s")
        task_run = self._task_run
        if task_run.state.is_success:
            return task_run.value
        error = task_run.error or RuntimeError(f"task {self.name} ended as {task_run.state}")
        if raise_on_failure:
            raise error
        return error

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the task has ended, at most *timeout* seconds."""
        self.looked_at = True
        with Shield(self._run):
            if timeout is None:
                self._help()
            self._ended.wait(timeout)

    def start(self) -> "Future":
        """Hand the task to the threads as soon as everything it takes is there."""
        with self._run.lock:
            waiting = [future for future in self._upstream if not future.done()]
            self._missing = len(waiting)
            for future in waiting:
                future._followers.append(self)
        if not waiting:
            self._run.pool.put([self.begin])
        return self

    def begin(self) -> Callable[[], Any] | None:
        """Carry the task through an attempt, unless somebody who waits for it has."""
        if self._take():
            self._carry()
        return None

    def abandon(self) -> None:
        """Bring a task to its end that waits for its next attempt."""
        with self._run.lock:
            if self._task_run.state is not State.RETRYING:
                return
            end(self._task_run, State.CANCELLED)
        self._finish()

    def end_at_once(self) -> "Future":
        """Be the future of a task whose result is known already."""
        self._taken = True
        self._ended.set()
        return self

    def _help(self) -> None:
        for future in self._upstream:
            future._help()
            future._ended.wait()
        if self._take():
            delay = self._step()
            while delay is not None and self._run.pause(delay):
                delay = self._step()
            if delay is not None:
                end(self._task_run, State.CANCELLED)
            self._finish()

    def _take(self) -> bool:
        with self._run.lock:
            taken, self._taken = self._taken, True
            return not taken

    def _carry(self) -> None:
        delay = self._step()
        if delay is None:
            self._finish()
        else:
            self._run.pool.put_later(delay, partial(self._again))

    def _again(self) -> None:
        if not self.done():
            self._carry()

    def _step(self) -> float | None:
        """Carry the task through one attempt; return the seconds until the next."""
        task_run = self._task_run
        try:
            if task_run.attempt == 0 and not self._prepare():
                return None
            return self._context.run(attempt, task_run)
        except BaseException as error:
            task_run.error = error
            end(task_run, State.FAILED, describe(error))
            return None

    def _prepare(self) -> bool:
        """Put results in the place of futures among the arguments; tell whether the task can begin."""
        task_run = self._task_run
        if self._run.interruption is not None:
            end(task_run, State.CANCELLED)
            return False
        for future in self._upstream:
            future.looked_at = True
            if not future._task_run.state.is_success:
                reason = f"not run, because task {future.name} ended as {future._task_run.state}"
                task_run.error = future._task_run.error
                end(task_run, State.UPSTREAM_FAILED, ErrorInfo("UpstreamFailed", reason))
                return False
        task_run.args, task_run.kwargs = with_results(self._given)
        return True

    def _finish(self) -> None:
        with self._run.lock:
            if self._ended.is_set():
                return
            self._ended.set()
            ready = []
            for follower in self._followers:
                follower._missing -= 1
                if follower._missing == 0:
                    ready.append(follower.begin)
        if ready:
            self._run.pool.put(ready)


def futures_in(value: Any) -> Iterator[Future]:
    """Yield the futures in *value*, also those in lists, tuples, sets and dicts."""
    kind = type(value)
    if kind is Future:
        yield value
    elif kind in (list, tuple, set):
        for item in value:
            yield from futures_in(item)
    elif kind is dict:
        for item in value.values():
            yield from futures_in(item)


def with_results(value: Any) -> Any:
    """Return *value* with every future in it replaced by its result."""
    kind = type(value)
    if kind is Future:
        return value.result()
    if kind in (list, tuple, set) and next(futures_in(value), None) is not None:
        return kind(with_results(item) for item in value)
    if kind is dict and next(futures_in(value), None) is not None:
        return {key: with_results(item) for key, item in value.items()}
    return value
