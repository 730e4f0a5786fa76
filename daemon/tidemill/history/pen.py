"""The one writing connection: opened when it is needed, opened again when it died."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection

from tidemill.history.database import Database
from tidemill.history.problems import BUSY, code_of, is_passing
from tidemill.history.writing import Writer


class Pen:
    """Held by the recorder's thread alone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._writer: Writer | None = None

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
                self.close()
            raise

    def tidy(self) -> None:
        """Fold the write-ahead log into the file and cut it, unless someone reads just now."""
        if self._connection is None or not self._database.is_sqlite:
            return
        driver = self._connection.connection.driver_connection
        assert driver is not None
        patience = driver.execute("PRAGMA busy_timeout").fetchone()[0]
        driver.execute("PRAGMA busy_timeout = 0")
        try:
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            driver.execute(f"PRAGMA busy_timeout = {patience}")

    def close(self) -> None:
        """Close the connection; the next transaction opens another."""
        connection, self._connection, self._writer = self._connection, None, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def _open(self) -> tuple[Connection, Writer]:
        if self._connection is None or self._writer is None:
            self._connection = self._database.connect()
            self._writer = Writer(self._connection)
            if self._connection.in_transaction():
                self._connection.rollback()
        return self._connection, self._writer
