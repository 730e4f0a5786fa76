"""Histories to test on: SQLite in a temporary folder, and a real PostgreSQL server where one is installed."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from result_servers import PostgresServer
from tidemill.domain.events import Event
from tidemill.history.database import Database, open_database
from tidemill.history.folding import Rows
from tidemill.history.pen import Pen
from tidemill.history.reader import open_reader
from tidemill.history.recorder import Recorder
from tidemill.history.records import NewRun
from tidemill.journal.writer import JournalWriter

NOON = 1_700_000_000_000_000
"""A moment in November 2023, in microseconds."""
SECOND = 1_000_000


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own."""
    server = PostgresServer()
    server.start()
    try:
        yield server.url.replace("postgresql:", "postgresql+psycopg:")
    finally:
        server.remove()


def refuse_events_of(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the history refuse every event of a task; what journals say is checked before, so it refuses no known one."""
    add = Rows.add

    def refuse(rows: Rows, run_id: int, events: Iterable[Event]) -> None:
        told = list(events)
        if any(getattr(event, "name", None) == task for event in told):
            raise ValueError(task)
        add(rows, run_id, told)

    monkeypatch.setattr(Rows, "add", refuse)


class Lab:
    """One history, with verbs for what the daemon would do."""

    def __init__(self, address: str | Path, folder: Path) -> None:
        self.address = address
        self.folder = folder
        self.database: Database = open_database(address)
        self.pen = Pen(self.database)

    def write(self, work):
        """Have *work* done in a transaction of its own."""
        with self.pen.transaction() as writer:
            return work(writer)

    def add_run(self, uid: str = "k3f0000000", flow: str = "nightly", **fields) -> int:
        """Record a run."""
        fields.setdefault("queued_at", NOON)
        return self.write(lambda writer: writer.add_run(NewRun(uid, flow, **fields)))

    def journal(self, uid: str, *events: Event) -> Path:
        """Append *events* to the run's journal."""
        path = self.folder / f"{uid}.journal"
        writer = JournalWriter(path)
        for event in events:
            writer.write(event)
        writer.close()
        return path

    def record(self, run_id: int, uid: str, *events: Event) -> None:
        """Write *events* into a journal and have them recorded."""
        path = self.journal(uid, *events)
        offset = self.write(lambda w: w.row("SELECT journal_offset FROM runs WHERE id = ?", (run_id,)))[0]
        self.pen.close()
        recorder = Recorder(self.database)
        recorder.follow(run_id, uid, path, offset)
        recorder.start()
        recorder.stop()

    def read(self, question):
        """Ask a reader."""
        reader = open_reader(self.address)
        try:
            return question(reader)
        finally:
            reader.close()

    def close(self) -> None:
        """Close it."""
        self.pen.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """A new history on each kind of database."""
    if request.param == "sqlite":
        lab = Lab(tmp_path / "history.db", tmp_path)
        yield lab
        lab.close()
        return
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    url = request.getfixturevalue("postgresql")
    schema = f"t{os.urandom(4).hex()}"
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    lab = Lab(f"{url}&options=-csearch_path%3D{schema}", tmp_path)
    yield lab
    lab.close()


@pytest.fixture
def sqlite_lab(tmp_path: Path) -> Iterator[Lab]:
    """A new history on SQLite."""
    lab = Lab(tmp_path / "history.db", tmp_path)
    yield lab
    lab.close()
