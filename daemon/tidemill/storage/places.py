"""What every handler of results is told and must answer."""

from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tidemill.domain.errors import TidemillError
from tidemill.domain.results import ResultInfo


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


class ResultHandler(Protocol):
    """Keeps values outside of the history."""

    def write(self, value: Any, place: ResultPlace) -> ResultInfo:
        """Keep *value*, and say where."""

    def read(self, info: ResultInfo) -> Any:
        """Return the value that was kept."""
