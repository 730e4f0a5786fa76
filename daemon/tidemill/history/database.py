"""Opening the history: its address, its settings, its schema."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from tidemill.domain.addresses import with_driver
from tidemill.domain.errors import HistoryError
from tidemill.history.addresses import UNREADABLE_URL
from tidemill.history.migrating import bring_up_to_date
from tidemill.history.place import sync_folder
from tidemill.history.problems import sentence

PRAGMAS: Final = {
    # Before the first table, or it has no effect.
    "auto_vacuum": 2,
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "trusted_schema": 0,
    "cell_size_check": 1,
    # In KiB: the writer touches the end of each table, and the system keeps the rest.
    "cache_size": -2048,
    "journal_size_limit": 16 * 1024 * 1024,
}
"""What every connection is set to, and what must be read back: a pragma fails without a word."""

PATIENCE: Final = 2.0
"""Seconds SQLite itself waits for a lock; whoever writes tries again after that."""

_LOCK: Final = 0x7469_6465_6D69_6C6C
"""The number of the PostgreSQL lock that keeps a second writer out: "tidemill"."""


class Database:
    """The history's address, ready for writing: the schema is this program's."""

    def __init__(self, engine: Engine, where: str, patience: float = PATIENCE) -> None:
        self._patience = patience
        self.engine = engine
        self.where = where
        """What errors call it: a path, or a URL without its password."""

    @property
    def is_sqlite(self) -> bool:
        """Tell whether it is one file."""
        return self.engine.dialect.name == "sqlite"

    @property
    def path(self) -> Path | None:
        """The file, wherever links lead to it; None where the history is not one."""
        return Path(self.where).resolve() if self.is_sqlite else None

    def connect(self) -> Connection:
        """Open the connection of the one writer."""
        connection = self.engine.connect()
        if not self.is_sqlite:
            try:
                # Waits a little: the server lets go of a dead process's lock only when it notices.
                connection.exec_driver_sql(f"SET lock_timeout = {round(self._patience * 1000)}")
                connection.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK})")
                connection.exec_driver_sql("SET lock_timeout = 0")
                connection.commit()
            except DBAPIError as error:
                connection.close()
                raise HistoryError(
                    f"the history {self.where} is locked by another process: another daemon writes it"
                ) from error
        return connection


def open_database(address: str | Path, *, patience: float = PATIENCE) -> Database:
    """Open the history at *address*, a path or a URL; make it or migrate it when it is behind."""
    url = _url(address)
    where = str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)
    try:
        if url.get_backend_name() == "sqlite":
            _make_private(Path(where))
            database = Database(_sqlite_engine(url, patience), where, patience)
        else:
            database = Database(create_engine(url, poolclass=NullPool), where, patience)
        with database.connect() as connection, connection.begin():
            bring_up_to_date(connection, where)
    except DBAPIError as error:
        raise HistoryError(sentence(error, where)) from error
    except sqlite3.Error as error:
        raise HistoryError(sentence(error, where)) from error
    except OSError as error:
        raise HistoryError(f"the history {where} cannot be opened: {error.strerror}") from error
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise HistoryError(
            f"the driver of {where} is not installed ({error}); try: pip install 'tidemill[postgres]'"
        ) from error
    return database


def _url(address: str | Path) -> URL:
    if isinstance(address, Path) or "://" not in address:
        return URL.create("sqlite", database=str(address))
    try:
        return make_url(with_driver(address))
    except (ArgumentError, ValueError) as error:
        raise HistoryError(UNREADABLE_URL) from error


def _make_private(path: Path) -> None:
    """Make the file before SQLite does: for its owner alone, whatever the umask says. The WAL inherits it."""
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        # The folders may be as new as the file, and a power cut that took the name of one would take the history.
        for folder in path.absolute().parents:
            with suppress(OSError):  # what may not be opened was made by somebody else
                sync_folder(folder)


def _sqlite_engine(url: URL, patience: float) -> Engine:
    # Not made where it is missing: an empty file in the place of a history that was taken away would hide the loss.
    address = f"file:{quote(str(Path(str(url.database)).absolute()))}?mode=rw"
    engine = create_engine(
        url,
        poolclass=NullPool,
        creator=lambda: sqlite3.connect(address, uri=True, timeout=patience, check_same_thread=False),
    )

    # SQLAlchemy's own idea of a transaction begins deferred and late; ours takes the write lock first, so that
    # no statement inside can find the history changed under it.
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for name, value in PRAGMAS.items():
            if name == "auto_vacuum" and connection.execute("PRAGMA page_count").fetchone()[0] > 0:
                continue
            connection.execute(f"PRAGMA {name} = {value}").fetchall()
            found = connection.execute(f"PRAGMA {name}").fetchone()[0]
            if found != value:
                raise HistoryError(f"the history {url.database} refuses {name} = {value} (it says {found})")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
