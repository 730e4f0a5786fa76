"""What user code may ask about the run it is part of."""

import logging
import sys
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from tidemill.domain.errors import TidemillError


class RunContext(NamedTuple):
    """A flow runs."""

    run_id: str
    flow_name: str
    parameters: dict[str, Any]
    attempt: int = 1
    """From 1; a run that was made by ``retry`` counts on."""
    scheduled_for: datetime | None = None
    """The due moment it runs for, aware, in UTC; None for a run that a person started."""
    trigger: str = "manual"
    folder: Path = Path()
    """The flow file's folder; relative paths of handlers begin here."""
    name: str | None = None
    """What ``flow_run_name`` made."""
    parent: str | None = None
    """The run that called this flow."""
    tags: tuple[str, ...] = ()


class TaskContext(Protocol):
    """A task of the run is being executed."""

    @property
    def name(self) -> str:
        """The task's name."""

    @property
    def index(self) -> int:
        """Its place in the run."""

    @property
    def attempt(self) -> int:
        """The attempt that is going on, from 1."""


class LiveRun(Protocol):
    """The engine's side of a run; user code sees its context only."""

    @property
    def context(self) -> RunContext:
        """What user code may see."""


CURRENT_RUN: Final[ContextVar[LiveRun | None]] = ContextVar("tidemill_run", default=None)
CURRENT_TASK: Final[ContextVar[TaskContext | None]] = ContextVar("tidemill_task", default=None)
CURRENT_TRANSACTION: Final[ContextVar[Any]] = ContextVar("tidemill_transaction", default=None)
"""The innermost ``with transaction()`` that the code is in."""
CURRENT_TAGS: Final[ContextVar[tuple[str, ...]]] = ContextVar("tidemill_tags", default=())
"""Tags that everything gets which is called here."""

RUN_LOGGER: Final = "tidemill.run"


def logged_as(run: RunContext, task: str) -> str:
    """Return how the log names a task: a run that another one called shares the log of that one."""
    return task if run.parent is None else f"{run.run_id}/{task}"


def with_current_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    """Return *tags* and those that everything gets which is called here."""
    current = CURRENT_TAGS.get()
    return tuple(sorted({*tags, *current})) if current else tags


def current_run() -> RunContext:
    """Return the run that is going on here, or refuse outside of one."""
    run = CURRENT_RUN.get()
    if run is None:
        raise TidemillError("there is no run here: current_run() answers inside a flow or a task that runs")
    return run.context


def current_task() -> TaskContext | None:
    """Return the task that is being executed here; None in a flow's own body and outside of runs."""
    return CURRENT_TASK.get()


def is_async_here() -> bool:
    """Tell whether the code is an async flow's or task's own; outside of runs, whether an event loop runs it."""
    is_async = getattr(CURRENT_TASK.get() or CURRENT_RUN.get(), "is_async", None)
    return in_event_loop() if is_async is None else bool(is_async)


def in_event_loop() -> bool:
    """Tell whether the calling code runs inside an event loop."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def get_run_logger() -> logging.Logger:
    """Return the logger whose lines go to the run's log with the task's name; in plain Python to stderr."""
    logger = logging.getLogger(RUN_LOGGER)
    if not logger.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    return logger
