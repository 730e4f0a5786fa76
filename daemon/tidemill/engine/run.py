"""One run in this process: what all its tasks share."""

import itertools
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tidemill.authoring.context import RunContext
from tidemill.domain.errors import TidemillError
from tidemill.domain.events import Event, RunNoted
from tidemill.domain.results import ResultInfo
from tidemill.domain.runs import FinishedTask
from tidemill.engine.interrupts import Cancelled, DeadlinePassed, Interrupt
from tidemill.engine.pool import Pool
from tidemill.engine.warden import Call, Warden
from tidemill.storage.places import ResultPlace


class EventSink(Protocol):
    """Where a run tells what happened."""

    def write(self, event: Event) -> None:
        """Record *event*."""


class Keeper(Protocol):
    """Keeps the results of tasks that name no handler of their own."""

    def write(self, value: Any, place: ResultPlace) -> ResultInfo | None:
        """Keep *value*; None says that memory is enough."""

    def read(self, info: ResultInfo) -> Any:
        """Return a value that was kept."""


class Run:
    """A run is going on in this process."""

    def __init__(
        self,
        context: RunContext,
        sink: EventSink,
        keeper: Keeper,
        *,
        max_workers: int = 4,
        finished: tuple[FinishedTask, ...] = (),
        stuck: Callable[["Run", Call], None] | None = None,
        last_resort: int | None = None,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.context = context
        self.sink = sink
        self.keeper = keeper
        self.finished: Mapping[int, FinishedTask] = {task.index: task for task in finished}
        self.now = now
        self.pid = os.getpid()
        self.pool = Pool(max_workers)
        self.warden = Warden(
            lambda call: stuck(self, call) if stuck else self.note("a task cannot be interrupted"),
            last_resort=last_resort,
        )
        self.interruption: type[Interrupt] | None = None
        """Why the whole run is coming to its end early, if it is."""
        self.interrupted = threading.Event()
        self.lock = threading.RLock()
        self.task_runs: list[Any] = []
        """Every task run that was made, in the order of their indices."""
        self.futures: list[Any] = []
        """Every future that a function flow made."""
        self.tell: Callable[[str, str, str], None] = lambda task, level, text: None
        """Writes a line of the engine's own, of the named level about the named task, into the run's log."""
        self.is_local = False
        """It belongs to a program of the caller's own, where Ctrl-C means all of it."""
        self.earlier: Mapping[int, Any] = {}
        """Task runs of the flow's earlier attempts in this process, by index."""
        self._indices = itertools.count()

    def next_index(self) -> int:
        """Return the place of the next task run."""
        return next(self._indices)

    def note(self, text: str) -> None:
        """Tell something that changes no state."""
        self.sink.write(RunNoted(self.now(), text))

    def cancel(self) -> None:
        """End everything, because a person said so."""
        self.interrupt(Cancelled)

    def expire(self) -> None:
        """End everything, because the run has used up its time-out."""
        self.interrupt(DeadlinePassed)

    def interrupt(self, kind: type[Interrupt]) -> None:
        """Raise *kind* in all code that runs, and begin nothing any more."""
        with self.lock:
            if self.interruption is not None:
                return
            self.interruption = kind
            calls = [call for call in self.warden.calls.values() if call is not None]
        self.interrupted.set()
        for call in calls:
            self.warden.interrupt(call, kind)
        for future in self.futures:
            future.abandon()
        self.pool.wake()

    def begin_again(self) -> None:
        """Let the flow's next attempt count its tasks from the start; what completed is not run again."""
        self.earlier = {task_run.index: task_run for task_run in self.task_runs}
        self.task_runs, self.futures = [], []
        self._indices = itertools.count()

    def pause(self, seconds: float) -> bool:
        """Wait, and tell whether the run goes on after it."""
        return not self.interrupted.wait(seconds)

    def place(self, task: str, index: int) -> ResultPlace:
        """Return what handlers need to know of a task's result."""
        context = self.context
        return ResultPlace(context.flow_name, context.run_id, task, index, context.folder)

    def read_result(self, info: ResultInfo | None, handler: Any, task: str) -> Any:
        """Return the value of a task that finished in an earlier attempt, or refuse with the reason."""
        if info is None:
            raise TidemillError(f"the result of {task} was not kept, so what depends on it cannot be resumed")
        reader = handler if handler is not None and info.handler == type(handler).__name__ else self.keeper
        try:
            return reader.read(info)
        except TidemillError as error:
            raise TidemillError(f"{error}; {task} finished in an earlier attempt and is not run again") from error
