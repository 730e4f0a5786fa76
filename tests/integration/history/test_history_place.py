"""A history that is taken away while it is written: everything is there again, and nobody is told what is not."""

import errno
import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from history_lab import NOON
from tidemill.domain.errors import HistoryError
from tidemill.history import place
from tidemill.history.place import ENDS
from tidemill.history.recorder import Recorder
from tidemill.history.records import NewRun


@pytest.fixture
def recorder(sqlite_lab):
    recorder = Recorder(sqlite_lab.database)
    recorder.start()
    yield recorder
    recorder.stop()


@pytest.fixture
def path(sqlite_lab) -> Path:
    return Path(sqlite_lab.address)


def add(recorder: Recorder, uid: str) -> None:
    recorder.call(lambda w: w.add_run(NewRun(uid, "nightly", NOON)))


def uids(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [uid for (uid,) in connection.execute("SELECT uid FROM runs ORDER BY id")]


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@pytest.mark.parametrize("gone", [ENDS, ("",), ("-wal",), ("-shm",)])
def test_what_is_acknowledged_is_in_the_file_that_others_open(recorder, path, gone, caplog):
    add(recorder, "a000000000")
    for end in gone:
        Path(f"{path}{end}").unlink()

    add(recorder, "b000000000")

    assert uids(path) == ["a000000000", "b000000000"]
    assert "was deleted or replaced while the daemon wrote it" in caplog.text
    add(recorder, "c000000000")
    assert uids(path) == ["a000000000", "b000000000", "c000000000"]


def test_it_is_noticed_within_seconds_when_nothing_is_written(recorder, path):
    add(recorder, "a000000000")
    path.unlink()

    wait_until(path.exists, 3.0)

    assert uids(path) == ["a000000000"]
    assert recorder.problem is None


def test_a_file_that_was_put_in_its_place_is_kept_beside(recorder, path, tmp_path):
    add(recorder, "a000000000")
    older = tmp_path / "older.db"
    with closing(sqlite3.connect(path)) as history, closing(sqlite3.connect(older)) as copy:
        history.backup(copy)
    add(recorder, "b000000000")
    older.replace(path)

    add(recorder, "c000000000")

    assert uids(path) == ["a000000000", "b000000000", "c000000000"]
    (kept,) = tmp_path.glob("history.db.replaced-*")
    assert uids(kept) == ["a000000000"]


def test_nothing_is_acknowledged_while_it_cannot_be_put_back(recorder, path, monkeypatch):
    add(recorder, "a000000000")
    full = threading.Event()
    full.set()
    whole = place._write_whole

    def write(connection, fresh):
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(connection, fresh)

    monkeypatch.setattr(place, "_write_whole", write)
    path.unlink()
    answers = []
    recorder.submit(lambda w: w.add_run(NewRun("b000000000", "nightly", NOON)), answers.append)

    wait_until(lambda: recorder.problem is not None)
    time.sleep(0.2)
    assert answers == []
    assert "cannot be written anew yet: No space left" in recorder.problem
    assert not recorder.is_damaged

    full.clear()
    wait_until(lambda: answers)
    assert uids(path) == ["a000000000", "b000000000"]
    assert recorder.problem is None


def test_a_problem_that_was_only_seen_while_idle_is_forgotten_when_it_has_passed(recorder, path, monkeypatch):
    add(recorder, "a000000000")
    whole = place._write_whole
    monkeypatch.setattr(place, "_write_whole", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    path.unlink()
    wait_until(lambda: recorder.problem is not None, 3.0)

    monkeypatch.setattr(place, "_write_whole", whole)

    wait_until(lambda: recorder.problem is None, 3.0)
    assert uids(path) == ["a000000000"]


def test_a_history_behind_a_link_is_put_back_behind_the_link(tmp_path):
    from history_lab import Lab

    (tmp_path / "disk").mkdir()
    link = tmp_path / "history.db"
    link.symlink_to(tmp_path / "disk" / "history.db")
    lab = Lab(link, tmp_path)
    lab.add_run("a000000000")
    (tmp_path / "disk" / "history.db").unlink()

    lab.add_run("b000000000")
    lab.close()

    assert link.is_symlink()
    assert uids(link) == ["a000000000", "b000000000"]


def test_a_file_whose_number_changed_is_still_the_same_while_it_is_held(sqlite_lab, monkeypatch, caplog):
    sqlite_lab.add_run("a000000000")
    numbers = iter(range(10**6))
    monkeypatch.setattr("tidemill.history.pen.identify", lambda _: tuple((1, next(numbers)) for _ in ENDS))

    sqlite_lab.add_run("b000000000")
    sqlite_lab.add_run("c000000000")

    assert "deleted" not in caplog.text


def test_no_empty_history_is_made_where_one_was_taken_away(sqlite_lab, path):
    sqlite_lab.close()
    for end in ENDS:
        Path(f"{path}{end}").unlink(missing_ok=True)

    with pytest.raises(Exception, match="unable to open"):
        sqlite_lab.add_run("a000000000")
    assert not path.exists()


def test_a_history_that_nobody_holds_any_more_is_lost(sqlite_lab, path):
    sqlite_lab.add_run("a000000000")
    sqlite_lab.close()
    for end in ENDS:
        Path(f"{path}{end}").unlink(missing_ok=True)
    recorder = Recorder(sqlite_lab.database)
    recorder.start()

    recorder.submit(lambda w: w.load_live())

    wait_until(lambda: recorder.is_damaged)
    recorder.stop(0.1)


def test_a_damaged_history_is_called_damaged_until_somebody_mends_it(sqlite_lab, path):
    for number in range(200):
        sqlite_lab.add_run(f"{number:010}", parameters={"text": "x" * 3000})
    sqlite_lab.close()
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)
    recorder = Recorder(sqlite_lab.database)
    recorder.start()

    recorder.submit(lambda w: w.load_live())

    wait_until(lambda: recorder.is_damaged)
    assert "tidemill doctor --repair" in recorder.problem
    recorder.stop(0.1)


# Chores


def test_a_chore_is_done_between_turns_and_answers(recorder):
    add(recorder, "a000000000")

    def look(pen):
        with pen.transaction() as writer:
            return writer.row("SELECT COUNT(*) FROM runs")[0]

    assert recorder.aside(look) == 1


def test_a_chore_that_fails_tells_its_caller_alone(recorder):
    def fail(pen):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        recorder.aside(fail)
    assert recorder.problem is None
    add(recorder, "a000000000")


def test_works_wait_for_one_chore_at_most(recorder):
    done = []
    begun = threading.Event()

    def slow(pen):
        begun.set()
        time.sleep(0.05)
        done.append("chore")

    threads = [threading.Thread(target=lambda: recorder.aside(slow)) for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.wait()
    recorder.call(lambda w: done.append("work"))
    for thread in threads:
        thread.join()

    assert done.index("work") <= 1


def test_a_recorder_that_has_stopped_takes_no_chore(sqlite_lab):
    recorder = Recorder(sqlite_lab.database)
    recorder.start()
    recorder.stop()

    with pytest.raises(HistoryError, match="closing"):
        recorder.aside(lambda pen: None)


def test_free_pages_are_given_back_a_few_at_a_time(recorder, path):
    def fill(writer):
        for number in range(400):
            writer.add_run(NewRun(f"{number:010}", "nightly", NOON, parameters={"text": "x" * 3000}))

    recorder.call(fill)
    recorder.call(lambda w: w.execute("DELETE FROM runs"))
    recorder.aside(lambda pen: pen.tidy())
    before = path.stat().st_size

    left = recorder.aside(lambda pen: pen.shrink(10))
    assert left > 100
    assert recorder.aside(lambda pen: pen.shrink(50)) == left - 50
    while recorder.aside(lambda pen: pen.shrink(50)):
        pass
    recorder.aside(lambda pen: pen.tidy())
    assert path.stat().st_size < before / 4


SOURCE = Path(__file__).parents[3] / "daemon"
STOPPED_READER = """
import os, signal, sys
from pathlib import Path
from tidemill.history.reading import connect_to_read
connection = connect_to_read(Path(sys.argv[1]))
connection.execute("BEGIN")
connection.execute("SELECT COUNT(*) FROM runs").fetchall()
print("reading", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_a_reader_that_is_stopped_in_the_middle_holds_up_nobody_and_the_log_is_cut_after_it(sqlite_lab, recorder, path):
    add(recorder, "a000000000")
    log = Path(f"{path}-wal")
    reader = subprocess.Popen(
        [sys.executable, "-P", "-c", STOPPED_READER, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert reader.stdout.readline() == "reading\n"
        os.waitid(os.P_PID, reader.pid, os.WSTOPPED | os.WNOWAIT)
        began = time.monotonic()
        for number in range(200):
            text = {"text": "x" * 20_000}
            recorder.call(
                lambda w, n=number, text=text: w.add_run(NewRun(f"{n:010}", "nightly", NOON, parameters=text))
            )
        assert time.monotonic() - began < 20
        recorder.aside(lambda pen: pen.tidy())
        assert log.stat().st_size > 4_000_000
    finally:
        reader.kill()
        reader.wait()
        reader.stdout.close()
    recorder.aside(lambda pen: pen.tidy())
    assert log.stat().st_size == 0
    assert len(uids(path)) == 201


def test_the_old_log_is_gone_for_good_before_the_new_file_has_the_name(recorder, path, synced):
    add(recorder, "a000000000")
    path.unlink()

    add(recorder, "b000000000")

    named = synced.index(Path(f"{path} gets its name"))
    assert path.parent in synced[:named]
    assert path.parent in synced[named:]


def test_a_log_is_beside_for_good_before_another_history_has_its_place(path, synced, tmp_path):
    fresh = tmp_path / "fresh"
    fresh.touch()

    place.put_in_place(fresh, path, "damaged")

    assert synced[-3:] == [path.parent, Path(f"{path} gets its name"), path.parent]
