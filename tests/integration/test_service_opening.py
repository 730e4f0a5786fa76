"""The history at the daemon's start: whatever became of it, it is opened."""

import logging
import os

import pytest

from care_lab import World
from history_lab import Lab
from tidemill.domain.errors import HistoryError
from tidemill.history.database import Database
from tidemill.history.pen import Pen
from tidemill.service.opening import Progress, open_history


@pytest.fixture
def world(tmp_path):
    lab = Lab(tmp_path / "history.db", tmp_path)
    world = World(lab)
    for number in range(3):
        world.run(f"a{number:09}", age=number + 1)
    lab.close()
    yield world
    lab.close()


def runs_of(database: Database) -> int:
    pen = Pen(database)
    with pen.transaction() as writer:
        count = writer.row("SELECT COUNT(*) FROM runs")[0]
    pen.close()
    return count


def test_a_sound_history_is_opened_without_a_word(world, caplog):
    assert runs_of(open_history(world.paths.database, world.paths)) == 3
    assert caplog.text == ""


def test_a_new_state_directory_gets_a_new_history(tmp_path):
    from tidemill.config.paths import StatePaths

    assert runs_of(open_history(tmp_path / "history.db", StatePaths(tmp_path))) == 0


@pytest.mark.parametrize("becomes", ["gone", "empty", "nonsense", "short"])
def test_a_history_that_was_lost_is_made_again(world, caplog, becomes):
    path = world.paths.database
    if becomes == "gone":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "nonsense": b"nonsense " * 2000, "short": path.read_bytes()[:5000]}[becomes])

    database = open_history(path, world.paths)

    assert runs_of(database) == 3
    assert caplog.records[-1].levelno == logging.CRITICAL
    assert "made again" in caplog.text


def test_a_suspect_history_is_looked_through(world, caplog):
    path = world.paths.database
    assert runs_of(open_history(path, world.paths, is_suspect=True)) == 3
    assert caplog.text == ""
    with path.open("r+b") as file:
        file.seek(-3 * 4096, os.SEEK_END)
        file.write(b"\xa5" * 4096)

    assert runs_of(open_history(path, world.paths, is_suspect=True)) == 3
    assert "was damaged" in caplog.text


def test_a_database_of_something_else_is_refused_and_left_alone(world):
    import sqlite3

    path = world.paths.database
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE customers (id)")
    connection.close()

    with pytest.raises(HistoryError, match="something else"):
        open_history(path, world.paths)


def test_what_takes_long_is_told_now_and_then(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    times = iter([0.0, 1.0, 6.0, 6.0, 7.0])
    monkeypatch.setattr("tidemill.service.opening.time.monotonic", lambda: next(times))
    signs = []
    progress = Progress(lambda: signs.append(1))

    for runs in (200, 400, 600):
        progress(runs)

    assert signs == [1]
    assert "400 runs are brought back so far" in caplog.text
