from typing import Final

from tidemill.authoring.context import RunContext as RunContext
from tidemill.authoring.context import current_run as current_run
from tidemill.authoring.context import current_task as current_task
from tidemill.authoring.context import get_run_logger as get_run_logger
from tidemill.authoring.flow_runs import FlowRun as FlowRun
from tidemill.authoring.flows import Flow as Flow
from tidemill.authoring.flows import flow as flow
from tidemill.authoring.tasks import Task as Task
from tidemill.authoring.tasks import task as task
from tidemill.domain.errors import GiveUp as GiveUp
from tidemill.domain.errors import Retry as Retry
from tidemill.domain.errors import TidemillError as TidemillError
from tidemill.domain.schedules import ScheduleSpec as ScheduleSpec
from tidemill.domain.schedules import at as at
from tidemill.domain.schedules import cron as cron
from tidemill.domain.schedules import every as every
from tidemill.domain.states import State as State
from tidemill.engine.interrupts import Cancelled as Cancelled
from tidemill.engine.results import LocalResult as LocalResult

__version__: Final[str]
