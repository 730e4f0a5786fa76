"""Results in tables, on real databases."""

import json
import os
import sqlite3
import sys
import textwrap
import threading
import time
from contextlib import closing
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from tidemill.storage.database import DatabaseResult
from tidemill.storage.places import ResultError

SOURCE = Path(__file__).parents[3] / "daemon"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/results.db"
    return request.getfixturevalue("postgres").url


@pytest.fixture
def table(request):
    """A table of each test's own."""
    return "t_" + "".join(letter if letter.isalnum() else "_" for letter in request.node.name)[:60]


def rows(url, table, columns="*"):
    from sqlalchemy import create_engine, text

    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT {columns} FROM {table} ORDER BY run, task, idx")).all()
    engine.dispose()
    return found


def test_a_result_is_a_row_of_a_table_that_is_made_with_the_first(url, table, place):
    handler = DatabaseResult(url, table)

    info = handler.write({"rows": [1, "é\0"]}, place)

    assert (info.handler, info.encoding, info.value) == ("DatabaseResult", "json", None)
    assert info.location.endswith(f"#{table}/k3f/load/3")
    assert handler.read(info) == {"rows": [1, "é\0"]}
    ((run, task, idx, flow, encoding, size, text, data),) = rows(
        url, table, "run, task, idx, flow, encoding, size, json, data"
    )
    assert (run, task, idx, flow, encoding, size) == ("k3f", "load", 3, "nightly", "json", info.size)
    assert (json.loads(text), data) == ({"rows": [1, "é\0"]}, None)


def test_what_is_not_json_is_kept_as_bytes(url, table, place):
    handler = DatabaseResult(url, table)
    value = {("a", 1): b"\0\xff" * 100_000}

    info = handler.write(value, place)

    assert handler.read(info) == value
    ((text, data),) = rows(url, table, "json, data")
    assert text is None
    assert len(data) == info.size


def test_the_same_task_run_has_one_row_which_is_written_over(url, table, place):
    handler = DatabaseResult(url, table)
    handler.write("first", place)
    handler.write((1, 2), place)
    last = handler.write("last", place)
    other = handler.write("other", place._replace(number=4))

    assert rows(url, table, "idx, json, data") == [(3, '"last"', None), (4, '"other"', None)]
    assert (handler.read(last), handler.read(other)) == ("last", "other")


def test_names_that_look_like_paths_keep_rows_apart(url, table, place):
    handler = DatabaseResult(url, table)

    infos = [handler.write(name, place._replace(task=name)) for name in ("a/b", "a#b", "a?b", "é %2F")]

    assert [handler.read(info) for info in infos] == ["a/b", "a#b", "a?b", "é %2F"]
    assert len(rows(url, table)) == 4


def test_damage_and_loss_are_told(url, table, place):
    from sqlalchemy import create_engine, text

    handler = DatabaseResult(url, table)
    info = handler.write([1, 2], place)
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {table} SET json = '[1, 3]'"))
    with pytest.raises(ResultError, match=r"is damaged, or was overwritten since"):
        handler.read(info)
    with engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {table}"))
    with pytest.raises(ResultError, match=rf"#{table}/k3f/load/3: the row is gone"):
        handler.read(info)
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {table}"))
    with pytest.raises(ResultError, match="the row is gone"):
        handler.read(info)
    engine.dispose()


def test_a_table_of_somebody_else_s_is_not_written_to(url, table, place):
    from sqlalchemy import create_engine, text

    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)"))
    engine.dispose()

    with pytest.raises(ResultError, match=r"cannot be written to .*column") as failure:
        DatabaseResult(url, table, retry_delay=60).write("secret value", place)
    assert "secret value" not in str(failure.value)


def test_a_relative_file_begins_at_the_flow_file_s_folder(place, tmp_path):
    info = DatabaseResult("sqlite:///kept/results.db").write(1, place)

    assert info.location == f"sqlite:///{tmp_path}/kept/results.db#tidemill_results/k3f/load/3"
    assert DatabaseResult("elsewhere.db", "other").read(info) == 1


def test_an_sqlite_file_of_somebody_else_s_keeps_its_ways(place, tmp_path):
    theirs = sqlite3.connect(tmp_path / "theirs.db")
    theirs.execute("CREATE TABLE things (id)")
    theirs.commit()
    ours = DatabaseResult("ours.db").write(1, place)
    DatabaseResult("theirs.db").write(1, place)

    assert theirs.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    theirs.close()
    with closing(sqlite3.connect(tmp_path / "ours.db")) as mine:
        assert mine.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert ours.size == 1


def test_a_locked_file_is_waited_for(place, tmp_path):
    handler = DatabaseResult("results.db", retries=0)
    handler.write("before", place)
    other = sqlite3.connect(tmp_path / "results.db", check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    kept = []
    writing = threading.Thread(target=lambda: kept.append(handler.write("after", place)))
    writing.start()
    time.sleep(1.3)
    assert writing.is_alive()
    other.rollback()
    other.close()
    writing.join(30)

    assert handler.read(kept[0]) == "after"


def test_a_file_that_stays_locked_is_told_in_the_end(place, tmp_path):
    other = sqlite3.connect(tmp_path / "results.db")
    other.execute("CREATE TABLE x (y)")
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(ResultError, match=r"results.db#tidemill_results/k3f/load/3: database is locked"):
        DatabaseResult("results.db", retries=0, timeout=0.1).write(1, place)
    other.close()


WRITER = """
import sys
from pathlib import Path
from tidemill.storage.database import DatabaseResult
from tidemill.storage.places import ResultPlace

url, table, run, count = sys.argv[1:]
handler = DatabaseResult(url, table, retries=0)
sys.stdin.readline()
for number in range(int(count)):
    info = handler.write({"run": run, "number": number}, ResultPlace("flow", run, "load", number, Path.cwd()))
    assert handler.read(info) == {"run": run, "number": number}
print("done")
"""


def test_many_processes_write_at_once_and_make_the_table_at_once(url, table, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    writers = [
        Popen(
            [sys.executable, "-P", "-c", textwrap.dedent(WRITER), url, table, f"run{number}", "25"],
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            text=True,
            cwd=tmp_path,
            env=environment,
        )
        for number in range(4)
    ]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        out, err = writer.communicate(timeout=60)
        assert (out, writer.returncode) == ("done\n", 0), err

    assert len(rows(url, table)) == 100


def test_threads_of_one_process_write_at_once(url, table, place):
    handler = DatabaseResult(url, table, retries=0)
    kept, errors = {}, []

    def write(number):
        try:
            kept[number] = handler.write(number, place._replace(number=number))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert errors == []
    assert [handler.read(kept[number]) for number in range(12)] == list(range(12))


def test_a_password_serves_and_is_never_shown(postgres, table, place):
    handler = DatabaseResult(postgres.url_of("swordfish"), table)

    info = handler.write([1], place)

    assert handler.read(info) == [1]
    shown = f"{info}{handler!r}{handler.where}"
    assert "swordfish" not in shown
    assert f"postgresql+psycopg://tester@127.0.0.1:{postgres.port}/postgres#{table}/k3f/load/3" in shown


def test_a_wrong_password_is_told_without_it_and_without_retries(postgres, table, place):
    handler = DatabaseResult(postgres.url_of("sesame"), table, retries=5, retry_delay=60)

    with pytest.raises(ResultError, match="password authentication failed") as failure:
        handler.write([1], place)
    assert "sesame" not in str(failure.value)
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__


def test_a_password_of_the_environment_serves_who_names_none(postgres, table, place, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "swordfish")
    url = postgres.url_of("x").replace(":x@", "@")

    info = DatabaseResult(url, table).write([1], place)

    assert DatabaseResult("sqlite:///other.db").read(info) == [1]


def test_a_database_that_does_not_exist_is_told_at_once(postgres, table, place):
    handler = DatabaseResult(postgres.url.replace("/postgres?", "/nobody?"), table, retries=5, retry_delay=60)

    with pytest.raises(ResultError, match='database "nobody" does not exist'):
        handler.write(1, place)


def test_a_server_that_is_gone_is_told_and_one_that_comes_back_gets_the_value(postgres, table, place, caplog):
    handler = DatabaseResult(postgres.url, table, retries=0)
    first = handler.write("first", place)
    postgres.stop()
    try:
        with pytest.raises(
            ResultError, match=r"the result of load cannot be written to postgresql.*Is the server running"
        ):
            handler.write("lost", place)
        patient = DatabaseResult(postgres.url, table, retries=10, retry_delay=0.05)
        kept = []
        writing = threading.Thread(target=lambda: kept.append(patient.write("kept", place._replace(number=4))))
        writing.start()
        while "trying again" not in caplog.text:
            assert writing.is_alive()
            time.sleep(0.01)
    finally:
        postgres.start()
    writing.join(60)

    assert patient.read(kept[0]) == "kept"
    assert handler.read(first) == "first"


def test_a_table_may_stand_in_a_schema(postgres, place):
    from sqlalchemy import create_engine, text

    engine = create_engine(postgres.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA reports"))
    engine.dispose()
    handler = DatabaseResult(postgres.url, "reports.results")

    assert handler.read(handler.write([1], place)) == [1]
    assert len(rows(postgres.url, "reports.results")) == 1
