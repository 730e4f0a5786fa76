"""The table that DatabaseResult writes to. SQLAlchemy lives and ends here, and is imported with the first result."""

import os
import time
import weakref
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    func,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from tidemill.domain.results import ResultInfo
from tidemill.storage.databases import is_locked, is_made_already, is_without_table, setback_of
from tidemill.storage.files import setback
from tidemill.storage.patience import Setback, wait
from tidemill.storage.places import ResultPlace

BUSY_TIMEOUT: Final = 0.2
"""Seconds SQLite itself waits for a lock, before it is asked again: it hears no interrupt meanwhile."""
_CONNECTING: Final = {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 30_000}
"""What libpq would wait for without end, unless the author's URL says more."""


class ResultTable:
    """One table of one database."""

    def __init__(self, url: str, name: str, timeout: float) -> None:
        self._timeout = timeout
        self._engine = _open(url)
        weakref.finalize(self, _close, self._engine, os.getpid())
        schema, _, plain = name.rpartition(".")
        self._table = Table(
            plain,
            MetaData(schema=schema or None),
            Column("run", String(64), primary_key=True),
            Column("task", String(255), primary_key=True),
            Column("idx", Integer, primary_key=True),
            Column("flow", String(255), nullable=False),
            Column("encoding", String(64), nullable=False),
            Column("size", Integer, nullable=False),
            Column("checksum", String(64), nullable=False),
            Column("json", Text),
            Column("data", LargeBinary),
            Column("written_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        )

    def write(self, place: ResultPlace, info: ResultInfo, data: bytes) -> None:
        """Write the row of *place*, or write it over. Raises Setback."""
        is_json = info.encoding == "json"
        row: dict[str, Any] = {
            "flow": place.flow,
            "encoding": info.encoding,
            "size": info.size,
            "checksum": info.checksum,
            "json": data.decode() if is_json else None,
            "data": None if is_json else data,
        }
        insert = (sqlite if self._engine.dialect.name == "sqlite" else postgresql).insert(self._table)
        statement = insert.values(run=place.run, task=place.task, idx=place.number, **row).on_conflict_do_update(
            index_elements=["run", "task", "idx"], set_={**row, "written_at": func.now()}
        )
        self._perform(lambda: self._execute(statement))

    def read(self, run: str, task: str, number: int) -> bytes:
        """Return the bytes of a row. Raises Setback."""
        columns = self._table.c
        statement = select(columns.json, columns.data).where(
            columns.run == run, columns.task == task, columns.idx == number
        )
        found = self._perform(lambda: self._fetch(statement))
        if found is None:
            raise Setback("the row is gone", is_passing=False)
        text, data = found
        return text.encode() if data is None else bytes(data)

    def _perform(self, work: Any) -> Any:
        """Do *work*, waiting for those who hold a lock, and making the table when it is not there."""
        deadline = time.monotonic() + self._timeout
        is_made = False
        while True:
            try:
                return work()
            except DBAPIError as error:
                if is_locked(error) and time.monotonic() < deadline:
                    wait(0.02)
                elif is_without_table(error) and not is_made:
                    self._make()
                    is_made = True
                else:
                    raise setback_of(error) from None

    def _make(self) -> None:
        try:
            with self._engine.connect() as connection:
                if self._is_new_file(connection):
                    # Of a database that is ours alone: readers and the writer then do not wait for each other.
                    connection.exec_driver_sql("PRAGMA journal_mode = wal")
            self._table.create(self._engine, checkfirst=True)
        except DBAPIError as error:
            # Two that make it at once: one is refused, and finds it made.
            if not (is_locked(error) or is_made_already(error)):
                raise setback_of(error) from None

    def _is_new_file(self, connection: Connection) -> bool:
        if self._engine.dialect.name != "sqlite":
            return False
        return not connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()

    def _execute(self, statement: Any) -> None:
        with self._engine.begin() as connection:
            if self._engine.dialect.name != "sqlite":
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(self._timeout * 1000)}")
            connection.execute(statement)

    def _fetch(self, statement: Any) -> Any:
        with self._engine.connect() as connection:
            return connection.execute(statement).one_or_none()


def _close(engine: Engine, pid: int) -> None:
    """Take leave of the server; what a forked process inherited is not its to close."""
    if os.getpid() == pid:
        engine.dispose()


def _open(url: str) -> Engine:
    if url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///"))
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise setback(error) from None
        address = URL.create("sqlite", database=str(file))
        return create_engine(address, poolclass=NullPool, connect_args={"timeout": BUSY_TIMEOUT}, hide_parameters=True)
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        reason = "the URL cannot be read; it looks like postgresql://user@host/database"
        raise Setback(reason, is_passing=False) from None
    # One connection is kept; threads that write at once open more, and close them.
    return create_engine(
        address,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=-1,
        pool_pre_ping=True,
        connect_args={name: value for name, value in _CONNECTING.items() if name not in address.query},
        hide_parameters=True,
    )
