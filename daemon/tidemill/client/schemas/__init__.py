"""The same, from where Prefect's users also import it."""

from tidemill.authoring.unsupported import missing_from
from tidemill.client.schemas.objects import FlowRun, State, StateType, TaskRun

__all__ = ["FlowRun", "State", "StateType", "TaskRun"]

__getattr__ = missing_from(__name__)
