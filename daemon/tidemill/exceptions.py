"""What can be raised, under the names that Prefect's users catch: ``from tidemill.exceptions import CancelledRun``."""

import traceback

from tidemill.authoring.hashing import UnhashableError
from tidemill.authoring.states import FailedRun, UnfinishedRun
from tidemill.authoring.unsupported import missing_from
from tidemill.domain.errors import (
    ConfigurationError,
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
ReservedArgumentError = InvalidNameError = MissingFlowError = UnspecifiedFlowError = DefinitionError
SerializationError = ResultError
HashError = UnhashableError
UpstreamTaskError = FailedRun
MappingLengthMismatch = MappingMissingIterable = ParameterError
TaskRunTimeoutError = FlowRunTimeoutError = TimeoutError

__all__ = [
    "CancelledRun",
    "ConfigurationError",
    "CrashedRun",
    "DefinitionError",
    "FailedRun",
    "FlowRunTimeoutError",
    "GiveUp",
    "HashError",
    "InvalidNameError",
    "MappingLengthMismatch",
    "MappingMissingIterable",
    "MissingContextError",
    "MissingFlowError",
    "MissingResult",
    "NotFound",
    "ObjectNotFound",
    "ParameterBindError",
    "ParameterError",
    "ParameterTypeError",
    "PrefectException",
    "ProcessDied",
    "ReservedArgumentError",
    "Retry",
    "ScheduleError",
    "SerializationError",
    "SignatureMismatchError",
    "Skip",
    "TaskRunTimeoutError",
    "TidemillError",
    "UnfinishedRun",
    "UnspecifiedFlowError",
    "UpstreamTaskError",
    "exception_traceback",
]

__getattr__ = missing_from(__name__)


def exception_traceback(error: BaseException) -> str:
    """Return the traceback of *error* as text."""
    return "".join(traceback.format_exception(error))
