"""A run as the dispatcher holds it: from being recorded to the end of its process."""

from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from tidemill.domain.outcomes import Trigger
from tidemill.domain.runs import ProcessName
from tidemill.domain.states import State


@dataclass(slots=True, eq=False)
class ActiveRun:
    """A run that waits or lives. It leaves the dispatcher when its end is recorded and its process gone."""

    uid: str
    flow: str
    id: int = 0
    """The history's key; 0 until the run is recorded."""
    parameters: dict[str, Any] = field(default_factory=dict)
    trigger: str = "manual"
    scheduled_for: int | None = None
    """The moment it was made for, in microseconds."""
    schedule_id: int | None = None
    """The schedule whose moment that is."""
    attempt: int = 1
    parent: str | None = None
    """The run it retries."""
    finished: str = ""
    """The file that holds the tasks of earlier attempts that are not executed again."""
    priority: int = 0
    tags: tuple[str, ...] = ()
    """Its flow's; those that are named limits it needs a slot of."""
    state: State = State.PENDING
    timeout: float | None = None
    limit: int | None = None
    """How many runs of its flow may live at once; None: no bound of its own."""
    launched: bool = False
    """Its order has been given to the fork server."""
    process: ProcessName | None = None
    deadline: float | None = None
    """Monotonic moment at which its process group is killed."""
    cancelled: bool = False
    overdue: bool = False
    ended: bool = False
    """Its terminal state is in the history."""
    gone: bool = False
    """Its process is gone."""
    reminders: int = 0
    """How often it was asked once more to stop."""
    told_why: bool = False
    """It is in the history what it waits for."""
    journal: str | None = None
    """Its own record, where that is not at the usual place."""

    @property
    def gives_way(self) -> bool:
        """Tell whether it is for a moment long past, and what is due now comes before it."""
        return self.trigger == Trigger.BACKFILL


class RunsByFlow:
    """A set of runs, in order of arrival, that also answers which of them belong to one flow."""

    def __init__(self) -> None:
        self._flows: dict[str, dict[ActiveRun, None]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[ActiveRun]:
        return chain.from_iterable(self._flows.values())

    def of(self, flow: str) -> Set[ActiveRun]:
        """Return the runs of *flow*."""
        return self._flows.get(flow, {}).keys()

    def add(self, run: ActiveRun) -> None:
        """Add *run*."""
        runs = self._flows.setdefault(run.flow, {})
        self._size += run not in runs
        runs[run] = None

    def remove(self, run: ActiveRun) -> None:
        """Remove *run* if it is here."""
        runs = self._flows.get(run.flow)
        if runs is None or run not in runs:
            return
        del runs[run]
        self._size -= 1
        if not runs:
            del self._flows[run.flow]
