"""What the errors of databases mean for a result that is being written or read."""

import sqlite3
from typing import Final

from tidemill.domain.addresses import redacted
from tidemill.storage.patience import Setback

_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_PASSING: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
_PASSING_CLASSES: Final = ("08", "40", "53", "57", "58", "55P03")
"""PostgreSQL's words for lost connections, dead locks, lack of resources, shutdowns, its system's errors and locks."""
_LASTING: Final = ("authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry")
"""What a server says when it refuses a connection for good; before there is one, there is no code."""
_UNDEFINED_TABLE: Final = "42P01"
_MADE_ALREADY: Final = ("42P07", "42710", "23505")
"""A table, a type, or a row of the catalogue that is there twice."""


def is_locked(error: BaseException) -> bool:
    """Tell whether another process writes to the same SQLite file just now."""
    return _sqlite_code(error) in _LOCKED


def is_without_table(error: BaseException) -> bool:
    """Tell whether the table is not there yet."""
    driver_error = _driver_error(error)
    if isinstance(driver_error, sqlite3.OperationalError):
        return "no such table" in str(driver_error)
    return getattr(driver_error, "sqlstate", None) == _UNDEFINED_TABLE


def is_made_already(error: BaseException) -> bool:
    """Tell whether another process made the same table in this moment."""
    driver_error = _driver_error(error)
    if isinstance(driver_error, sqlite3.OperationalError):
        return "already exists" in str(driver_error)
    return getattr(driver_error, "sqlstate", None) in _MADE_ALREADY


def setback_of(error: BaseException) -> Setback:
    """Return what *error* means for a handler, without what it says of statements and values."""
    driver_error = _driver_error(error)
    lines = [line.strip() for line in str(driver_error).splitlines() if line.strip()] or [type(driver_error).__name__]
    # With a code there was a statement, which the further lines quote; without one they name further addresses.
    reason = redacted(lines[0] if getattr(driver_error, "sqlstate", None) else "; ".join(lines))
    return Setback(reason, is_passing=_is_passing(driver_error, reason))


def _is_passing(error: BaseException, reason: str) -> bool:
    if isinstance(error, sqlite3.Error):
        return _sqlite_code(error) in _PASSING
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return str(state).startswith(_PASSING_CLASSES)
    # No code: the connection was lost, or never came about.
    return not any(lasting in reason for lasting in _LASTING)


def _sqlite_code(error: BaseException) -> int | None:
    code = getattr(_driver_error(error), "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def _driver_error(error: BaseException) -> BaseException:
    """Return the driver's own error where SQLAlchemy wrapped it."""
    return getattr(error, "orig", None) or error
