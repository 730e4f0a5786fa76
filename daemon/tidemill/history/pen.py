"""The one writing connection: opened when it is needed, opened again when it died."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from sqlalchemy import Connection

from tidemill.history.database import Database
from tidemill.history.place import Identity, files_of, identify, is_held, is_same, put_back
from tidemill.history.problems import BUSY, code_of, is_passing
from tidemill.history.writing import Writer

_MANY_PAGES: Final = 1000
"""SQLite's own measure: runs change few pages, and many of them the same."""
_FEW_PAGES: Final = 200
_LOG: Final = logging.getLogger(__name__)


class Pen:
    """Held by the recorder's thread alone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._path = database.path
        self._connection: Connection | None = None
        self._writer: Writer | None = None
        self._place: Identity | None = None
        self._is_doubtful = False
        """A write or a sync has failed: what the log holds behind it may be on the disk, and may not."""

    @contextmanager
    def transaction(self) -> Iterator[Writer]:
        """Hand out the writer; commit what it wrote, or roll all of it back when an error comes out."""
        connection, writer = self._open()
        try:
            with connection.begin():
                yield writer
        except BaseException as error:
            writer.forget()
            # After a failed write or sync the pages in memory are not to be trusted; being locked out is harmless.
            if is_passing(error) and code_of(error) not in BUSY:
                self._is_doubtful = True
                self.close()
            raise
        # Only now is it durable: what was written into a file that has lost its name would be read by nobody.
        self.keep_place()

    @contextmanager
    def slice(self) -> Iterator[Writer]:
        """Hand out the writer like :meth:`transaction`, for one of many pieces that change much.

        Each folds what it wrote into the file at once: the write-ahead log of several is too much for one
        commit, which somebody may be waiting behind.
        """
        self._open()
        self._fold_at(_FEW_PAGES)
        try:
            with self.transaction() as writer:
                yield writer
        finally:
            self._fold_at(_MANY_PAGES)

    def keep_place(self) -> None:
        """See to it that the history is where everybody looks for it; write it there anew where it was taken away."""
        driver = self._driver()
        if driver is None or self._path is None:
            return
        found = identify(self._path)
        if self._place is None or is_same(self._place, found) or all(map(is_held, files_of(self._path))):
            self._place = found
        else:
            _LOG.critical("%s", put_back(driver, self.close, self._path, self._place))

    def tidy(self) -> None:
        """Fold the write-ahead log into the file and cut it, unless someone reads just now."""
        driver = self._driver()
        if driver is None:
            return
        patience = driver.execute("PRAGMA busy_timeout").fetchone()[0]
        driver.execute("PRAGMA busy_timeout = 0")
        try:
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            driver.execute(f"PRAGMA busy_timeout = {patience}")

    def shrink(self, pages: int) -> int:
        """Give at most so many free pages back to the file system; return how many are free after that.

        The file is shorter once the write-ahead log is folded into it.
        """
        driver = self._driver()
        if driver is None:
            return 0
        self._fold_at(_FEW_PAGES)
        try:
            # As a script: executed as a statement it would free a single page.
            driver.executescript(f"PRAGMA incremental_vacuum({int(pages)})")
        finally:
            self._fold_at(_MANY_PAGES)
        self.keep_place()
        return int(driver.execute("PRAGMA freelist_count").fetchone()[0])

    def close(self) -> None:
        """Close the connection; the next transaction opens another."""
        connection, self._connection, self._writer, self._place = self._connection, None, None, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def _open(self) -> tuple[Connection, Writer]:
        if self._connection is None or self._writer is None:
            self._connection = self._database.connect()
            self._writer = Writer(self._connection)
            if self._connection.in_transaction():
                self._connection.rollback()
        if self._is_doubtful:
            self._start_log_anew()
        return self._connection, self._writer

    def _start_log_anew(self) -> None:
        """Fold what the write-ahead log holds into the file, so that nothing is appended to it.

        After a failed sync the system takes the pages for written, and the next sync says so. What was committed behind
        them would be lost with the power; in the file they are written once more.
        """
        driver = self._driver()
        if driver is not None:
            try:
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.Error:
                self.close()
                raise
        self._is_doubtful = False

    def _fold_at(self, pages: int) -> None:
        """Have a commit fold the write-ahead log into the file when it has so many pages."""
        driver = self._driver()
        if driver is not None:
            driver.execute(f"PRAGMA wal_autocheckpoint = {pages}").fetchall()

    def _driver(self) -> sqlite3.Connection | None:
        """Return SQLite's own connection, while there is one."""
        if self._connection is None or not self._database.is_sqlite:
            return None
        driver: sqlite3.Connection | None = self._connection.connection.driver_connection
        return driver
