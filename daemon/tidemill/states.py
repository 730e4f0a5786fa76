"""What came of a run, as a value: ``from tidemill.states import Completed, Failed``."""

from typing import Any

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

__all__ = [
    "Cached",
    "Cancelled",
    "Cancelling",
    "Completed",
    "Crashed",
    "Failed",
    "Paused",
    "Pending",
    "Retrying",
    "Running",
    "Scheduled",
    "Skipped",
    "State",
    "StateType",
    "TimedOut",
    "get_state_exception",
    "raise_state_exception",
]


def get_state_exception(state: State) -> Any:
    """Return the exception that made a run fail."""
    return state.result(raise_on_failure=False)


def raise_state_exception(state: State) -> None:
    """Raise the exception that made a run fail; do nothing when it did not."""
    state.result()
