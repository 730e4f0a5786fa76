"""Reads a result of an earlier run back, whatever the flow file says by now."""

from typing import Any, Protocol

from tidemill.domain.errors import DefinitionError
from tidemill.domain.results import ResultInfo
from tidemill.storage.places import ResultError


class Reader(Protocol):
    """Reads what the history itself keeps, and files."""

    def read(self, info: ResultInfo) -> Any:
        """Return the value that was kept."""


def read_back(info: ResultInfo, handler: Any, default: Reader) -> Any:
    """Return the value that *info* tells of: by *handler*, the one its task has now, where that wrote it.

    What another one wrote is read from its location. Raises ResultError with the reason why it cannot be had.
    """
    if handler is not None and info.handler == type(handler).__name__:
        return handler.read(info)
    try:
        reader = _reader(info)
    except DefinitionError as error:
        raise ResultError(f"the result cannot be read from {info.location}: {error}") from error
    return (default if reader is None else reader).read(info)


def _reader(info: ResultInfo) -> Any:
    location = info.location or ""
    if info.handler == "CloudResult":
        from tidemill.storage.cloud import CloudResult

        return CloudResult("/".join(location.split("/", 3)[:3]))
    if info.handler == "DatabaseResult":
        from tidemill.storage.database import DatabaseResult

        return DatabaseResult(location.rpartition("#")[0])
    return None
