"""What came of a run, as a value: ``from tidemill.states import Completed, Failed``."""

from functools import partial
from typing import Any

from tidemill.authoring.context import is_async_here
from tidemill.authoring.states import (
    Cached,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Retrying,
    Running,
    Scheduled,
    Skipped,
    State,
    StateType,
    TimedOut,
)
from tidemill.authoring.unsupported import missing_from

__all__ = [
    "AwaitingRetry",
    "Cached",
    "Cancelled",
    "Cancelling",
    "Completed",
    "Crashed",
    "Failed",
    "Late",
    "Paused",
    "Pending",
    "Retrying",
    "Running",
    "Scheduled",
    "Skipped",
    "State",
    "StateType",
    "Suspended",
    "TimedOut",
    "aget_state_exception",
    "araise_state_exception",
    "get_state_exception",
    "is_state",
    "is_state_iterable",
    "raise_state_exception",
]

__getattr__ = missing_from(__name__)


Late = partial(Scheduled, name="Late")
AwaitingRetry = partial(Scheduled, name="AwaitingRetry")
Suspended = partial(Paused, name="Suspended")


def get_state_exception(state: State) -> Any:
    """Return what made a run fail; async code awaits it. Raises ValueError of a state that is no failure."""
    if not _has_failed(state):
        raise ValueError(f"{state!r} is the state of no failure")
    return aget_state_exception(state) if is_async_here() else state.exception()


async def aget_state_exception(state: State) -> BaseException:
    """Do the same for code that awaits it."""
    return state.exception()


def raise_state_exception(state: State) -> Any:
    """Raise what made a run fail, and do nothing when it did not; async code awaits it."""
    if is_async_here():
        return araise_state_exception(state)
    if _has_failed(state):
        raise state.exception()
    return None


async def araise_state_exception(state: State) -> None:
    """Do the same for code that awaits it."""
    if _has_failed(state):
        raise state.exception()


def is_state(value: Any) -> bool:
    """Tell whether *value* is a state."""
    return isinstance(value, State)


def is_state_iterable(value: Any) -> bool:
    """Tell whether *value* is a list, tuple or set of states alone."""
    return isinstance(value, list | tuple | set) and bool(value) and all(map(is_state, value))


def _has_failed(state: State) -> bool:
    return state.is_failed() or state.is_crashed() or state.is_cancelled()
