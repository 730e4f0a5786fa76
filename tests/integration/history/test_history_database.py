"""Opening a history: new, old, newer, foreign, damaged, locked, killed while it was migrated."""

import importlib
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from history_lab import NOON, Lab
from tidemill.domain.errors import HistoryError
from tidemill.history import migrating
from tidemill.history.database import PRAGMAS, open_database
from tidemill.history.migrations import LATEST, VERSIONS
from tidemill.history.reader import open_reader

ROOT = Path(__file__).parents[3] / "daemon"

NEXT_VERSION = f"""
from alembic import op

revision = "9000"
down_revision = "{LATEST}"


def upgrade():
    op.execute("CREATE TABLE more (id INTEGER)")
    op.execute("INSERT INTO meta VALUES ('migrated', 'yes')")
    {{then}}
"""


def schema_of(lab: Lab) -> list[tuple]:
    if lab.database.is_sqlite:
        sql = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
    else:
        sql = (
            "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
            " WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
        )
    rows = lab.write(lambda w: w.rows(sql))
    return [tuple(str(cell).split() for cell in row) for row in rows if "alembic" not in str(row)]


def drop_everything(writer) -> None:
    for table in [
        "results", "attempts", "task_runs", "run_events", "runs", "occurrences", "schedules", "flows", "files",
        "manifest_cache", "versions", "sources", "removals", "meta", "alembic_version",
    ]:  # fmt: skip
        writer.execute(f"DROP TABLE {table}")


def versions_with(tmp_path: Path, then: str) -> Path:
    folder = tmp_path / "versions"
    folder.mkdir()
    for version in (migrating.FOLDER / "versions").glob("v*.py"):
        (folder / version.name).write_text(version.read_text())
    (folder / "v9000_next.py").write_text(NEXT_VERSION.format(then=then))
    return folder


def run_python(program: str, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


# New and old


def test_a_new_history_is_what_alembic_would_make(lab):
    made = schema_of(lab)
    with lab.pen.transaction() as writer:
        drop_everything(writer)
    lab.pen.close()

    with lab.database.connect() as connection, connection.begin():
        migrating.upgrade(connection)

    assert schema_of(lab) == made
    lab.pen.close()
    open_database(lab.address)


def test_no_folder_above_a_new_history_can_be_lost_with_the_power(tmp_path, synced):
    path = tmp_path / "lib" / "state" / "history.db"
    path.parent.mkdir(parents=True)

    open_database(path)

    assert {path.parent, tmp_path / "lib", tmp_path} <= set(synced)
    synced.clear()
    open_database(path)
    assert synced == []


def test_every_version_has_its_file():
    files = sorted(path.stem for path in (migrating.FOLDER / "versions").glob("v*.py"))

    assert [name[1:5] for name in files] == list(VERSIONS)


def test_an_old_history_is_migrated(lab, tmp_path):
    folder = versions_with(tmp_path, "pass")
    lab.write(lambda w: w.set_meta("kept", "indeed"))
    lab.pen.close()

    with lab.database.connect() as connection, connection.begin():
        migrating.upgrade(connection, folder)

    assert lab.write(lambda w: (w.get_meta("kept"), w.get_meta("migrated"))) == ("indeed", "yes")
    assert lab.write(lambda w: w.rows("SELECT version_num FROM alembic_version")) == [("9000",)]


# Each version, from the one before it, with what was written by then


def begin_with(lab: Lab, *names: str) -> None:
    """Make the history one that an older program made."""
    with lab.pen.transaction() as writer:
        drop_everything(writer)
        for name in names:
            version = importlib.import_module(f"tidemill.history.migrations.versions.{name}")
            for statement in version.statements(lab.database.engine.dialect.name):
                writer.execute(statement)
        writer.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        writer.execute("INSERT INTO alembic_version VALUES (?)", (names[-1][1:5],))


def test_runs_of_the_first_schema_are_runs_that_nobody_called(lab):
    begin_with(lab, "v0001_first")
    with lab.pen.transaction() as w:
        w.execute("INSERT INTO flows (name, active) VALUES ('nightly', 1)")
        w.execute_all(
            "INSERT INTO runs (uid, flow_id, state, trigger, queued_at, finished_at, attempt, priority, parent_id,"
            " journal_offset) VALUES (?, 1, ?, ?, ?, ?, 1, 0, ?, 0)",
            [
                ("aaa0000000", "failed", "manual", NOON, NOON + 1, None),
                ("bbb0000000", "running", "retry", NOON + 2, None, 1),
            ],
        )
        w.execute("INSERT INTO task_runs (run_id, idx, name, state, attempts) VALUES (1, 0, 'extract', 'failed', 2)")
        w.execute("INSERT INTO run_events (run_id, seq, at, note) VALUES (1, 1, 5, 'kept')")
    lab.pen.close()

    open_database(lab.address)

    newest, oldest = lab.read(lambda r: r.runs())
    assert (newest["id"], newest["parent"], newest["root"], newest["name"]) == ("bbb0000000", "aaa0000000", None, None)
    assert lab.read(lambda r: r.runs(top=True)) == [newest, oldest]
    assert lab.read(lambda r: r.find_run("nightly@last")) == "bbb0000000"
    (task,) = lab.read(lambda r: r.run_detail("aaa0000000"))["tasks"]
    assert (task["name"], task["attempts"], task["run_name"], task["subflow"]) == ("extract", 2, None, None)
    assert [run.uid for run in lab.write(lambda w: w.load_live())] == ["bbb0000000"]
    lab.add_run("ccc0000000")
    assert lab.write(lambda w: w.rows("SELECT note FROM run_events")) == [("kept",)]


MIGRATE = """
import sys
import tempfile
from pathlib import Path
from tidemill.history import migrating
from tidemill.history.database import open_database
database = open_database(sys.argv[1])
with database.connect() as connection, connection.begin():
    migrating.upgrade(connection, Path(sys.argv[2]))
"""


def test_a_migration_that_is_killed_leaves_the_old_history(lab, tmp_path):
    before = schema_of(lab)
    lab.pen.close()
    folder = versions_with(tmp_path, "import os; os.kill(os.getpid(), 9)")

    killed = run_python(MIGRATE, lab.address, folder)

    assert killed.returncode == -9
    assert schema_of(lab) == before
    assert lab.write(lambda w: w.rows("SELECT version_num FROM alembic_version")) == [(LATEST,)]
    assert lab.write(lambda w: w.get_meta("migrated")) is None


def test_a_migration_that_fails_leaves_the_old_history(lab, tmp_path):
    before = schema_of(lab)
    lab.pen.close()
    folder = versions_with(tmp_path, "raise RuntimeError")

    with pytest.raises(RuntimeError), lab.database.connect() as connection, connection.begin():
        migrating.upgrade(connection, folder)

    assert schema_of(lab) == before


def test_opening_what_is_up_to_date_does_not_import_alembic(tmp_path):
    program = (
        "import sys; from tidemill.history.database import open_database; open_database(sys.argv[1]);"
        "import tidemill.history.recorder; print('alembic' in sys.modules)"
    )
    for _ in range(2):
        assert run_python(program, tmp_path / "history.db").stdout == "False\n"


def test_a_new_history_is_for_its_owner_alone(tmp_path):
    before = os.umask(0)
    try:
        database = open_database(tmp_path / "history.db")
        with database.connect() as connection, connection.begin():
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)

    assert modes == dict.fromkeys(("history.db", "history.db-wal", "history.db-shm"), 384)


def test_the_connection_is_set_as_it_must_be(sqlite_lab):
    found = sqlite_lab.write(lambda w: {name: w.row(f"PRAGMA {name}")[0] for name in PRAGMAS})

    assert found == PRAGMAS
    assert found["synchronous"] == 2  # FULL: what was acknowledged survives a power cut
    assert found["journal_mode"] == "wal"


def test_a_transaction_takes_the_lock_when_it_begins(sqlite_lab):
    other = sqlite3.connect(sqlite_lab.address, isolation_level=None, timeout=0)
    with sqlite_lab.pen.transaction(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()


def test_a_path_may_hold_any_symbol(tmp_path):
    folder = tmp_path / "a b?c#d%20e:memory:"
    folder.mkdir()
    open_database(folder / "history.db")

    open_reader(folder / "history.db").close()

    assert (folder / "history.db").stat().st_size > 0


# What cannot be used


def test_a_history_of_a_newer_tidemill_is_refused(lab):
    lab.write(lambda w: w.execute("UPDATE alembic_version SET version_num = '9999'"))
    lab.pen.close()

    with pytest.raises(HistoryError, match=f"newer tidemill.*9999.*up to {LATEST}"):
        open_database(lab.address)
    with pytest.raises(HistoryError, match="newer tidemill"):
        open_reader(lab.address)


def test_a_database_of_something_else_is_refused(tmp_path):
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE customers (id)")
    connection.close()

    with pytest.raises(HistoryError, match="something else"):
        open_database(path)
    with pytest.raises(HistoryError, match="not a history of tidemill"):
        open_reader(path)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "history.db"
    path.write_bytes(b"this is a text, and not a short one\n" * 1000)

    for opening in (open_database, open_reader):
        with pytest.raises(HistoryError, match=r"history\.db is not a database; stop the daemon and mend it"):
            opening(path)


def test_an_empty_file_is_a_history_that_was_about_to_be_made(tmp_path):
    path = tmp_path / "history.db"
    path.touch()

    with pytest.raises(HistoryError, match="no daemon has made it"):
        open_reader(path)
    open_database(path)


def test_a_history_that_another_process_has_locked_is_told_so(sqlite_lab):
    other = sqlite3.connect(sqlite_lab.address, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(HistoryError, match=r"history\.db is locked by another process"):
        open_database(sqlite_lab.address, patience=0.01)
    other.close()


def test_a_folder_that_is_not_there_is_told_so(tmp_path):
    with pytest.raises(HistoryError, match=r"history\.db cannot be opened: No such file or directory"):
        open_database(tmp_path / "none" / "history.db")
    with pytest.raises(HistoryError, match=r"there is no history at .* tidemill start"):
        open_reader(tmp_path / "none" / "history.db")


@pytest.mark.parametrize("url", ["://", "postgresql://host:port/name"])
def test_an_address_that_is_none_is_told_so(url):
    for opening in (open_database, open_reader):
        with pytest.raises(HistoryError, match="looks like postgresql"):
            opening(url)


def test_a_driver_that_is_not_installed_is_told_so():
    with pytest.raises(HistoryError, match=r"driver of mysql\+nothing"):
        open_database("mysql+nothing://host/name")


def test_a_server_that_does_not_answer_is_told_so_without_the_password(tmp_path):
    url = f"postgresql://tester:secret@/postgres?host={tmp_path}"

    for opening in (open_database, open_reader):
        with pytest.raises(HistoryError, match=r"cannot be used: .*connection") as caught:
            opening(url)
        assert "secret" not in str(caught.value)


# Reading beside the writer, and without one


@pytest.fixture
def open_folder():
    """A folder that everybody may enter; pytest's own are for one user alone."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_user_reads_after_a_clean_stop_and_is_never_shown_an_old_state(open_folder):
    sqlite_lab = Lab(open_folder / "history.db", open_folder)
    sqlite_lab.add_run("k3f0000000")
    sqlite_lab.pen.close()
    path = Path(sqlite_lab.address)
    path.parent.chmod(0o755)
    path.chmod(0o644)
    program = (
        "import os, sys; from tidemill.history.reader import open_reader; import tidemill.domain.schedules\n"
        "os.setuid(65534)\n"
        "try: print(len(open_reader(sys.argv[1]).runs()))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )

    assert run_python(program, path).stdout == "1\n"

    with sqlite_lab.pen.transaction() as writer:
        writer.set_meta("a", "b")
    for name in ("history.db-wal", "history.db-shm"):
        path.with_name(name).chmod(0o600)
    assert "HistoryError" in run_python(program, path).stdout
    sqlite_lab.close()


def test_reading_imports_nothing_heavy(tmp_path):
    program = (
        "import sys\nfrom tidemill.history.reader import open_reader\nopen_reader(sys.argv[1]).runs()\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'sqlalchemy', 'alembic', 'msgspec', 'dataclasses', 'inspect', 'asyncio', 'zoneinfo', 'logging'}))"
    )
    open_database(tmp_path / "history.db")

    assert run_python(program, tmp_path / "history.db").stdout == "[]\n"
