"""What running a flow in plain Python gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidemill.authoring.naming import did_you_mean
from tidemill.domain.errors import NotFound, TidemillError
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """A task of a run came to its end."""

    name: str
    index: int
    state: State
    attempts: int
    error: ErrorInfo | None = None
    exception: BaseException | None = None
    read: Callable[[], Any] = field(default=lambda: None, repr=False)
    """Returns the value; what an earlier attempt computed is read when it is asked for."""

    @property
    def value(self) -> Any:
        """What it returned. Raises TidemillError with the reason where that cannot be had any more."""
        return self.read()


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A run came to its end in this process."""

    run_id: str
    flow_name: str
    state: State
    value: Any = None
    """What a function flow returned."""
    error: ErrorInfo | None = None
    exception: BaseException | None = None
    tasks: Mapping[str, TaskOutcome] = field(default_factory=dict)
    """By name; a task that a function flow called several times is ``name``, ``name-2`` and so on."""

    @property
    def is_completed(self) -> bool:
        """Tell whether it completed."""
        return self.state is State.COMPLETED

    def result(self, task: Any = None) -> Any:
        """Return what *task* (by name, or the task itself) returned, else the flow; raise what it raised."""
        ended: FlowRun | TaskOutcome = self if task is None else self._outcome(task)
        if ended.state.is_success:
            return ended.value
        if ended.exception is not None:
            raise ended.exception
        who = self.flow_name if isinstance(ended, FlowRun) else f"task {ended.name}"
        raise TidemillError(f"{who} has no result: it ended as {ended.state}")

    def _outcome(self, task: Any) -> TaskOutcome:
        name = task if isinstance(task, str) else getattr(task, "name", str(task))
        if name not in self.tasks:
            raise NotFound(f"the run has no task {name!r}{did_you_mean(name, self.tasks)}")
        return self.tasks[name]
