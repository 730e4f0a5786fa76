"""The steps between states as conditions in SQL: an update names the states it may replace."""

from collections.abc import Iterable
from typing import Final

from tidemill.domain.states import STEPS, State

SOURCES: Final = {target: frozenset(state for state, targets in STEPS.items() if target in targets) for target in State}
"""From which states a step leads to each."""

FORSAKEN: Final = {
    State.CRASHED: State.CRASHED,
    State.CANCELLED: State.CANCELLED,
    State.TIMED_OUT: State.TIMED_OUT,
}
"""What becomes of a task that has no end of its own when its run ends so; otherwise it is cancelled."""


def listed(states: Iterable[State | str]) -> str:
    """Return states as SQL literals: bound values would keep the partial indexes from being used."""
    return ", ".join(f"'{State(state)}'" for state in sorted(states)) or "NULL"
