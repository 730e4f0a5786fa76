"""Runs and task runs as hooks and the run context show them; names are Prefect's."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidemill.authoring.states import State, StateType


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
    """The due moment it runs for, or when it began that a person started; aware, in UTC."""
    parent_flow_run_id: str | None = None
    """The run that called this flow."""
    start_time: datetime | None = None
    deployment_id: None = None
    """There are no deployments here."""

    @property
    def scheduled_start_time(self) -> datetime | None:
        """The same moment by another of its names."""
        return self.expected_start_time

    @property
    def state_type(self) -> StateType | None:
        """The type of its state."""
        return None if self.state is None else self.state.type

    @property
    def state_name(self) -> str | None:
        """The name of its state."""
        return None if self.state is None else self.state.name


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

    @property
    def task_key(self) -> str:
        """What the task is known by."""
        return self.task_name

    @property
    def state_type(self) -> StateType | None:
        """The type of its state."""
        return None if self.state is None else self.state.type

    @property
    def state_name(self) -> str | None:
        """The name of its state."""
        return None if self.state is None else self.state.name
