"""Reading connections. For SQLite the standard library's own: importing SQLAlchemy would cost a command 300 ms."""

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

from tidemill.domain.addresses import with_driver
from tidemill.domain.errors import HistoryError
from tidemill.history.addresses import UNREADABLE_URL
from tidemill.history.problems import sentence
from tidemill.history.texts import storable

if TYPE_CHECKING:
    from sqlalchemy import Connection

Row = tuple[Any, ...]

PATIENCE: Final = 5.0
"""Seconds to wait while the history is locked, as for an instant after a crash."""


class Reading(Protocol):
    """A connection that only reads, and holds nothing between two queries."""

    def rows(self, sql: str, parameters: Mapping[str, Any] = {}) -> list[Row]:
        """Return all rows of a query with ``:named`` parameters."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class SqliteReading:
    """A file, opened read-only; every row is fetched at once, for an open read keeps the log from being cut."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect_to_read(path)

    def rows(self, sql: str, parameters: Mapping[str, Any] = {}) -> list[Row]:
        """Return all rows of a query."""
        try:
            return self._connection.execute(sql, _bindable(parameters)).fetchall()
        except sqlite3.Error as error:
            raise HistoryError(sentence(error, str(self._path))) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _bindable(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return values that a database takes: a person may ask for any name, and one that it cannot hold finds nothing."""
    return {name: storable(value) if isinstance(value, str) else value for name, value in parameters.items()}


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open the file at *path* so that nothing can be written through the connection; it begins no transaction."""
    if not path.is_file():
        raise HistoryError(f"there is no history at {path} yet; a daemon makes it: tidemill start")
    try:
        return _open(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if not os.access(path, os.R_OK):
            raise HistoryError(f"the history {path} may not be read by you; ask as its owner") from error
        # Another user cannot make the files that sharing takes. With no log beside it, the file is all there
        # is and nobody writes; with one, reading it this way would show an old state without a word.
        if path.with_name(path.name + "-wal").exists():
            raise HistoryError(sentence(error, str(path))) from error
        try:
            return _open(path, "mode=ro&immutable=1")
        except sqlite3.Error:
            raise HistoryError(sentence(error, str(path))) from error
    except sqlite3.DatabaseError as error:
        raise HistoryError(sentence(error, str(path))) from error


def _open(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?{mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)
    try:
        connection.execute("PRAGMA trusted_schema = 0")  # a history from elsewhere may bring views of its own
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class AlchemyReading:
    """Another database, by its URL; SQLAlchemy is imported here and not before."""

    def __init__(self, url: str) -> None:
        from sqlalchemy import create_engine, make_url
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
        from sqlalchemy.pool import NullPool

        self._error = SQLAlchemyError
        try:
            address = make_url(with_driver(url))
        except (ArgumentError, ValueError) as error:
            raise HistoryError(UNREADABLE_URL) from error
        self._where = address.render_as_string(hide_password=True)
        try:
            engine = create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT")
            self._connection: Connection = engine.connect()
        except NoSuchModuleError as error:
            raise HistoryError(UNREADABLE_URL) from error
        except (SQLAlchemyError, ModuleNotFoundError) as error:
            raise HistoryError(sentence(error, self._where)) from error

    def rows(self, sql: str, parameters: Mapping[str, Any] = {}) -> list[Row]:
        """Return all rows of a query."""
        from sqlalchemy import text

        try:
            return [tuple(row) for row in self._connection.execute(text(sql), _bindable(parameters)).fetchall()]
        except self._error as error:
            raise HistoryError(sentence(error, self._where)) from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def open_reading(address: str | Path) -> Reading:
    """Open a path or a URL for reading."""
    if isinstance(address, str) and "://" in address:
        if not address.startswith("sqlite:"):
            return AlchemyReading(address)
        address = address.partition(":///")[2].partition("?")[0]
    return SqliteReading(Path(address))
