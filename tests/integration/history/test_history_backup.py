"""Backups: whole, verified and private, or not at all; beside a writer that does not stop."""

import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from history_lab import NOON
from tidemill.domain.errors import HistoryError, Refused
from tidemill.history import backup
from tidemill.history.backup import back_up
from tidemill.history.records import NewRun


@pytest.fixture
def history(sqlite_lab) -> Path:
    """A history of 300 runs that is open for writing, as under a daemon."""

    def fill(writer):
        for number in range(300):
            writer.add_run(NewRun(f"{number:010}", "nightly", NOON + number, parameters={"text": "x" * 2000}))

    sqlite_lab.write(fill)
    return sqlite_lab.folder / "history.db"


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0]


def damage(path: Path, pages: range) -> None:
    """Overwrite whole pages of the file, as a bad disk does."""
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)


def test_a_copy_is_whole_private_and_one_file(history, tmp_path):
    made = back_up(history, tmp_path / "copy.db")

    assert made.rows["runs"] == 300 == count(made.path)
    assert made.rows["flows"] == 1
    assert made.size == made.path.stat().st_size
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir() if "copy" in path.name) == ["copy.db"]


def test_what_is_written_meanwhile_neither_waits_nor_gets_into_the_copy(sqlite_lab, history, tmp_path, monkeypatch):
    monkeypatch.setattr(backup, "PAGES", 8)
    steps = []

    def write_between(_seconds):
        steps.append(sqlite_lab.add_run(f"w{len(steps):09}"))

    made = back_up(history, tmp_path / "copy.db", rest=write_between)

    assert len(steps) > 10
    assert made.rows["runs"] == 300
    assert count(history) == 300 + len(steps)


def test_a_name_that_is_taken_stays_untouched_unless_forced(history, tmp_path):
    target = tmp_path / "copy.db"
    target.write_text("mine")

    with pytest.raises(Refused, match=r"exists already.*--force"):
        back_up(history, target)
    assert target.read_text() == "mine"
    assert back_up(history, target, force=True).rows["runs"] == count(target)


def test_a_name_that_is_taken_meanwhile_is_not_replaced(history, tmp_path):
    target = tmp_path / "copy.db"

    with pytest.raises(Refused, match="exists already"):
        back_up(history, target, rest=lambda _: target.write_text("mine"))

    assert target.read_text() == "mine"


def test_a_file_system_without_links_takes_a_backup_too(history, tmp_path, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", no_links)

    assert back_up(history, tmp_path / "copy.db").rows["runs"] == 300


def test_the_history_itself_is_no_place_for_it(history):
    with pytest.raises(Refused, match="is the history itself"):
        back_up(history, history, force=True)


@pytest.mark.parametrize(("name", "sentence"), [("nowhere/copy.db", "there is no folder"), ("", "is a folder")])
def test_a_place_that_cannot_hold_it_is_named(history, tmp_path, name, sentence):
    with pytest.raises(Refused, match=sentence):
        back_up(history, tmp_path / name, force=True)


def test_a_damaged_history_makes_no_backup_and_leaves_nothing(sqlite_lab, history, tmp_path):
    sqlite_lab.close()
    damage(history, range(20, 40))

    with pytest.raises(HistoryError, match=r"damaged|malformed"):
        back_up(history, tmp_path / "copy.db")
    assert not [path for path in tmp_path.iterdir() if "copy" in path.name]


def test_what_is_no_history_is_not_copied(tmp_path):
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE wine (year)")

    with pytest.raises(HistoryError, match="not a history of tidemill"):
        back_up(other, tmp_path / "copy.db")


def test_an_interrupted_backup_leaves_nothing_behind(history, tmp_path):
    def interrupt(_seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(history, tmp_path / "copy.db", rest=interrupt)
    assert not [path for path in tmp_path.iterdir() if "copy" in path.name]


def test_each_of_many_backups_under_load_is_sound(sqlite_lab, history, tmp_path):
    stop = threading.Event()
    sqlite_lab.close()

    def write():
        written = 0
        while not stop.is_set():
            sqlite_lab.add_run(f"w{written:09}")
            written += 1
        sqlite_lab.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        sizes = [back_up(history, tmp_path / "copy.db", force=True, rest=lambda _: None).rows["runs"] for _ in range(5)]
    finally:
        stop.set()
        writer.join()
    assert sizes == sorted(sizes)
    assert sizes[0] >= 300
