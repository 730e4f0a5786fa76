"""One run in this process: what all its tasks share. A flow that is called inside it is a run of its own, its child."""

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from tidemill.authoring.context import RunContext, logged_as
from tidemill.authoring.keeping import BY_DEFAULT, Keeping
from tidemill.domain.errors import TidemillError
from tidemill.domain.events import Event, OfSubflow, RunNamed, RunNoted
from tidemill.domain.results import ResultInfo
from tidemill.domain.runs import FinishedTask
from tidemill.domain.tuples import make
from tidemill.engine.interrupts import Cancelled, DeadlinePassed, Interrupt
from tidemill.engine.invoking import has_to_be_awaited
from tidemill.engine.pool import Pool
from tidemill.engine.waits import wait_watchfully
from tidemill.engine.warden import Call, Warden
from tidemill.limits.here import HELD
from tidemill.storage.places import NO_PARAMETERS, ResultPlace
from tidemill.storage.reading import read_back

if TYPE_CHECKING:
    from tidemill.engine.runners.task_runners import OpenTaskRunner, TaskRunner
    from tidemill.limits.leases import Grip

Key = tuple[str, int]
"""What a task run is known by, whatever its place: its name, and its number among those of this name."""


class EventSink(Protocol):
    """Where a run tells what happened."""

    def write(self, event: Event) -> None:
        """Record *event*."""


class Nowhere:
    """Takes the events of a run that nobody records."""

    def write(self, event: Event) -> None:
        """Let it pass."""


class Keeper(Protocol):
    """Keeps the results of tasks that name no handler of their own."""

    def write(self, value: Any, place: ResultPlace) -> ResultInfo | None:
        """Keep *value*; None says that memory is enough."""

    def read(self, info: ResultInfo) -> Any:
        """Return a value that was kept."""

    def of_child(self, run: str) -> "Keeper":
        """Return the keeper for a flow that is called inside the run."""


class Run:
    """A run is going on in this process."""

    def __init__(
        self,
        context: RunContext,
        sink: EventSink,
        keeper: Keeper,
        *,
        max_workers: int = 4,
        finished: Iterable[FinishedTask] = (),
        stuck: Callable[["Run", Call], None] | None = None,
        last_resort: int | None = None,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
        parent: "Run | None" = None,
    ) -> None:
        self.context = context
        self.sink = sink
        self.keeper = keeper
        self.finished: dict[Key, FinishedTask] = {}
        """Its own task runs that earlier attempts finished."""
        self._inside: dict[Key, list[FinishedTask]] = {}
        """Those of the sub-flows it calls, by the task runs that stand for them."""
        self.resume(finished)
        self.now = now
        self.since = now()
        """When it began."""
        self.parent = parent
        self.pid = os.getpid()
        self.pool: Pool = Pool(max_workers) if parent is None else parent.pool
        self.runner: OpenTaskRunner | None = None if parent is None else parent.runner
        """Where submitted tasks are executed; None: in the pool's threads."""
        self.warden: Warden = parent.warden if parent is not None else self._make_warden(stuck, last_resort)
        self.interruption: type[Interrupt] | None = None
        """Why the whole run is coming to its end early, if it is."""
        self.interrupted = threading.Event()
        self.lock: Any = threading.RLock() if parent is None else parent.lock
        self.task_runs: list[Any] = []
        """Every task run that was made, in the order of their indices."""
        self.futures: list[Any] = []
        """Every future that a function flow made."""
        self.flow: Any = None
        """The flow that is carried out; None where a task alone is."""
        self.caller: Any = None
        """The task run that stands for this one in the run that called it."""
        self.children: list[Run] = []
        """The runs of flows that are being called inside this one."""
        self.tell: Callable[[str, str, str], None] = lambda task, level, text: None
        """Writes a line of the engine's own, of the named level about the named task, into the run's log."""
        self.is_local: bool = parent is not None and parent.is_local
        """It belongs to a program of the caller's own, where Ctrl-C means all of it."""
        self.cache_dir: str = "" if parent is None else parent.cache_dir
        """Where what cached tasks compute is kept; empty: in memory."""
        self.grips: tuple[Grip, ...] = () if parent is None else (*HELD.get(), *parent.grips)
        """Slots of named limits that the flow is under; its tasks may borrow them."""
        self.keeping: Keeping = BY_DEFAULT
        """What the flow says of results, for tasks that say nothing themselves."""
        self.handlers: dict[int, tuple[Keeping, Any]] = {}
        """The handlers that were made of what tasks say."""
        self.earlier: Mapping[Key, Any] = {}
        """Task runs of the flow's earlier attempts in this process."""
        self.has_promises: bool = parent is not None and parent.has_promises
        """Futures or states were handed out, and may come back as arguments."""
        self._indices = itertools.count()
        self._names: dict[str, int] = {}

    def resume(self, finished: Iterable[FinishedTask]) -> None:
        """Execute nothing of *finished* again."""
        for task in finished:
            if task.inside:
                self._inside.setdefault(task.inside[0], []).append(replace(task, inside=task.inside[1:]))
            else:
                self.finished[task.name, task.occurrence] = task

    def child(self, context: RunContext, key: Key) -> "Run":
        """Return the run of a flow that is called as the task run of that *key* of this one."""
        sink = self.sink if not isinstance(self.sink, SubflowSink) else self.sink.journal
        run = Run(
            context,
            SubflowSink(sink, context.run_id),
            self.keeper.of_child(context.run_id),
            finished=self._inside.get(key, ()),
            now=self.now,
            parent=self,
        )
        run.tell = lambda task, level, text: self._root.tell(logged_as(context, task), level, text)
        with self.lock:
            run.interruption = self.interruption
            self.children.append(run)
        if run.interruption is not None:
            run.interrupted.set()
        return run

    @property
    def is_async(self) -> bool:
        """Tell whether the flow's own code is async."""
        return self.flow is not None and has_to_be_awaited(getattr(self.flow, "fn", None))

    @property
    def _root(self) -> "Run":
        """The run that no other one called."""
        return self if self.parent is None else self.parent._root

    def promise(self) -> None:
        """Look for futures and states among arguments from now on."""
        run: Run | None = self
        while run is not None and not run.has_promises:
            run.has_promises = True
            run = run.parent

    def use(self, task_runner: "TaskRunner | None") -> None:
        """Execute submitted tasks where *task_runner* says, before any was."""
        if task_runner is not None:
            self.pool = Pool(task_runner.max_workers)
            self.runner = task_runner.open()

    def close(self) -> None:
        """Give back what is this run's own."""
        if self.runner is not None and (self.parent is None or self.runner is not self.parent.runner):
            self.runner.close()
        if self.parent is None or self.pool is not self.parent.pool:
            self.pool.close()
        if self.parent is None:
            self.warden.close()
            return
        with self.lock:
            self.parent.children.remove(self)

    def enlist(self, task_run: Any) -> tuple[int, int]:
        """Add a task run; return its place in the run, and its number among those of its name."""
        name = task_run.name
        with self.lock:
            occurrence = self._names[name] = self._names.get(name, 0) + 1
            self.task_runs.append(task_run)
            return next(self._indices), occurrence

    def find_finished(self, key: Key) -> FinishedTask | None:
        """Return the task run of that key that finished in an earlier attempt, if one did."""
        return self.finished.get(key)

    def rename(self, name: str | None) -> None:
        """Bear a name of its own beside its id."""
        if name is not None:
            self.context = self.context._replace(name=name)
            self.sink.write(RunNamed(self.now(), name))

    def finished_inside(self, key: Key) -> Iterable[FinishedTask]:
        """Return what earlier attempts finished inside the flow that was called as the task run of that key."""
        return self._inside.get(key, ())

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
        runs = list(self._interrupted_runs(kind))
        if not runs:
            return
        for call in list(self.warden.calls.values()):
            # Of calls within each other the innermost is torn out; it passes the interrupt on to those around it.
            if call is not None and (self.parent is None or any(run is owner_of(call) for run in runs)):
                self.warden.interrupt(call, kind)
        for run in runs:
            for future in list(run.futures):
                future.abandon()
        self.pool.wake()

    def begin_again(self) -> None:
        """Let the flow's next attempt count its tasks from the start; what completed is not run again."""
        self.earlier = dict(_keyed(self.task_runs))
        self.task_runs, self.futures = [], []
        self._indices = itertools.count()
        self._names.clear()

    def continue_after(self, earlier: "Run") -> None:
        """Execute nothing again that completed in *earlier*, the same flow's run in an earlier attempt around it."""
        self.earlier = {**earlier.earlier, **dict(_keyed(earlier.task_runs))}

    def pause(self, seconds: float) -> bool:
        """Wait, and tell whether the run goes on after it."""
        return not wait_watchfully(self.interrupted.wait, seconds)

    def place(self, task: str, index: int) -> ResultPlace:
        """Return what handlers need to know of a task's result."""
        context = self.context
        folder, attempt = context.folder, context.attempt
        return make(
            ResultPlace,
            (context.flow_name, context.run_id, task, index, folder, attempt, context.name, None, NO_PARAMETERS),
        )

    def read_result(self, info: ResultInfo | None, handler: Any, task: str) -> Any:
        """Return the value of a task that finished in an earlier attempt, or refuse with the reason."""
        if info is None:
            raise TidemillError(f"the result of {task} was not kept, so what depends on it cannot be resumed")
        try:
            return read_back(info, handler, self.keeper)
        except TidemillError as error:
            raise TidemillError(f"{error}; {task} finished in an earlier attempt and is not run again") from error

    def _make_warden(self, stuck: Callable[["Run", Call], None] | None, last_resort: int | None) -> Warden:
        def on_stuck(call: Call) -> None:
            if stuck is None:
                self.note("a task cannot be interrupted")
            else:
                stuck(self, call)

        return Warden(on_stuck, last_resort=last_resort)

    def _interrupted_runs(self, kind: type[Interrupt]) -> Iterator["Run"]:
        """Mark this run and all below it, and yield those that were not yet."""
        with self.lock:
            if self.interruption is not None:
                return
            self.interruption = kind
            children = list(self.children)
        self.interrupted.set()
        yield self
        for child in children:
            yield from child._interrupted_runs(kind)


class SubflowSink:
    """Writes a child's events into the journal of the run around it."""

    def __init__(self, journal: EventSink, run: str) -> None:
        self.journal = journal
        self._run = run

    def write(self, event: Any) -> None:
        """Record *event* as the child's."""
        self.journal.write(OfSubflow(self._run, event))


def owner_of(call: Call) -> Run | None:
    """Return the run that *call* belongs to."""
    return getattr(call, "run", None)


def _keyed(task_runs: Iterable[Any]) -> Iterator[tuple[Key, Any]]:
    """Yield task runs, in the order of their places, by what they are known by."""
    names: Counter[str] = Counter()
    for task_run in task_runs:
        names[task_run.name] += 1
        yield (task_run.name, names[task_run.name]), task_run
