"""Runs and task runs as hooks and the run context show them; names are Prefect's."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidemill.authoring.states import State


@dataclass(frozen=True, slots=True)
class FlowRunView:
    """A run of a flow."""

    id: str
    name: str
    """What ``flow_run_name`` made, else the id."""
    flow_name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    state: State | None = None
    run_count: int = 1
    """From 1; a run that was made by ``retry`` counts on."""
    expected_start_time: datetime | None = None
    """The due moment it runs for, aware, in UTC; None for a run that a person started."""
    parent_flow_run_id: str | None = None
    """The run that called this flow."""

    @property
    def scheduled_start_time(self) -> datetime | None:
        """The same moment by another of its names."""
        return self.expected_start_time


@dataclass(frozen=True, slots=True)
class TaskRunView:
    """A run of a task."""

    id: str
    """The run's id and the task's place in it."""
    name: str
    """What ``task_run_name`` made, else the task's name."""
    task_name: str
    flow_run_id: str
    tags: tuple[str, ...] = ()
    state: State | None = None
    run_count: int = 0
    """Attempts so far."""
    start_time: datetime | None = None
