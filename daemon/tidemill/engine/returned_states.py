"""What the states that code returns say of how it ended."""

from collections.abc import Sequence
from typing import Any

from tidemill.authoring.states import State as ReturnedState
from tidemill.domain.states import State
from tidemill.engine.failures import message_of


def said_by(value: Any) -> ReturnedState | None:
    """Return the state that code ended in which returned *value*; None where that is a value and nothing more.

    A state that an author made says it, and so does the failure among states of runs and task runs.
    """
    if isinstance(value, ReturnedState):
        return None if value.is_completed() and value.of is not None else value
    if isinstance(value, list | tuple | set) and value and all(isinstance(item, ReturnedState) for item in value):
        return _worst(list(value), value)
    return None


def ends_as(said: ReturnedState) -> State:
    """Return how the code ended that returned *said*: a state that something must follow is none to end in."""
    if said.is_final():
        return said.kind
    return State.CANCELLED if said.is_cancelling() else State.FAILED


def is_authors_own(said: ReturnedState | None) -> bool:
    """Tell whether an author made the state and returned it alone."""
    return said is not None and said.of is None


def _worst(states: Sequence[ReturnedState], value: Any) -> ReturnedState | None:
    failures = [state for state in states if not state.is_completed()]
    if not failures:
        return None
    exception = failures[0].exception()
    kind = State.CANCELLED if any(state.is_cancelled() for state in failures) else State.FAILED
    message = f"{len(failures)} of {len(states)} returned states are failures; the first: {message_of(exception)}"
    worst = ReturnedState(kind, message=message, data=value, error=exception)
    worst.of = failures[0].of or ""
    return worst
