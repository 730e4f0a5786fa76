"""A task's own transaction: what the task did, with all that it called. Made only where somebody could notice.

That is inside a ``with transaction()``, for a task with hooks of that kind, and when its code asks for it.
"""

from typing import TYPE_CHECKING, Any

from tidemill.authoring.context import CURRENT_RUN, CURRENT_TASK, CURRENT_TRANSACTION
from tidemill.authoring.isolation import CommitMode
from tidemill.domain.events import Event, RunEnded, TaskEnded
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State
from tidemill.engine.caching.transaction_hooks import Teller
from tidemill.engine.caching.transactions import RolledBack, Transaction, TransactionState
from tidemill.engine.failures import describe
from tidemill.engine.run import Run
from tidemill.engine.task_run import TaskRun

if TYPE_CHECKING:
    from tidemill.engine.run import EventSink

_HOOKS = ("on_commit", "on_rollback")


class TaskTransaction(Transaction):
    """What one attempt of a task did."""

    def __init__(self, task_run: TaskRun, parent: Transaction | None) -> None:
        super().__init__(Teller(task_run.run, task_run.name, task_run.index), parent)
        self.site = self._task_run = task_run
        self._held: list[tuple[EventSink, Any]] = []
        """What the journal is to say when it is decided."""

    def stage_task(self) -> None:
        """Count the task as done, once everything around it does; raise what an ``on_commit`` hook raises."""
        hooks, parent = self._task_run.options.hooks, self.parent
        self.stage(self._task_run.value, hooks.get("on_rollback"), hooks.get("on_commit"))
        if self.commit_mode is not CommitMode.EAGER and parent is not None:
            if parent.add_child(self):
                if self.on_rollback_hooks:
                    parent.announce(self.teller.name)
                return
            if parent.is_rolled_back():
                # It began inside, and ends when all the rest is undone.
                self.rollback(parent.failure)
                return
        self.commit()

    def begin_again(self, error: BaseException | None) -> None:
        """Undo what a failed attempt called, and be the transaction of the next one."""
        self.rollback(error)
        self.state, self.failure, self._is_closed = TransactionState.ACTIVE, None, False
        self.children, self._values = [], {}

    def write(self, event: Event) -> None:
        """Tell the journal of the task's end, or hold that until it is decided."""
        self.hold(self._task_run.run.sink, event)
        if self.state is not TransactionState.STAGED:
            self._release(self.failure if self.is_rolled_back() else None)

    def hold(self, sink: "EventSink", event: Event) -> None:
        """Hold an event until it is decided whether it is true."""
        self._held.append((sink, event))

    def _write(self) -> None:
        if self._task_run.memo is not None:
            self._task_run.memo.keep()

    def _settle(self, error: BaseException | None) -> None:
        task_run = self._task_run
        if error is not None:
            if task_run.memo is not None:
                task_run.memo.release()
            if task_run.state is State.COMPLETED:
                info = withdrawal(error)
                task_run.state, task_run.failure, task_run.error = State.CANCELLED, info, RolledBack(info.message)
        self._release(error)

    def _release(self, error: BaseException | None) -> None:
        held, self._held = self._held, []
        for sink, event in held:
            sink.write(event if error is None else withdrawn(event, error))


def withdrawal(error: BaseException) -> ErrorInfo:
    """Return what a task that completed is told to have ended with, when its transaction is rolled back."""
    return ErrorInfo("RolledBack", f"rolled back with its transaction, because of {describe(error).line}")


def withdrawn(event: Any, error: BaseException) -> Any:
    """Return an event that tells of a success as one that tells it was undone."""
    if isinstance(event, TaskEnded | RunEnded) and event.state == State.COMPLETED.value:
        return event._replace(state=State.CANCELLED.value, error=withdrawal(error), result=None)
    return event


def around(*, needed: bool) -> Transaction | None:
    """Return the innermost transaction that the calling code is in and that is not decided yet.

    That of a task whose code it is, is made if it is *needed*.
    """
    site = current_site()
    block: Transaction | None = CURRENT_TRANSACTION.get()
    while block is not None and block.is_over:
        block = block.parent
    if site is None or (block is not None and block.site is site):
        return block
    if site.transaction is None and needed and site.subflow is None:
        site.transaction = TaskTransaction(site, _around_call(site))
    own = site.transaction
    if own is not None and not own.is_over:
        return own
    return _around_call(site) if block is None else block


def current_site() -> TaskRun | None:
    """Return the task run whose code is being executed: a task, or the call of a sub-flow."""
    task, run = CURRENT_TASK.get(), CURRENT_RUN.get()
    if isinstance(task, TaskRun):
        return task
    caller: TaskRun | None = run.caller if isinstance(run, Run) else None
    return caller


def join(task_run: TaskRun) -> None:
    """Give a task run that begins its place in the transactions around it, if there are any or it wants one."""
    needed = any(kind in task_run.options.hooks for kind in _HOOKS)
    parent = around(needed=needed)
    if parent is not None or needed:
        task_run.transaction = TaskTransaction(task_run, parent)


def conclude(task_run: TaskRun) -> None:
    """Draw the consequences of an attempt, before it is recorded."""
    own, memo = task_run.transaction, task_run.memo
    if task_run.state is State.COMPLETED:
        _stage(task_run)
        return
    if own is not None and task_run.delay is not None:
        own.begin_again(task_run.error)
        return
    if own is not None and task_run.state is not State.CACHED:
        own.rollback(task_run.error)
        if own.parent is not None and task_run.state is not State.SKIPPED:
            own.parent.fail(task_run.error)
    if memo is not None and task_run.delay is None:
        memo.release()


def _stage(task_run: TaskRun) -> None:
    own = task_run.transaction
    if own is None:
        if task_run.memo is not None:
            task_run.memo.keep()
        return
    try:
        own.stage_task()
    except Exception as error:
        task_run.state, task_run.error, task_run.failure = State.FAILED, error, describe(error)


def _around_call(task: TaskRun) -> Transaction | None:
    """Return the transaction of the task in whose code this one was called, if it has one."""
    call = task.outer
    while call is not None:
        if isinstance(call, TaskRun) and call.transaction is not None and not call.transaction.is_over:
            return call.transaction
        call = call.outer
    return None
