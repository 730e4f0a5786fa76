"""Where submitted tasks are executed: in threads of the run process, or in processes beside it.

A task runner decides about the place alone. What begins when, retries, time-outs, states and the record are the
engine's, in the run process, whichever runner a flow names; so another one (a cluster's, say) needs these two small
interfaces and nothing of the engine.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from tidemill.authoring.context import RunContext
from tidemill.domain.errors import DefinitionError

MAX_THREADS: Final = 32
"""Threads of a ThreadPoolTaskRunner that names no number."""


class TaskCode(NamedTuple):
    """The code of one attempt of a task, what it is called with, and whose it is."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    name: str
    index: int  # type: ignore[assignment]  # nobody looks for a value in it, so tuple.index may go
    attempt: int
    context: RunContext
    held: tuple[tuple[str, int], ...] = ()
    """Named limits that the task holds, and how many slots of each: its code need not wait for those."""


class OpenTaskRunner(Protocol):
    """A place where code can be executed now."""

    def ready(self) -> None:
        """Have room for the calling thread's next call: what that takes is not the task's time."""

    def call(self, code: TaskCode) -> Any:
        """Execute *code*; return its value, or raise what it raised.

        Called from as many threads at once as the runner has slots. When an interrupt is raised in the calling thread,
        the code must come to its end too; ProcessDied says that nobody knows how the code ended.
        """

    def close(self) -> None:
        """Give up the place; nothing is being called any more."""


class TaskRunner(Protocol):
    """What a flow names with ``task_runner=``."""

    @property
    def max_workers(self) -> int:
        """How many tasks are executed at once."""

    def open(self) -> OpenTaskRunner | None:
        """Return the place; None for the threads of the run process themselves."""


class ThreadPoolTaskRunner:
    """Executes submitted tasks in at most *max_workers* threads of the run process (32)."""

    def __init__(self, max_workers: int | None = None) -> None:
        self.max_workers = _at_least_one(MAX_THREADS if max_workers is None else max_workers, type(self).__name__)

    def open(self) -> None:
        """Return None: the run process has threads of its own."""

    def __repr__(self) -> str:
        return f"ThreadPoolTaskRunner(max_workers={self.max_workers})"


class ProcessPoolTaskRunner:
    """Executes submitted tasks in at most *max_workers* processes (as many as this one may use cores).

    Functions must stand at the top of their module, and arguments and results must be such that they can be pickled.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is None:
            import os

            max_workers = len(os.sched_getaffinity(0))
        self.max_workers = _at_least_one(max_workers, type(self).__name__)

    def open(self) -> OpenTaskRunner:
        """Return the processes; each is started when it is first needed."""
        from tidemill.engine.runners.task_processes import TaskProcesses

        return TaskProcesses()

    def __repr__(self) -> str:
        return f"ProcessPoolTaskRunner(max_workers={self.max_workers})"


def _at_least_one(value: Any, owner: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise DefinitionError(f"max_workers of {owner} must be a whole number, 1 or more; it is {value!r}")
    return value
