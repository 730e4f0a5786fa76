"""Runs, task runs and their states, as hooks are told of them."""

from tidemill.authoring.run_views import FlowRunView as FlowRun
from tidemill.authoring.run_views import TaskRunView as TaskRun
from tidemill.authoring.states import State, StateType
from tidemill.authoring.unsupported import missing_from

__all__ = ["FlowRun", "State", "StateType", "TaskRun"]

__getattr__ = missing_from(__name__)
