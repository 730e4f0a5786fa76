"""Transactions: what several tasks did counts together, or is undone together. Names and meanings are Prefect's.

They form a tree: blocks, the tasks in them, and what those call. Until a whole tree is committed, it holds what the
journal is to say of its tasks' ends; so a process that dies in the middle has completed none of them, and a retry
executes them again.
"""

import copy
import threading
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any, Final

from tidemill.authoring.isolation import CommitMode, IsolationLevel
from tidemill.domain.errors import TidemillError
from tidemill.engine.caching.transaction_hooks import Teller, call_hook
from tidemill.engine.failures import describe

Hook = Callable[["Transaction"], Any]
_MISSING: Final = object()


class TransactionState(StrEnum):
    """Where a transaction is in its life."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    STAGED = "STAGED"
    COMMITTED = "COMMITTED"
    ROLLED_BACK = "ROLLED_BACK"


class RolledBack(TidemillError):
    """Stands for what a task did, when its transaction was rolled back."""


class Transaction:
    """Something that counts as a whole."""

    def __init__(
        self,
        teller: Teller,
        parent: "Transaction | None",
        commit_mode: CommitMode | None = None,
        isolation_level: IsolationLevel | None = None,
    ) -> None:
        self.parent = parent
        self.site: Any = None
        """The task run in whose code it was opened, if it was in one."""
        self.commit_mode: CommitMode = commit_mode or (parent.commit_mode if parent is not None else CommitMode.LAZY)
        self.isolation_level: IsolationLevel = isolation_level or (
            parent.isolation_level if parent is not None else IsolationLevel.READ_COMMITTED
        )
        self.state = TransactionState.ACTIVE
        self.children: list[Transaction] = []
        """What was done inside, in the order of its ends."""
        self.on_commit_hooks: list[Hook] = []
        self.on_rollback_hooks: list[Hook] = []
        self.failure: BaseException | None = None
        """Something inside has failed: it will be rolled back."""
        self.teller = teller
        self._is_announced = False
        self._is_closed = False
        """It is being decided, and what ends now comes too late to be part of it."""
        self._values: dict[str, Any] = {}
        self._staged: Any = None
        self._lock: threading.Lock = threading.Lock() if parent is None else parent._lock

    @property
    def holder(self) -> str:
        """Who locks keys for everything in the tree."""
        return f"transaction-{id(self):x}" if self.parent is None else self.parent.holder

    def set(self, name: str, value: Any) -> None:
        """Keep *value* for the hooks, and for what is called inside."""
        self._values[name] = value

    def get(self, name: str, default: Any = _MISSING) -> Any:
        """Return a copy of what was set here, else around it; else *default*. Raises ValueError without one."""
        if name in self._values:
            return copy.deepcopy(self._values[name])
        if self.parent is not None:
            return self.parent.get(name, default)
        if default is _MISSING:
            raise ValueError(f"nothing was set under the name {name!r} in this transaction or around it")
        return default

    def stage(
        self,
        value: Any,
        on_rollback_hooks: Iterable[Hook] | None = None,
        on_commit_hooks: Iterable[Hook] | None = None,
    ) -> None:
        """Say what the record will hold when this is committed, and what is called then, or when it is rolled back."""
        if self.is_over:
            return
        self._staged = value
        self.on_rollback_hooks += on_rollback_hooks or ()
        self.on_commit_hooks += on_commit_hooks or ()
        self.state = TransactionState.STAGED

    def is_pending(self) -> bool:
        """Tell whether it has not begun."""
        return self.state is TransactionState.PENDING

    def is_active(self) -> bool:
        """Tell whether it has begun, and nothing more."""
        return self.state is TransactionState.ACTIVE

    def is_staged(self) -> bool:
        """Tell whether it waits to be committed."""
        return self.state is TransactionState.STAGED

    def is_committed(self) -> bool:
        """Tell whether it counts; for one with a key also whether it did before it began."""
        return self.state is TransactionState.COMMITTED

    def is_rolled_back(self) -> bool:
        """Tell whether it was undone."""
        return self.state is TransactionState.ROLLED_BACK

    @property
    def is_over(self) -> bool:
        """Tell whether it is decided."""
        return self.state in (TransactionState.COMMITTED, TransactionState.ROLLED_BACK)

    def get_parent(self) -> "Transaction | None":
        """Return the transaction around it."""
        return self.parent

    def add_child(self, child: "Transaction") -> bool:
        """Take over the responsibility for *child*; False when this one is decided already."""
        with self._lock:
            if self._is_closed:
                return False
            self.children.append(child)
            return True

    def fail(self, error: BaseException | None) -> None:
        """Be rolled back at the end, because something inside has failed."""
        if not self.is_over and self.failure is None:
            self.failure = error or RolledBack("something in the transaction did not complete")

    def commit(self) -> bool:
        """Let everything inside count; tell whether that was to be decided still.

        Raises what an ``on_commit`` hook raises, or why the record cannot be written; then all is rolled back.
        """
        if self.is_over:
            return False
        with self._lock:
            for part in self._open_parts():
                part._is_closed = True
        try:
            for part in self._open_parts():
                for hook in part.on_commit_hooks:
                    call_hook(hook, part, "on_commit", part.teller)
            for part in self._open_parts():
                part._write()
        except BaseException as error:
            self.rollback(error)
            raise
        for part in self._open_parts():
            with self._lock:
                part.state = TransactionState.COMMITTED
            part._settle(None)
        if self._is_announced:
            self.teller.note("the transaction is committed")
        return True

    def rollback(self, error: BaseException | None = None) -> bool:
        """Undo everything inside, the latest first, by the ``on_rollback`` hooks; tell whether that was undecided.

        A hook that fails is told of, and the others are called all the same.
        """
        if self.is_over:
            return False
        reason = error or self.failure or RolledBack("it was not to be committed")
        names = [part.teller.name for part in self._open_parts() if part.is_staged() and part.teller.index >= 0]
        self._undo(reason)
        if names:
            self.teller.note(f"a transaction is rolled back: {listed(reversed(names))} ({describe(reason).line})")
        return True

    def announce(self, name: str) -> None:
        """Let the history know what is to be undone, should the process die before it is decided."""
        if self.parent is not None and not self.parent.is_over:
            self.parent.announce(name)
        elif not self._is_announced:
            self._is_announced = True
            self.teller.note(f"a transaction is open: if it fails, {name} is rolled back")

    def _undo(self, reason: BaseException) -> None:
        with self._lock:
            if self.is_over:
                return
            self.state, self._is_closed = TransactionState.ROLLED_BACK, True
        self.failure = reason
        for hook in reversed(self.on_rollback_hooks):
            try:
                call_hook(hook, self, "on_rollback", self.teller)
            except (Exception, SystemExit) as raised:
                self.teller.tell_failure(hook, raised)
        for child in reversed(self.children):
            child._undo(reason)
        self._settle(reason)

    def _open_parts(self) -> "Iterator[Transaction]":
        """Yield what is inside and not decided yet, each after what is inside of it, and this one last."""
        for child in self.children:
            if not child.is_over:
                yield from child._open_parts()
        yield self

    def _write(self) -> None:
        """Write the record of what counts from now on."""

    def _settle(self, error: BaseException | None) -> None:
        """Let the world know: *error* is why it was rolled back, None that it is committed."""


def listed(names: Iterable[str]) -> str:
    """Return names as a note shows them: ten of them, and how many more there are."""
    every = list(names)
    return ", ".join(every[:10]) + (f" and {len(every) - 10} more" if len(every) > 10 else "")
