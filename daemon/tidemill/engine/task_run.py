"""One task in one run, carried from its place in the run to its end by steps of small phases."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from tidemill.authoring.context import CURRENT_TRANSACTION
from tidemill.authoring.task_options import TaskOptions
from tidemill.domain.errors import Retry, TidemillError
from tidemill.domain.events import TaskStarted
from tidemill.domain.states import PENDING, RUNNING, State
from tidemill.domain.tuples import make
from tidemill.engine.failures import describe
from tidemill.engine.hooks import call_task_hooks
from tidemill.engine.interrupts import Interrupt
from tidemill.engine.invocation import Invocation, Steps
from tidemill.engine.invoking import has_to_be_awaited
from tidemill.engine.judging import judge, judge_interrupt, judge_kept
from tidemill.engine.recording import end, record
from tidemill.engine.resuming import drop_value, take_over
from tidemill.engine.run import Run
from tidemill.engine.run_names import name_task_run
from tidemill.limits.here import HERE

if TYPE_CHECKING:
    from tidemill.authoring.states import State as ReturnedState
    from tidemill.domain.results import ErrorInfo, ResultInfo
    from tidemill.engine.caching.caching import Memo
    from tidemill.engine.caching.task_transactions import TaskTransaction
    from tidemill.engine.retrying import Retries
    from tidemill.engine.slots import Claim

_MAY_RETRY: Final = (State.FAILED, State.TIMED_OUT, State.CRASHED)
_DECIDED: Final = frozenset({"on_commit", "on_rollback"})
"""Hooks that are called when it is decided whether what a task did counts."""
_ENDED: Final = frozenset(state for state in State if state.is_terminal)


class Upstream(Protocol):
    """What a task run needs of others before it can begin."""

    @property
    def futures(self) -> tuple[Any, ...]:
        """The futures among it."""

    def wait(self) -> None:
        """Wait until all of it has ended."""

    def hand_over(self, task_run: "TaskRun") -> None:
        """Give the task run its arguments, or bring it to its end when they are not to be had."""


class TaskRun(Invocation):
    """A task has its place in a run."""

    __slots__ = (
        "attempt",
        "child",
        "delay",
        "ends_as",
        "failure",
        "index",
        "is_computed",
        "memo",
        "name",
        "occurrence",
        "options",
        "result",
        "retries",
        "run_name",
        "said",
        "since",
        "started_at",
        "state",
        "subflow",
        "task",
        "transaction",
        "upstream",
    )

    def __init__(self, run: Run, name: str, options: TaskOptions, fn: Callable[..., Any], task: Any = None) -> None:
        super().__init__(run, fn, options.timeout)
        self.name = name
        self.options = options
        if options.tags and HERE.place is not None:
            self.claim = claim_slots(run, options.tags, f"task {name}")
        self.task = task
        """What hooks are told of; None where there is nothing but code."""
        self.upstream: Upstream | None = None
        self.attempt = 0
        self.started_at: int | None = None
        self.since: int | None = None
        """When its attempts within this attempt of the flow began, if there were some before."""
        self.state = PENDING
        self.said: ReturnedState | None = None
        """What the code itself said of its end, by returning a state."""
        self.failure: ErrorInfo | None = None
        self.result: ResultInfo | None = None
        self.is_computed = False
        """The code has returned; all that is left to do is to keep its value."""
        self.retries: Retries | None = None
        self.delay: float | None = None
        """Seconds until the next attempt, after one that failed."""
        self.run_name: str | None = None
        self.subflow: str | None = None
        """The id of the run that this task run stands for, when a flow was called."""
        self.child: Run | None = None
        """That run."""
        self.ends_as: State | None = None
        """How that run ended, when it failed."""
        self.memo: Memo | None = None
        """What the cache has to do with it."""
        self.transaction: TaskTransaction | None = None
        """What it did, until it is decided whether that counts."""
        # Last, for from here on others see it.
        self.index, self.occurrence = run.enlist(self)

    @property
    def is_async(self) -> bool:
        """Tell whether its code is async."""
        return has_to_be_awaited(self.fn)

    @property
    def has_ended(self) -> bool:
        """Tell whether it came to its end."""
        return self.state in _ENDED

    @property
    def visible(self) -> "TaskRun":
        """What user code sees as the task it is part of."""
        return self

    def begin(self) -> Steps:
        """Return the steps from its place in the run to its end."""
        run, options = self.run, self.options
        if CURRENT_TRANSACTION.get() is not None or (options.hooks and not _DECIDED.isdisjoint(options.hooks)):
            from tidemill.engine.caching.task_transactions import join

            join(self)
        if self.upstream is not None:
            yield self.upstream.wait
            self.upstream.hand_over(self)
            if self.has_ended:
                self._conclude()
                return
        if (run.earlier or run.finished) and self._is_taken_over():
            return
        if options.run_name is not None:
            self.run_name = name_task_run(self)
        if options.caching is not None:
            from tidemill.engine.caching.caching import recalling

            yield from recalling(self)
        while not self.has_ended:
            if self.claim is not None and not self.is_computed:
                yield from self._take_slots(self.claim)
                if self.has_ended:
                    self._conclude()
                    return
            if self.through is not None and run.runner is not None:
                yield run.runner.ready
            start(self)
            if not self.is_computed:
                self.said = None
                yield None
                judge(self)
            if self.state is RUNNING:
                yield partial(judge_kept, self)
            plan_retry(self)
            if self.memo is not None or self.transaction is not None:
                yield self._conclude
            record(self)
            if self.delay is not None:
                yield self.delay
        self.retries = None  # of ten thousand items that failed once, each would go on holding its own
        if options.hooks:
            call_task_hooks(self)
        if not options.keeping.in_memory and self.state.is_success:
            drop_value(self)

    def abandon(self, late: BaseException | None = None) -> None:
        """Come to an end between two steps; *late* is what tore the engine out of one."""
        self.thread = None
        if self.has_ended:
            return
        if isinstance(late, Interrupt):
            self.error = late
            judge_interrupt(self, late)
            self.failure, self.delay = describe(self.error), None
            record(self)
        else:
            end(self, State.CANCELLED)
        self._conclude()

    def _take_slots(self, claim: "Claim") -> Steps:
        try:
            yield from claim.wait()
        except TidemillError as error:
            self.error = error
            end(self, State.FAILED, describe(error))

    def _conclude(self) -> None:
        """Draw the consequences of how it went for the cache, and for the transactions around it."""
        if self.memo is not None or self.transaction is not None:
            from tidemill.engine.caching.task_transactions import conclude

            conclude(self)

    def _is_taken_over(self) -> bool:
        try:
            return take_over(self)
        except TidemillError as error:
            self.error = error
            end(self, State.FAILED, describe(error))
            return True


def claim_slots(run: Run, tags: tuple[str, ...], part: str) -> "Claim":
    """Return the claim of a part of the run to the named limits among its tags."""
    # Most tasks have no tags.
    from tidemill.engine.slots import Claim

    return Claim(run, tags, part)


def execute_elsewhere(task_run: TaskRun) -> None:
    """Have the code executed where the run's task runner says."""
    if task_run.run.runner is not None:
        task_run.through = _through_runner


def _through_runner(task_run: Any) -> Any:
    # Most runs have no task runner.
    from tidemill.engine.runners.task_runners import TaskCode

    run = task_run.run
    return run.runner.call(
        TaskCode(
            task_run.fn,
            task_run.args,
            task_run.kwargs,
            task_run.name,
            task_run.index,
            task_run.attempt,
            run.context,
            task_run.claim.held if task_run.claim is not None else (),
        )
    )


def start(task_run: TaskRun) -> None:
    """Open the attempt."""
    now = task_run.run.now()
    if task_run.started_at is None:
        task_run.started_at = now
    task_run.attempt += 1
    task_run.state = RUNNING
    task_run.delay = None
    if task_run.options.retry.before is not None:
        from tidemill.engine.tried import retries_of_task

        retries_of_task(task_run).begin()
    deadline = None if task_run.timeout is None else now + int(task_run.timeout * 1_000_000)
    event = make(
        TaskStarted,
        (
            now,
            task_run.index,
            task_run.name,
            task_run.attempt,
            deadline,
            task_run.run_name,
            task_run.subflow,
        ),
    )
    task_run.run.sink.write(event)
    if "on_running" in task_run.options.hooks:
        call_task_hooks(task_run)


def plan_retry(task_run: TaskRun) -> None:
    """Decide whether another attempt follows a failed one, and when."""
    error = task_run.error
    if error is None or task_run.state not in _MAY_RETRY:
        return
    may_ask = task_run.options.retry.allows_any or isinstance(error, Retry | BaseExceptionGroup)
    if may_ask and task_run.run.interruption is None and not isinstance(error, Interrupt):
        from tidemill.engine.tried import retries_of_task

        try:
            task_run.delay = retries_of_task(task_run).delay_after(error)
        except Interrupt as late:
            # It came while a function of the author's was asked.
            task_run.error = error = late
            judge_interrupt(task_run, late)
    task_run.failure = describe(error)
    if task_run.delay is not None:
        task_run.state = State.RETRYING
