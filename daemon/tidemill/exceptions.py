"""What can be raised, under the names that Prefect's users catch: ``from tidemill.exceptions import CancelledRun``."""

from tidemill.authoring.states import FailedRun
from tidemill.domain.errors import (
    DefinitionError,
    GiveUp,
    NotFound,
    ParameterError,
    ProcessDied,
    Retry,
    ScheduleError,
    Skip,
    TidemillError,
)
from tidemill.engine.calls.run_contexts import MissingContextError
from tidemill.engine.interrupts import Cancelled
from tidemill.storage.places import ResultError

PrefectException = TidemillError
CancelledRun = Cancelled
CrashedRun = ProcessDied
MissingResult = ResultError
ObjectNotFound = NotFound
ParameterTypeError = ParameterBindError = SignatureMismatchError = ParameterError
MappingLengthMismatch = MappingMissingIterable = ParameterError
TaskRunTimeoutError = FlowRunTimeoutError = TimeoutError

__all__ = [
    "CancelledRun",
    "CrashedRun",
    "DefinitionError",
    "FailedRun",
    "FlowRunTimeoutError",
    "GiveUp",
    "MappingLengthMismatch",
    "MappingMissingIterable",
    "MissingContextError",
    "MissingResult",
    "NotFound",
    "ObjectNotFound",
    "ParameterBindError",
    "ParameterError",
    "ParameterTypeError",
    "PrefectException",
    "ProcessDied",
    "Retry",
    "ScheduleError",
    "SignatureMismatchError",
    "Skip",
    "TaskRunTimeoutError",
    "TidemillError",
]
