"""The result handlers under the names that flow files import; each is loaded when it is first asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from tidemill.storage.places import ResultError, ResultHandler, ResultPlace

if TYPE_CHECKING:
    from tidemill.storage.cloud import CloudResult
    from tidemill.storage.database import DatabaseResult
    from tidemill.storage.local import LocalResult

__all__ = [
    "CloudResult",
    "DatabaseResult",
    "LocalResult",
    "ResultError",
    "ResultHandler",
    "ResultPlace",
]


_HOMES: Final = {"CloudResult": "cloud", "DatabaseResult": "database", "LocalResult": "local"}


def __getattr__(name: str) -> object:
    """Import a handler when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"tidemill.storage.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
