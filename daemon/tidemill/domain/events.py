"""The facts a run process writes into its journal, in the past tense.

Times are microseconds since 1970 in UTC: a third of the cost of a datetime, and exact. Tuples, because
a run writes two of them for every task.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tidemill.domain.results import ErrorInfo, ResultInfo


class RunStarted(NamedTuple):
    """The run process holds its journal and is about to load the flow. Written once per process."""

    at: int
    pid: int
    start_time: int
    """Field 22 of the process's stat file, in clock ticks since boot: pid, start time and boot id name a process."""
    boot_id: str


class RunOrdered(NamedTuple):
    """What the run process was told to do. From it, and what follows, a history that is lost is made again."""

    at: int
    flow: str
    path: str
    """The flow file's real path."""
    trigger: str
    scheduled_for: str | None
    """ISO 8601, UTC."""
    attempt: int
    parent: str | None
    """The id of the run that it retries."""
    parameters: dict[str, Any]
    version: str
    """The name of the version it executes; empty where none was recorded."""
    sources: dict[str, str]
    """Real path of each text of the version to its hash."""
    schedule: dict[str, Any] | None
    """The schedule it was made for."""


class RunNamed(NamedTuple):
    """The run has the name that the flow's ``flow_run_name`` makes of its parameters."""

    at: int
    name: str


class SubflowStarted(NamedTuple):
    """A flow called inside a run begins, as a run of its own. The first event of a child; occurs only wrapped."""

    at: int
    parent: str
    """The id of the run that called it, which may be a child too."""
    index: int  # type: ignore[assignment]  # nobody looks for a value in an event, so tuple.index may go
    """The place in the calling run of the task run that stands for it."""
    flow: str
    parameters: dict[str, Any]
    """As JSON can hold them."""
    name: str | None = None
    """As in RunNamed."""


class TaskStarted(NamedTuple):
    """An attempt of a task begins."""

    at: int
    index: int  # type: ignore[assignment]  # nobody looks for a value in an event, so tuple.index may go
    """The task's place in the run, from 0, in the order of declaration or of calls."""
    name: str
    attempt: int
    """From 1."""
    deadline: int | None = None
    """When the attempt's time-out ends it."""
    run_name: str | None = None
    """The name that the task's ``task_run_name`` makes of its arguments."""
    subflow: str | None = None
    """The id of the child run it stands for."""


class TaskRetrying(NamedTuple):
    """An attempt of a task failed, and the next one has a time."""

    at: int
    index: int  # type: ignore[assignment]  # nobody looks for a value in an event, so tuple.index may go
    name: str
    attempt: int
    """The attempt that failed."""
    due: int
    error: ErrorInfo


class TaskEnded(NamedTuple):
    """A task came to its end; also written for tasks that never started (skipped, upstream_failed)."""

    at: int
    index: int  # type: ignore[assignment]  # nobody looks for a value in an event, so tuple.index may go
    name: str
    state: str
    attempts: int
    started_at: int | None = None
    """When its first attempt began."""
    error: ErrorInfo | None = None
    result: ResultInfo | None = None
    run_name: str | None = None
    subflow: str | None = None


class RunRetrying(NamedTuple):
    """The flow itself failed, and its next attempt (in the same process) has a time."""

    at: int
    attempt: int
    due: int
    error: ErrorInfo


class RunNoted(NamedTuple):
    """Something worth telling happened that changes no state."""

    at: int
    note: str


class RunEnded(NamedTuple):
    """The run came to its end as the engine saw it. The last line of a journal, unless it is a child's."""

    at: int
    state: str
    error: ErrorInfo | None = None
    result: ResultInfo | None = None
    is_unhooked: bool = False
    """The process was ended in the middle of its code, and has not called its flow's hooks."""


OwnEvent = (
    RunStarted
    | RunOrdered
    | RunNamed
    | SubflowStarted
    | TaskStarted
    | TaskRetrying
    | TaskEnded
    | RunRetrying
    | RunNoted
    | RunEnded
)


class OfSubflow(NamedTuple):
    """What happened in a child run: a flow called inside the run whose journal this is, at whatever depth."""

    run: str
    """The child's id."""
    event: OwnEvent

    @property
    def at(self) -> int:
        """When it happened."""
        return self.event.at


Event = OwnEvent | OfSubflow

EVENTS: Final[Mapping[str, type[OwnEvent]]] = {
    "run_started": RunStarted,
    "run_ordered": RunOrdered,
    "run_named": RunNamed,
    "subflow_started": SubflowStarted,
    "task_started": TaskStarted,
    "task_retrying": TaskRetrying,
    "task_ended": TaskEnded,
    "run_retrying": RunRetrying,
    "run_noted": RunNoted,
    "run_ended": RunEnded,
}
"""The name each event bears in the journal."""
