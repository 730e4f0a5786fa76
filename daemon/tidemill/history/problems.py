"""What a database's errors mean: which will pass by waiting, and the sentence for each."""

import sqlite3
from typing import Final

BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
"""Another process is in the way; the connection is as good as before."""

MEND: Final = "stop the daemon and mend it with: tidemill doctor --repair"
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_SENTENCES: Final = {
    sqlite3.SQLITE_BUSY: "the history {where} is locked by another process; it goes on when that lets go",
    sqlite3.SQLITE_LOCKED: "the history {where} is locked by another process; it goes on when that lets go",
    sqlite3.SQLITE_FULL: "the disk that holds {where} is full; make room, nothing is lost meanwhile",
    sqlite3.SQLITE_READONLY: "the history {where} cannot be written; check its owner, its rights and its file system",
    sqlite3.SQLITE_IOERR: "the history {where} cannot be read or written ({error}); check the disk",
    sqlite3.SQLITE_CANTOPEN: "the history {where} cannot be opened; check that its folder exists and may be written",
    sqlite3.SQLITE_CORRUPT: "the history {where} is damaged ({error}); " + MEND,
    sqlite3.SQLITE_NOTADB: "the history {where} is not a database; " + MEND,
    sqlite3.SQLITE_PERM: "the history {where} may not be opened; check its owner and its rights",
    sqlite3.SQLITE_AUTH: "the history {where} may not be opened; check its owner and its rights",
    sqlite3.SQLITE_NOMEM: "there was no memory for {where}",
    sqlite3.SQLITE_PROTOCOL: "the history {where} cannot be locked; is it on a network file system?",
}


def code_of(error: BaseException) -> int | None:
    """Return SQLite's primary result code, where *error* has one."""
    code = getattr(_driver_error(error), "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def is_passing(error: BaseException) -> bool:
    """Tell whether the same statements may succeed later: the fault is the surroundings', not theirs."""
    error = _driver_error(error)
    if isinstance(error, sqlite3.Error):
        return code_of(error) in _SENTENCES
    # PostgreSQL: lost connections, full disks, dead locks, shutdowns are all operational errors.
    return type(error).__module__.partition(".")[0] == "psycopg" and any(
        base.__name__ == "OperationalError" for base in type(error).__mro__
    )


def is_damage(error: BaseException) -> bool:
    """Tell whether the file itself is at fault, so that waiting does not help."""
    return code_of(error) in _DAMAGE


def sentence(error: BaseException, where: str) -> str:
    """Tell what is wrong with the database at *where*."""
    error = _driver_error(error)
    text = " ".join(str(error).split())
    pattern = _SENTENCES.get(code_of(error) or 0)
    if pattern is not None:
        return pattern.format(where=where, error=text)
    return f"the history {where} cannot be used: {text}"


def _driver_error(error: BaseException) -> BaseException:
    """Return the driver's own error where SQLAlchemy wrapped it."""
    return getattr(error, "orig", None) or error
