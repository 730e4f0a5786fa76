"""What ``.submit()`` returns: a task that runs beside the code that started it."""

import contextvars
import threading
from collections.abc import Callable
from functools import partial
from types import GenericAlias
from typing import Any, ClassVar

from tidemill.authoring.states import FailedRun
from tidemill.authoring.states import State as ReturnedState
from tidemill.domain.states import State
from tidemill.engine.failures import describe
from tidemill.engine.hooks import state_of
from tidemill.engine.invocation import advance
from tidemill.engine.invoking import Shield
from tidemill.engine.recording import end
from tidemill.engine.resuming import value_of
from tidemill.engine.run import Run
from tidemill.engine.task_run import TaskRun
from tidemill.engine.waits import wait_watchfully


class Future:
    """A task was started; its result will be here.

    A thread that waits for a task nobody has begun runs it itself, so that tasks which wait for each other's
    futures cannot use up the threads.
    """

    __slots__ = (
        "__weakref__",
        "_callbacks",
        "_claim",
        "_event",
        "_followers",
        "_has_ended",
        "_has_helper",
        "_missing",
        "_run",
        "_task_run",
        "_upstream",
        "context",
        "looked_at",
    )
    __class_getitem__: ClassVar[Callable[[Any], GenericAlias]] = classmethod(GenericAlias)  # type: ignore[assignment]

    def __init__(self, run: Run, task_run: TaskRun, upstream: tuple["Future", ...] = ()) -> None:
        self._run = run
        self._task_run = task_run
        self.context = contextvars.copy_context()
        """What was current where the task was started: the run, a task, a transaction."""
        self._upstream = upstream
        self._missing = 0
        self._followers: list[Future] | None = None
        self._callbacks: list[Callable[[Future], Any]] | None = None
        self._claim = threading.Lock()
        """Who acquires it carries the task."""
        self._has_ended = False
        self._has_helper = False
        """Somebody waits who may carry the next task himself."""
        self._event: threading.Event | None = None
        """Made by the first thread that waits: most futures are looked at when they have ended."""
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
    def task_run_id(self) -> str:
        """The run's id and the task's place in it."""
        return f"{self._run.context.run_id}/{self._task_run.index}"

    @property
    def state(self) -> ReturnedState:
        """Where the task is in its life."""
        self.looked_at = self.looked_at or self._has_ended
        return state_of(self._task_run)

    def done(self) -> bool:
        """Tell whether the task has ended."""
        return self._has_ended

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
        """Wait, and return the task's value, None of a skipped one.

        Raises what the task raised, or returns that when *raise_on_failure* is false.
        """
        self.wait(timeout)
        if not self._has_ended:
            raise TimeoutError(f"task {self.name} has not ended within {timeout:g} s")
        task_run = self._task_run
        if task_run.state.is_success:
            return value_of(task_run)
        if task_run.state is State.SKIPPED:
            return None
        error = task_run.error or FailedRun(f"task {self.name} ended as {task_run.state}")
        if raise_on_failure:
            raise error
        return error

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the task has ended, at most *timeout* seconds."""
        self.looked_at = True
        if self._has_ended:
            return
        with Shield(self._run):
            if timeout is None:
                self.help()
            self._await_end(timeout)

    def final_state(self) -> ReturnedState:
        """Wait, and return the state it ended in."""
        self.wait()
        return self.state

    def add_done_callback(self, callback: Callable[["Future"], Any]) -> None:
        """Call *callback* with this future when the task has ended; at once when it has."""
        with self._run.lock:
            self._callbacks = [*(self._callbacks or ()), callback]
        if self._has_ended:
            self._tell()

    def start(self) -> "Future":
        """Hand the task to the threads as soon as everything it takes is there."""
        if self._upstream:
            with self._run.lock:
                waiting = [future for future in self._upstream if not future._has_ended]
                self._missing = len(waiting)
                for future in waiting:
                    future._followers = [*(future._followers or ()), self]
            for future in waiting:
                if future._has_ended:
                    # Just now.
                    future._tell()
            if waiting:
                return self
        self._run.pool.put([self.begin])
        return self

    def begin(self) -> Callable[[], Any] | None:
        """Carry the task through an attempt, unless somebody who waits for it has."""
        if self._take():
            self._carry()
        return None

    def abandon(self) -> None:
        """Bring a task to its end that waits for its next attempt, or for a slot."""
        with self._run.lock:
            claim = self._task_run.claim
            if self._task_run.state is not State.RETRYING and (claim is None or not claim.is_waiting):
                return
            end(self._task_run, State.CANCELLED)
        self._finish()

    def is_ours(self) -> bool:
        """Tell whether the calling thread is one of those that run such tasks."""
        return self._run.pool.has_member()

    def help(self) -> None:
        """Run the task here, where this thread has a place among those that may work at once."""
        pool = self._run.pool
        if pool.has_member():
            self._help()
        elif pool.join():
            try:
                self._help()
            finally:
                pool.leave()

    def _help(self) -> None:
        for future in self._upstream:
            future._help()
            future._await_end(None)
        if self._take():
            delay = self._step()
            while delay is not None and self._run.pause(delay):
                delay = self._step()
            if delay is not None:
                end(self._task_run, State.CANCELLED)
            self._finish()

    def _await_end(self, timeout: float | None) -> None:
        with self._run.lock:
            if self._has_ended:
                return
            self._has_helper = self._has_helper or timeout is None
            if self._event is None:
                self._event = threading.Event()
            event = self._event
        if not self._has_ended:
            wait_watchfully(event.wait, timeout)

    def _take(self) -> bool:
        return self._claim.acquire(blocking=False)

    def _carry(self) -> None:
        delay = self._step()
        if delay is None:
            self._finish()
        else:
            self._run.pool.put_later(delay, partial(self._again))

    def _again(self) -> None:
        if not self._has_ended:
            self._carry()

    def _step(self) -> float | None:
        """Carry the task through one attempt; return the seconds until the next."""
        task_run = self._task_run
        try:
            if task_run.attempt == 0 and self._run.interruption is not None:
                end(task_run, State.CANCELLED)
                return None
            return self.context.run(advance, task_run)
        except BaseException as error:
            task_run.error = error
            end(task_run, State.FAILED, describe(error))
            return None

    def _finish(self) -> None:
        # In this order, and without a lock that all tasks would share: whoever wants to be told says so first, and
        # then looks whether it has ended already.
        self._has_ended = True
        if self._event is not None:
            self._event.set()
        if self._has_helper:
            self._run.pool.expect()
        if self._followers is not None or self._callbacks is not None:
            self._tell()

    def _tell(self) -> None:
        """Tell everybody who wants to know that it has ended."""
        ready = []
        with self._run.lock:
            followers, self._followers = self._followers, None
            callbacks, self._callbacks = self._callbacks, None
            for follower in followers or ():
                follower._missing -= 1
                if follower._missing == 0:
                    ready.append(follower.begin)
        if ready:
            self._run.pool.put(ready)
        for callback in callbacks or ():
            self._call(callback)

    def _call(self, callback: Callable[["Future"], Any]) -> None:
        try:
            callback(self)
        except Exception as error:
            text = f"what was to be called at its end failed\n{describe(error).traceback or error}"
            self._run.tell(self.name, "ERROR", text)
