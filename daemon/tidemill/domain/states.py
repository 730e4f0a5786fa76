"""The states a run or a task run can be in, and the steps allowed between them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a run or a task run is in its life; the values are the contract of the JSON output."""

    SCHEDULED = "scheduled"
    """Its moment lies ahead."""
    PENDING = "pending"
    """Admitted, and waiting for a slot."""
    RUNNING = "running"
    """A run process is alive and at work."""
    RETRYING = "retrying"
    """An attempt failed, and the next one has a time."""
    PAUSED = "paused"
    """Held back by a person until resumed."""
    CANCELLING = "cancelling"
    """Asked to stop, and not gone yet."""
    COMPLETED = "completed"
    CACHED = "cached"
    """Not executed: an earlier result was taken."""
    SKIPPED = "skipped"
    """A policy or a condition said no."""
    FAILED = "failed"
    """The user's code raised."""
    TIMED_OUT = "timed_out"
    UPSTREAM_FAILED = "upstream_failed"
    """Not executed: a task it needs did not complete."""
    CRASHED = "crashed"
    """The process died: signal, exit, out of memory. The fault is not the flow's."""
    CANCELLED = "cancelled"
    MISSED = "missed"
    """The moment passed and no run was made for it."""

    @property
    def is_terminal(self) -> bool:
        """Tell whether no step leads out of this state."""
        return not STEPS[self]

    @property
    def is_success(self) -> bool:
        """Tell whether what depends on it may go on."""
        return self in SUCCESSES


_ENDS: Final = frozenset(
    {
        State.COMPLETED,
        State.CACHED,
        State.SKIPPED,
        State.FAILED,
        State.TIMED_OUT,
        State.UPSTREAM_FAILED,
        State.CRASHED,
        State.CANCELLED,
        State.MISSED,
    }
)

SUCCESSES: Final = frozenset({State.COMPLETED, State.CACHED})

STEPS: Final[Mapping[State, frozenset[State]]] = {
    State.SCHEDULED: frozenset({State.PENDING, State.PAUSED, State.SKIPPED, State.MISSED, State.CANCELLED}),
    State.PENDING: frozenset(
        {State.RUNNING, State.PAUSED, State.CANCELLING} | (_ENDS - {State.COMPLETED, State.MISSED})
    ),
    State.PAUSED: frozenset({State.PENDING, State.RUNNING, State.CANCELLED, State.CRASHED}),
    State.RUNNING: frozenset({State.RETRYING, State.PAUSED, State.CANCELLING} | (_ENDS - {State.MISSED})),
    State.RETRYING: frozenset({State.RUNNING, State.CANCELLING} | (_ENDS - {State.MISSED})),
    State.CANCELLING: frozenset(_ENDS - {State.MISSED, State.SKIPPED, State.CACHED}),
    **dict.fromkeys(_ENDS, frozenset()),
}
"""What may follow what. A state that leads nowhere is terminal, and nothing overwrites it."""

PENDING: Final = State.PENDING
RUNNING: Final = State.RUNNING
COMPLETED: Final = State.COMPLETED
"""What every task run is one after the other; of an enum they are looked up by a function, each time."""

LIVE: Final = frozenset({State.RUNNING, State.RETRYING, State.CANCELLING})
"""States of a run that has, or had until a moment ago, a process."""
