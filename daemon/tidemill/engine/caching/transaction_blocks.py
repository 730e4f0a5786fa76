"""``with transaction()``: a block of code whose tasks count together, and which has a record where it has a key."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Self

from tidemill.authoring.cache_policy import check_key, parse_isolation
from tidemill.authoring.context import CURRENT_RUN, CURRENT_TASK, CURRENT_TRANSACTION
from tidemill.authoring.isolation import CommitMode, IsolationLevel
from tidemill.authoring.naming import did_you_mean
from tidemill.domain.errors import DefinitionError
from tidemill.engine.caching.lock_managers import PAUSE
from tidemill.engine.caching.task_transactions import around, current_site
from tidemill.engine.caching.transaction_hooks import Teller
from tidemill.engine.caching.transaction_records import KeyedRecord, ResultRecord
from tidemill.engine.caching.transactions import Transaction, TransactionState
from tidemill.engine.invoking import Shield
from tidemill.engine.run import Run
from tidemill.engine.task_run import TaskRun

if TYPE_CHECKING:
    import os
    from contextvars import Token

    from tidemill.authoring.result_stores import ResultStore


class Block(Transaction):
    """The code of one ``with`` block."""

    def __init__(  # noqa: PLR0917 - Prefect's order
        self,
        key: str | None = None,
        store: "ResultStore | str | os.PathLike[str] | None" = None,
        commit_mode: CommitMode | str | None = None,
        isolation_level: IsolationLevel | str | None = None,
        overwrite: bool = False,
        write_on_commit: bool = True,
        logger: Any = None,
    ) -> None:
        task = CURRENT_TASK.get()
        self._run = task.run if isinstance(task, TaskRun) else _run_here()
        super().__init__(
            Teller(self._run, logger=logger),
            around(needed=True),
            None if commit_mode is None else _parse_mode(commit_mode),
            None if isolation_level is None else parse_isolation(isolation_level),
        )
        self.site = current_site()
        self.state = TransactionState.PENDING
        self.overwrite = overwrite
        self.write_on_commit = write_on_commit
        self.key = None if key is None else check_key(key)
        self.store = store
        self._record = None if self.key is None else KeyedRecord(self.key, store, self._run)
        self._token: Token[Any] | None = None
        self._first_future = 0
        self._futures: list[Any] = []

    def read(self) -> ResultRecord | None:
        """Return what the transaction of this key left when it was committed; None where there is no such record."""
        return None if self._record is None else self._record.read()

    def __enter__(self) -> Self:
        for seconds in self._beginning():
            if self._run is None:
                time.sleep(seconds)
            elif not self._run.pause(seconds):
                raise self._run.interruption or KeyboardInterrupt
        return self._entered()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._left()
        self._decide(error)

    async def __aenter__(self) -> Self:
        import asyncio

        for seconds in self._beginning():
            await asyncio.sleep(seconds)
        return self._entered()

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        import asyncio

        self._left()
        await asyncio.to_thread(self._decide, error)

    def _beginning(self) -> Iterator[float]:
        """Yield the seconds to wait as long as somebody else works under the same key, then look whether he is done."""
        if self._record is None:
            return
        if self.isolation_level == IsolationLevel.SERIALIZABLE:
            while not self._record.take_lock(self.holder):
                yield PAUSE
        if not self.overwrite and self._record.exists():
            self.state = TransactionState.COMMITTED

    def _entered(self) -> Self:
        if self.state is TransactionState.PENDING:
            self.state = TransactionState.ACTIVE
        self._first_future = len(self._run.futures) if self._run is not None else 0
        self._token = CURRENT_TRANSACTION.set(self)
        return self

    def _left(self) -> None:
        if self._token is not None:
            CURRENT_TRANSACTION.reset(self._token)

    def _decide(self, error: BaseException | None) -> None:
        """Commit, roll back, or leave that to the transaction around this one."""
        with nullcontext() if self._run is None else Shield(self._run):
            self._settle_futures()
            reason = error or self.failure
            if self.is_over:
                self._give_lock_back()
            elif reason is not None:
                self.rollback(reason)
                self._excuse_futures()
            elif self.commit_mode is CommitMode.EAGER:
                self.commit()
            elif self.parent is not None and self.parent.add_child(self):
                return
            elif self.commit_mode is CommitMode.OFF:
                self.rollback()
                self._excuse_futures()
            else:
                self.commit()
            if self.is_rolled_back() and self.parent is not None:
                self.parent.fail(reason)

    def _settle_futures(self) -> None:
        """Wait for the tasks that were submitted inside: they count with the others."""
        submitted = self._run.futures[self._first_future :] if self._run is not None else []
        self._futures = [future for future in submitted if future.context.get(CURRENT_TRANSACTION) is self]
        for future in self._futures:
            looked_at = future.looked_at
            future.wait()
            future.looked_at = looked_at

    def _excuse_futures(self) -> None:
        """Let tasks that completed and were rolled back not be taken for failures that nobody noticed."""
        for future in self._futures:
            future.looked_at = future.looked_at or future.task_run.is_computed

    def _write(self) -> None:
        if self._record is not None and self.write_on_commit:
            self._record.write(self._staged)

    def _settle(self, error: BaseException | None) -> None:
        self._give_lock_back()

    def _give_lock_back(self) -> None:
        if self._record is not None:
            self._record.give_lock_back(self.holder)


def _run_here() -> Run | None:
    run = CURRENT_RUN.get()
    return run if isinstance(run, Run) else None


def _parse_mode(mode: Any) -> CommitMode:
    try:
        return CommitMode(mode)
    except ValueError:
        reason = did_you_mean(str(mode), map(str, CommitMode))
        raise DefinitionError(f"there is no commit mode {mode!r}{reason}") from None


def get_transaction() -> Transaction | None:
    """Return the innermost transaction that the calling code is in: that of a block, or the task's own."""
    return around(needed=True)
