"""What goes into the history and comes out of it on the writer's side, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tidemill.domain.manifests import FlowManifest
from tidemill.domain.outcomes import Outcome, Trigger
from tidemill.domain.runs import ProcessName
from tidemill.domain.schedules import ScheduleSpec
from tidemill.domain.states import State


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be made. Times are microseconds."""

    uid: str
    flow: str
    queued_at: int
    trigger: Trigger | str = Trigger.MANUAL
    state: State = State.PENDING
    scheduled_for: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 1
    parent: str | None = None
    """The id of the run it retries."""
    version: str | None = None
    """The name of the version it executes."""
    schedule_id: int | None = None
    priority: int = 0
    journal: str | None = None
    """Where its journal is, if not at its place in the state directory."""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class NewOccurrence:
    """What became of a due moment, or of *count* moments up to *until* that ended alike."""

    schedule_id: int
    moment: int
    outcome: Outcome
    reason: str
    decided_at: int
    run_id: int | None = None
    coalesced_into: int | None = None
    """The later moment whose run it shares."""
    until: int | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as the daemon needs it to go on with it."""

    id: int
    uid: str
    flow: str
    state: State
    trigger: str
    queued_at: int
    started_at: int | None
    finished_at: int | None
    scheduled_for: int | None
    attempt: int
    priority: int
    parent: str | None
    parameters: dict[str, Any]
    schedule_id: int | None
    process: ProcessName | None
    journal: str | None
    journal_offset: int
    version: str | None
    sources: dict[str, str]
    """Real path of each text of its version to its hash."""
    file: str | None
    """The flow file."""
    note: str | None
    root: str | None
    """The id of the run whose process carries it out, where another run called it."""


class StoredSchedule(NamedTuple):
    """A schedule with its key in the history."""

    id: int
    spec: ScheduleSpec
    cursor: int
    """Every moment up to this one is accounted for."""


class StoredFlow(NamedTuple):
    """A flow of the catalog as it was known last."""

    name: str
    file: str | None
    manifest: FlowManifest | None
    version: str | None
    sources: dict[str, str]
    paused_at: int | None
    schedules: list[StoredSchedule]


class LedgerRow(NamedTuple):
    """A row of the ledger."""

    moment: int
    outcome: str
    run_id: int | None
    until: int | None
    moments: int
    """How many moments it stands for."""
    decided_at: int
