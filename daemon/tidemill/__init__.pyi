from typing import Final

from tidemill.authoring.context import RunContext as RunContext
from tidemill.authoring.context import current_run as current_run
from tidemill.authoring.context import current_task as current_task
from tidemill.authoring.context import get_run_logger as get_run_logger
from tidemill.authoring.flow_runs import FlowRun as FlowRun
from tidemill.authoring.flows import Flow as Flow
from tidemill.authoring.flows import flow as flow
from tidemill.authoring.mapping import allow_failure as allow_failure
from tidemill.authoring.mapping import unmapped as unmapped
from tidemill.authoring.parameters import Parameter as Parameter
from tidemill.authoring.secrets import Secret as Secret
from tidemill.authoring.states import State as State
from tidemill.authoring.states import StateType as StateType
from tidemill.authoring.tagging import tags as tags
from tidemill.authoring.tasks import Task as Task
from tidemill.authoring.tasks import task as task
from tidemill.domain.conditions import Condition as Condition
from tidemill.domain.errors import GiveUp as GiveUp
from tidemill.domain.errors import Retry as Retry
from tidemill.domain.errors import Skip as Skip
from tidemill.domain.errors import TidemillError as TidemillError
from tidemill.domain.schedules import ScheduleSpec as ScheduleSpec
from tidemill.domain.schedules import at as at
from tidemill.domain.schedules import cron as cron
from tidemill.domain.schedules import every as every
from tidemill.domain.secrecy import SecretError as SecretError
from tidemill.engine.interrupts import Cancelled as Cancelled
from tidemill.storage.cloud import CloudResult as CloudResult
from tidemill.storage.database import DatabaseResult as DatabaseResult
from tidemill.storage.local import LocalResult as LocalResult

__version__: Final[str]
