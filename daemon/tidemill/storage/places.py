"""What every handler of results is told and must answer."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from tidemill.domain.errors import TidemillError
from tidemill.domain.results import ResultInfo

NO_PARAMETERS: Final[Mapping[str, Any]] = MappingProxyType({})


class ResultError(TidemillError):
    """Raised when a result cannot be written or read."""


class ResultPlace(NamedTuple):
    """Whose result it is; handlers name their files with it."""

    flow: str
    run: str
    task: str
    number: int
    """The task's place in the run; -1 for what a function flow itself returned."""
    folder: Path
    """The flow file's folder: relative paths begin here."""
    attempt: int = 1
    """The attempt of the run."""
    run_name: str | None = None
    """The run's formatted name, where it has one."""
    task_run_name: str | None = None
    """The task run's formatted name, where it has one."""
    parameters: Mapping[str, Any] = NO_PARAMETERS
    """What the task, or the flow itself, was called with."""


class ResultHandler(Protocol):
    """Keeps values outside of the history."""

    def write(self, value: Any, place: ResultPlace) -> ResultInfo:
        """Keep *value*, and say where."""

    def read(self, info: ResultInfo) -> Any:
        """Return the value that was kept."""
