"""Hooks of a flow that another process calls, when the run's own can no longer."""

from collections.abc import Mapping
from typing import Final

from tidemill.domain.states import State

OWED_HOOKS: Final[Mapping[State, str]] = {
    State.CRASHED: "on_crashed",
    State.CANCELLED: "on_cancellation",
    State.TIMED_OUT: "on_failure",
}
"""The states a run can be in without its process having said so, and the hooks each calls for."""
