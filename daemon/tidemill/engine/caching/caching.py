"""Takes the value of a task run from the cache instead of executing it, and keeps what it computed for later ones.

What is in the way of that is told in the run's log and fails no task: it is executed, and that is all.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tidemill.authoring.cache_policy import check_key
from tidemill.authoring.caching import Caching
from tidemill.authoring.context import get_run_logger
from tidemill.authoring.isolation import IsolationLevel
from tidemill.authoring.tasks import Task
from tidemill.cache.records import CacheRecord, shown
from tidemill.domain.states import State
from tidemill.domain.times import from_micros
from tidemill.engine.caching.cache_stores import CacheStore, Hit, store_in
from tidemill.engine.caching.lock_managers import PAUSE, LockManager
from tidemill.engine.calls.run_contexts import TaskRunContext
from tidemill.engine.hooks import view_task_run
from tidemill.engine.invocation import Steps
from tidemill.engine.invoking import ASYNC_GENERATOR, GENERATOR, kind_of
from tidemill.engine.keeping import handler_of
from tidemill.engine.recording import end
from tidemill.engine.resuming import value_of
from tidemill.engine.run_names import arguments_of
from tidemill.storage.places import ResultError

if TYPE_CHECKING:
    from tidemill.engine.run import Run
    from tidemill.engine.task_run import TaskRun

REFRESH: Final = "TIDEMILL_TASKS_REFRESH_CACHE"
"""The variable that lets tasks be executed and kept anew which do not say refresh_cache themselves."""


def recalling(task_run: "TaskRun") -> Steps:
    """Yield the steps that end the task run if its value is in the cache."""
    memo = task_run.memo = Memo(task_run, task_run.options.caching)
    yield memo.open
    while not memo.take_lock():
        yield PAUSE
    yield memo.look


class Memo:
    """What the cache has to do with one task run."""

    __slots__ = ("_caching", "_manager", "_task_run", "key", "store")

    def __init__(self, task_run: "TaskRun", caching: Caching) -> None:
        self._task_run = task_run
        self._caching = caching
        self._manager: Any = None
        """Who has locked the key."""
        self.key: str | None = None
        self.store: CacheStore | None = None

    def open(self) -> None:
        """Find out under which key the value is kept, and where."""
        task_run = self._task_run
        if task_run.occurrence == 1:
            for notice in self._caching.notices:
                _warn(task_run, f"task {task_run.name} {notice}")
        try:
            self.key = self._compute_key()
            if self.key is not None:
                folder = folder_of(task_run.run, self._caching.policy.key_storage)
                self.store = store_in(folder, task_run.options.keeping.serializer)
        except Exception as error:
            self.key = None
            _warn(task_run, f"executed without the cache: {str(error) or type(error).__name__}")

    def take_lock(self) -> bool:
        """Lock the key where its policy asks for that; False while somebody else has it."""
        if self.key is None or self.store is None or self._isolation() != IsolationLevel.SERIALIZABLE:
            return True
        manager = self._caching.policy.lock_manager or LockManager(self.store.locks)
        try:
            if not manager.acquire_lock(self.key, self._holder(), acquire_timeout=0):
                return False
        except Exception as error:
            _warn(self._task_run, f"executed without a lock on its cache key: {str(error) or type(error).__name__}")
            return True
        self._manager = manager
        return True

    def look(self) -> None:
        """End the task run with the value that is kept, if one is."""
        task_run = self._task_run
        if self.key is None or self.store is None or self._refreshes():
            return
        try:
            hit = self.store.find(self.key, task_run.run.now(), handler_of(task_run.options.keeping, task_run.run))
        except Exception as error:
            _warn(task_run, f"executed again, because {error}")
            return
        if hit is not None:
            self._take(hit)
            self.release()

    def keep(self) -> None:
        """Keep what the task run computed, and let others at it."""
        task_run = self._task_run
        # Of an endless stream nothing is kept that could be yielded again.
        is_whole = task_run.value is not None or kind_of(task_run.fn) not in (GENERATOR, ASYNC_GENERATOR)
        if self.key is not None and self.store is not None and is_whole:
            run, now, lifetime = task_run.run, task_run.run.now(), self._caching.expiration
            record = CacheRecord(
                key=shown(self.key),
                created=now,
                expires=None if lifetime is None else now + int(lifetime * 1_000_000),
                flow=run.context.flow_name,
                run=run.context.run_id,
                task=task_run.name,
                result=task_run.result,
            )
            try:
                self.store.keep(self.key, value_of(task_run), record, run.place(task_run.name, task_run.index))
            except Exception as error:
                _warn(task_run, f"its value is not cached: {error}")
        self.release()

    def release(self) -> None:
        """Let others at the key."""
        manager, self._manager = self._manager, None
        if manager is None or self.key is None:
            return
        try:
            manager.release_lock(self.key, self._holder())
        except Exception as error:
            _warn(self._task_run, f"the lock on its cache key was not released: {str(error) or type(error).__name__}")

    def _take(self, hit: Hit) -> None:
        task_run, record = self._task_run, hit.record
        run = task_run.run
        task_run.value, task_run.result = hit.value, record.result
        adopt = getattr(run.keeper, "adopt", None)
        if adopt is not None and record.result is not None:
            with suppress(ResultError):
                # Under a name of the run's own: the cache may be swept before the history is.
                task_run.result = adopt(record.result, run.place(task_run.name, task_run.index))
        when = from_micros(record.created).isoformat(" ", "seconds")
        run.tell(task_run.name, "INFO", f"cached: what {record.task} of run {record.run} computed at {when}")
        end(task_run, State.CACHED)

    def _compute_key(self) -> str | None:
        task_run, policy = self._task_run, self._caching.policy
        inputs, parameters = {**_state_of(task_run.task), **arguments_of(task_run)}, task_run.run.context.parameters
        context = TaskRunContext(view_task_run(task_run), task_run.task, inputs)
        key = policy.compute_key(task_ctx=context, inputs=inputs, flow_parameters=parameters)
        return None if key is None else check_key(key)

    def _isolation(self) -> IsolationLevel | None:
        around = self._task_run.transaction
        return self._caching.policy.isolation_level or (around.isolation_level if around is not None else None)

    def _holder(self) -> str:
        around = self._task_run.transaction
        return around.holder if around is not None else view_task_run(self._task_run).id

    def _refreshes(self) -> bool:
        if self._caching.refresh is not None:
            return self._caching.refresh
        return os.environ.get(REFRESH, "").lower() in ("1", "true", "yes", "on")


def folder_of(run: "Run", storage: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder of a cache: relative to the flow file's; None where memory is the cache."""
    if storage is not None:
        return run.context.folder / Path(storage).expanduser()
    return Path(run.cache_dir) if run.cache_dir else None


def _state_of(task: Any) -> dict[str, Any]:
    """Return what an instance of a class of tasks holds, as one of its inputs."""
    state = {} if task is None or type(task) is Task else {**vars(task)}
    state.pop("_definition", None)
    return {"self": state} if state else {}


def _warn(task_run: "TaskRun", text: str) -> None:
    if task_run.run.is_local:
        get_run_logger().warning("%s: %s", task_run.name, text)
    else:
        task_run.run.tell(task_run.name, "WARNING", text)
