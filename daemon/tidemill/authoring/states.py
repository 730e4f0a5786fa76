"""States as objects, as flows and tasks hand them on: what came of a run, with its message and its value.

Names and meanings are Prefect's. The kind of a state is a ``StateType``, which is the word the history stores.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import GenericAlias
from typing import Any, ClassVar, Final

from tidemill.authoring.context import is_async_here
from tidemill.domain.errors import ProcessDied, TidemillError
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
    "UnfinishedRun",
]

_NAMES: Final = {
    StateType.TIMED_OUT: "TimedOut",
    StateType.UPSTREAM_FAILED: "UpstreamFailed",
}
_TYPES: Final[Mapping[StateType, StateType]] = {
    StateType.CACHED: StateType.COMPLETED,
    StateType.TIMED_OUT: StateType.FAILED,
    StateType.UPSTREAM_FAILED: StateType.FAILED,
    StateType.RETRYING: StateType.RUNNING,
}
"""What varieties are varieties of."""


class FailedRun(TidemillError):
    """Raised where the value of a run is asked for that failed without an exception of its own."""


class UnfinishedRun(TidemillError):
    """Raised where the value of a run is asked for that has not come to its end."""


class State:
    """What came of a run, or where it stands.

    *kind* is the word that the history stores, *type* the coarser one that it is a variety of (a cached run is
    completed, one that timed out is failed), *name* what people read, *data* the value that was returned, *error* the
    exception that was raised.
    """

    __slots__ = ("data", "error", "kind", "message", "name", "of", "timestamp")
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
        self.kind = StateType(type)
        self.name = name or _NAMES.get(self.kind, self.kind.value.capitalize())
        self.message = message
        self.data = data
        self.error = error
        self.timestamp = timestamp or datetime.now(UTC)
        self.of: str | None = None
        """The id of the run or task run that it came of; None of a state that an author made."""

    @property
    def type(self) -> StateType:
        """What it is a variety of."""
        return _TYPES.get(self.kind, self.kind)

    def is_completed(self) -> bool:
        """Tell whether it succeeded, executed or taken from a cache."""
        return self.kind.is_success

    def is_failed(self) -> bool:
        """Tell whether it failed: its code raised, ran out of time, or what it needs failed."""
        return self.type is StateType.FAILED

    def is_crashed(self) -> bool:
        """Tell whether its process died."""
        return self.kind is StateType.CRASHED

    def is_cancelled(self) -> bool:
        """Tell whether a person ended it."""
        return self.kind is StateType.CANCELLED

    def is_cancelling(self) -> bool:
        """Tell whether it was asked to end and has not yet."""
        return self.kind is StateType.CANCELLING

    def is_skipped(self) -> bool:
        """Tell whether a condition said no."""
        return self.kind is StateType.SKIPPED

    def is_running(self) -> bool:
        """Tell whether its code is being executed."""
        return self.type is StateType.RUNNING

    def is_pending(self) -> bool:
        """Tell whether it has its place and was not begun."""
        return self.kind is StateType.PENDING

    def is_scheduled(self) -> bool:
        """Tell whether its moment lies ahead."""
        return self.kind is StateType.SCHEDULED

    def is_paused(self) -> bool:
        """Tell whether a person holds it back."""
        return self.kind is StateType.PAUSED

    def is_final(self) -> bool:
        """Tell whether nothing follows."""
        return self.kind.is_terminal

    def result(self, raise_on_failure: bool = True, **_: Any) -> Any:
        """Return the value; raise what was raised, or return that when *raise_on_failure* is false.

        In the body of an async flow or task it has to be awaited. Raises UnfinishedRun before the end.
        """
        return self.aresult(raise_on_failure) if is_async_here() else self.outcome(raise_on_failure)

    async def aresult(self, raise_on_failure: bool = True, **_: Any) -> Any:
        """Do the same for code that awaits it."""
        return self.outcome(raise_on_failure)

    def outcome(self, raise_on_failure: bool = True) -> Any:
        """Do the same wherever the code stands."""
        if self.is_completed():
            return self.data
        if not self.is_final():
            raise UnfinishedRun(f"there is no result yet: the state is {self.name}")
        error = self.exception()
        if raise_on_failure:
            raise error
        return error if self.data is None else self.data

    def exception(self) -> BaseException:
        """Return what made it fail: what was raised, or what its data tell of that."""
        data = self.data
        if self.error is not None or isinstance(data, BaseException):
            return self.error or data
        causes = data if isinstance(data, list | tuple | set) else (data,)
        for cause in causes:
            if isinstance(cause, State) and not cause.is_completed():
                return cause.exception()
        wrapper = ProcessDied if self.is_crashed() else FailedRun
        return wrapper((data if isinstance(data, str) else None) or self.message or f"the state is {self.name}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        return (self.kind, self.name, self.message) == (other.kind, other.name, other.message)

    def __hash__(self) -> int:
        return hash((self.kind, self.name, self.message))

    def __repr__(self) -> str:
        about = f"message={self.message!r}" if self.message else f"type={self.type.name}"
        return f"{self.name}({about})"

    def __str__(self) -> str:
        shown = [repr(self.message)] if self.message else []
        if self.name.lower() != self.type.value:
            shown.append(f"type={self.type.name}")
        return f"{self.name}({', '.join(shown)})"


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
