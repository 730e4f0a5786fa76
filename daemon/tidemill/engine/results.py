"""The result handlers under the names that flow files import; each is loaded when it is first asked for."""

from typing import TYPE_CHECKING

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


def __getattr__(name: str) -> object:
    """Import a handler when it is first asked for."""
    if name == "LocalResult":
        from tidemill.storage.local import LocalResult as found
    elif name == "DatabaseResult":
        from tidemill.storage.database import DatabaseResult as found
    elif name == "CloudResult":
        from tidemill.storage.cloud import CloudResult as found
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found
