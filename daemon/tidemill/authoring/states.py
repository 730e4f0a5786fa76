"""States as objects, as flows and tasks hand them on: what came of a run, with its message and its value.

Names and meanings are Prefect's. The kind of a state is a ``StateType``, which is the word the history stores.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from types import GenericAlias
from typing import Any, ClassVar, Final

from tidemill.domain.errors import TidemillError
from tidemill.domain.states import State as StateType

__all__ = [
    "Cached",
    "Cancelled",
    "Cancelling",
    "Completed",
    "Crashed",
    "Failed",
    "FailedRun",
    "Paused",
    "Pending",
    "Retrying",
    "Running",
    "Scheduled",
    "Skipped",
    "State",
    "StateType",
    "TimedOut",
]

_NAMES: Final = {
    StateType.TIMED_OUT: "TimedOut",
    StateType.UPSTREAM_FAILED: "UpstreamFailed",
}
_FAILURES: Final = frozenset({StateType.FAILED, StateType.TIMED_OUT, StateType.UPSTREAM_FAILED})


class FailedRun(TidemillError):
    """Raised where the value of a run is asked for that failed without an exception of its own."""


class State:
    """What came of a run, or where it stands.

    *type* is the kind, *name* what people read, *data* the value that was returned, *error* the exception that
    was raised.
    """

    __slots__ = ("data", "error", "message", "name", "timestamp", "type")
    __class_getitem__: ClassVar[Callable[[Any], GenericAlias]] = classmethod(GenericAlias)  # type: ignore[assignment]

    def __init__(
        self,
        type: StateType,
        *,
        name: str | None = None,
        message: str | None = None,
        data: Any = None,
        error: BaseException | None = None,
        timestamp: datetime | None = None,
    ) -> None:
        self.type = StateType(type)
        self.name = name or _NAMES.get(self.type, self.type.value.capitalize())
        self.message = message
        self.data = data
        self.error = error
        self.timestamp = timestamp or datetime.now(UTC)

    def is_completed(self) -> bool:
        """Tell whether it succeeded, executed or taken from a cache."""
        return self.type.is_success

    def is_failed(self) -> bool:
        """Tell whether it failed: its code raised, ran out of time, or what it needs failed."""
        return self.type in _FAILURES

    def is_crashed(self) -> bool:
        """Tell whether its process died."""
        return self.type is StateType.CRASHED

    def is_cancelled(self) -> bool:
        """Tell whether a person ended it."""
        return self.type is StateType.CANCELLED

    def is_cancelling(self) -> bool:
        """Tell whether it was asked to end and has not yet."""
        return self.type is StateType.CANCELLING

    def is_skipped(self) -> bool:
        """Tell whether a condition said no."""
        return self.type is StateType.SKIPPED

    def is_running(self) -> bool:
        """Tell whether its code is being executed."""
        return self.type in (StateType.RUNNING, StateType.RETRYING)

    def is_pending(self) -> bool:
        """Tell whether it has its place and was not begun."""
        return self.type is StateType.PENDING

    def is_scheduled(self) -> bool:
        """Tell whether its moment lies ahead."""
        return self.type is StateType.SCHEDULED

    def is_paused(self) -> bool:
        """Tell whether a person holds it back."""
        return self.type is StateType.PAUSED

    def is_final(self) -> bool:
        """Tell whether nothing follows."""
        return self.type.is_terminal

    def result(self, raise_on_failure: bool = True, **_: Any) -> Any:
        """Return the value; raise what was raised, or return that when *raise_on_failure* is false."""
        if self.is_completed():
            return self.data
        error = self.error or FailedRun(self.message or f"there is no result: the state is {self.name}")
        if raise_on_failure:
            raise error
        return error

    async def aresult(self, raise_on_failure: bool = True, **_: Any) -> Any:
        """Do the same for code that awaits it."""
        return self.result(raise_on_failure)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        return (self.type, self.name, self.message) == (other.type, other.name, other.message)

    def __hash__(self) -> int:
        return hash((self.type, self.name, self.message))

    def __repr__(self) -> str:
        about = f"message={self.message!r}" if self.message else f"type={self.type.name}"
        return f"{self.name}({about})"


def _maker(kind: StateType) -> Callable[..., State]:
    def make(message: str | None = None, data: Any = None, **fields: Any) -> State:
        return State(kind, message=message, data=data, **fields)

    make.__name__ = make.__qualname__ = _NAMES.get(kind, kind.value.capitalize())
    make.__doc__ = f"Return a state of the kind {kind.value}, with a *message* for people and the value *data*."
    return make


Completed: Final = _maker(StateType.COMPLETED)
Cached: Final = _maker(StateType.CACHED)
Skipped: Final = _maker(StateType.SKIPPED)
Failed: Final = _maker(StateType.FAILED)
TimedOut: Final = _maker(StateType.TIMED_OUT)
Crashed: Final = _maker(StateType.CRASHED)
Cancelled: Final = _maker(StateType.CANCELLED)
Cancelling: Final = _maker(StateType.CANCELLING)
Pending: Final = _maker(StateType.PENDING)
Running: Final = _maker(StateType.RUNNING)
Retrying: Final = _maker(StateType.RETRYING)
Scheduled: Final = _maker(StateType.SCHEDULED)
Paused: Final = _maker(StateType.PAUSED)
