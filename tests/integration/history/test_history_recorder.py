"""The recorder: group commits, journals into rows, and what happens when the history cannot be written."""

import errno
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import event

from history_lab import NOON, SECOND, refuse_events_of
from tidemill.domain.errors import HistoryError, NotFound
from tidemill.domain.events import (
    RunEnded,
    RunNoted,
    RunRetrying,
    RunStarted,
    TaskEnded,
    TaskRetrying,
    TaskStarted,
)
from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.domain.states import State
from tidemill.history.database import open_database
from tidemill.history.following import FAR
from tidemill.history.recorder import Recorder
from tidemill.history.records import NewRun
from tidemill.journal.format import encode
from tidemill.journal.writer import JournalWriter

UID = "k3f0000000"
WHOLE = (
    RunStarted(NOON + 1, 4711, 12345, "boot"),
    TaskStarted(NOON + 2, 0, "extract", 1),
    TaskEnded(
        NOON + 3, 0, "extract", "completed", 1, NOON + 2, None, ResultInfo("history", None, 2, "42", "json", "42")
    ),
    RunEnded(NOON + 4, "completed"),
)


@pytest.fixture
def recorder(sqlite_lab):
    recorder = Recorder(sqlite_lab.database)
    recorder.start()
    yield recorder
    recorder.stop()


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def count_runs(path) -> int:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0]
    finally:
        connection.close()


# Works


def test_a_work_is_durable_before_it_is_acknowledged(sqlite_lab, recorder):
    seen = []
    finished = threading.Event()

    def done(answer):
        seen.append((answer, count_runs(sqlite_lab.address)))
        finished.set()

    recorder.submit(lambda w: w.add_run(NewRun(UID, "nightly", NOON)), done)

    assert finished.wait(10)
    assert seen == [(1, 1)]


def test_works_are_done_in_the_order_they_came(recorder):
    answers = []
    for number in range(200):
        recorder.submit(lambda w, n=number: (w.set_meta("n", str(n)), n)[1], answers.append)

    assert recorder.call(lambda w: w.get_meta("n")) == "199"
    assert answers == list(range(200))


def test_one_work_that_fails_does_not_take_the_others_with_it(sqlite_lab):
    recorder = Recorder(sqlite_lab.database)
    answers = []
    recorder.submit(lambda w: w.add_run(NewRun("aaa0000000", "new", NOON)), answers.append)
    recorder.submit(lambda w: (w.flow_id("other"), w.run_id("zzz0000000")), answers.append)
    recorder.submit(lambda w: w.execute("NOT SQL"), answers.append)
    recorder.submit(lambda w: w.add_run(NewRun("bbb0000000", "other", NOON)), answers.append)
    recorder.start()
    recorder.stop()

    assert isinstance(answers[1], NotFound)
    assert isinstance(answers[2], sqlite3.OperationalError)
    assert [answers[0], answers[3]] == [1, 2]
    assert count_runs(sqlite_lab.address) == 2


def test_what_a_work_raises_comes_out_of_the_call(recorder):
    with pytest.raises(NotFound, match="no run zzz"):
        recorder.call(lambda w: w.load_run("zzz"))


def test_somebody_who_cannot_bear_the_answer_does_not_end_the_recorder(recorder):
    recorder.submit(lambda w: w.set_meta("a", "b"), lambda _: 1 / 0)

    assert recorder.call(lambda w: w.get_meta("a")) == "b"


def test_the_recorder_does_not_wait_for_itself(recorder):
    caught = []
    finished = threading.Event()

    def ask_again(_):
        try:
            recorder.call(lambda w: None)
        except HistoryError as error:
            caught.append(error)
        finished.set()

    recorder.submit(lambda w: None, ask_again)

    assert finished.wait(10)
    assert "wait for itself" in str(caught[0])


def test_stopping_writes_what_is_queued_and_takes_nothing_more(sqlite_lab):
    recorder = Recorder(sqlite_lab.database)
    for number in range(50):
        recorder.submit(lambda w, n=number: w.add_run(NewRun(f"{n:010}", "nightly", NOON)))
    recorder.start()
    recorder.stop()

    assert count_runs(sqlite_lab.address) == 50
    with pytest.raises(HistoryError, match="closing"):
        recorder.submit(lambda w: None)


# Journals


def test_a_whole_run_comes_from_its_journal(lab):
    run_id = lab.add_run(UID)

    lab.record(run_id, UID, *WHOLE)

    run = lab.read(lambda r: r.run_detail(UID))
    assert (run["state"], run["duration"]) == ("completed", 3e-6)
    assert [(event["state"], event["note"]) for event in run["events"]] == [
        ("pending", None),
        ("running", None),
        ("completed", None),
    ]
    assert [(task["name"], task["state"], task["attempts"]) for task in run["tasks"]] == [("extract", "completed", 1)]
    assert lab.read(lambda r: r.result(UID))["value"] == 42


def test_a_journal_in_pieces_comes_to_the_same(lab):
    run_id = lab.add_run(UID)
    error = ErrorInfo("OSError", "no route\nto host", "Traceback…")
    events = (
        RunStarted(NOON, 4711, 12345, "boot"),
        TaskStarted(NOON + 1, 0, "extract", 1),
        TaskRetrying(NOON + 2, 0, "extract", 1, NOON + 3, error),
        TaskStarted(NOON + 3, 0, "extract", 2),
        TaskRetrying(NOON + 4, 0, "extract", 2, NOON + 5, error),
        TaskStarted(NOON + 5, 0, "extract", 3),
        TaskEnded(NOON + 6, 0, "extract", "failed", 3, NOON + 1, error),
        RunRetrying(NOON + 7, 1, NOON + 8, error),
        TaskStarted(NOON + 8, 1, "extract", 1),
        TaskEnded(NOON + 9, 1, "extract", "completed", 1, NOON + 8),
        RunNoted(NOON + 10, "the disk is nearly full"),
        RunEnded(NOON + 11, "failed", error),
    )
    whole_id = lab.add_run("aaa0000000")
    lab.record(whole_id, "aaa0000000", *events)

    for each in events:
        lab.record(run_id, UID, each)

    pieces, whole = (lab.read(lambda r, u=uid: r.run_detail(u)) for uid in (UID, "aaa0000000"))
    assert {**pieces, "id": ""} == {**whole, "id": ""}
    assert [attempt["started_at"][-6 - 6 : -6] for attempt in whole["tasks"][0]["failed_attempts"]] == [
        "000001",
        "000003",
    ]
    assert [event["state"] for event in whole["events"]] == ["pending", "running", "retrying", None, "failed"]
    assert (whole["attempt"], whole["error"]) == (2, "OSError: no route")


def test_a_run_goes_through_the_states_its_journal_tells(lab):
    run_id = lab.add_run(UID)
    error = ErrorInfo("E", "no")
    seen = []
    for each in (
        RunStarted(NOON, 1, 2, "b"),
        RunRetrying(NOON + 1, 1, NOON + 2, error),
        TaskStarted(NOON + 2, 0, "a", 1),
        RunEnded(NOON + 3, "timed_out", error),
    ):
        lab.record(run_id, UID, each)
        seen.append(lab.read(lambda r: r.run(UID))["state"])

    assert seen == ["running", "retrying", "running", "timed_out"]
    assert [task["state"] for task in lab.read(lambda r: r.run_detail(UID))["tasks"]] == ["timed_out"]


def test_a_run_that_is_being_cancelled_does_not_look_running_again(lab):
    run_id = lab.add_run(UID)
    lab.write(lambda w: w.note(run_id, State.CANCELLING, "asked by uid 0", NOON))

    lab.record(run_id, UID, *WHOLE[:2])
    assert lab.read(lambda r: r.run(UID))["state"] == "cancelling"

    lab.record(run_id, UID, RunEnded(NOON + 5, "cancelled"))
    assert lab.read(lambda r: r.run(UID))["state"] == "cancelled"


def test_an_end_stays_whatever_a_journal_tells_later(lab):
    run_id = lab.add_run(UID)
    lab.record(run_id, UID, *WHOLE[:3])
    lab.write(lambda w: w.end_run(run_id, State.CRASHED, ErrorInfo("Crashed", "SIGKILL"), NOON + 9))

    lab.record(run_id, UID, TaskStarted(NOON + 10, 0, "extract", 2), RunEnded(NOON + 11, "completed"))

    run = lab.read(lambda r: r.run_detail(UID))
    assert (run["state"], run["error"]) == ("crashed", "Crashed: SIGKILL")
    assert [task["state"] for task in run["tasks"]] == ["completed"]


def test_text_that_is_no_text_does_not_stop_a_run(lab):
    run_id = lab.add_run(UID)
    ugly = "a\0b\udcffc\ud800"
    error = ErrorInfo("E", ugly, ugly)

    lab.record(
        run_id,
        UID,
        RunStarted(NOON, 1, 2, "b"),
        TaskRetrying(NOON, 0, ugly, 1, NOON + 1, error),
        TaskEnded(NOON, 0, ugly, "completed", 1, NOON, error, ResultInfo("history", ugly, 3, ugly, "json", '"ö"')),
        RunNoted(NOON, ugly),
        RunEnded(NOON, "failed", error),
    )

    run = lab.read(lambda r: r.run_detail(UID))
    assert run["state"] == "failed"
    assert lab.read(lambda r: r.result(UID))["value"] == "ö"


def test_an_endless_message_is_cut(lab):
    run_id = lab.add_run(UID)

    lab.record(run_id, UID, RunEnded(NOON, "failed", ErrorInfo("E", "x" * 10**6, "y" * 10**6 + "the end")))

    failure = lab.read(lambda r: r.run_detail(UID))["failure"]
    assert failure["message"].endswith("(1,000,000 characters)")
    assert failure["traceback"].endswith("the end")
    assert len(failure["traceback"]) < 70_000


def test_an_event_that_cannot_be_recorded_is_told_and_the_rest_is_kept(lab, monkeypatch, caplog):
    run_id = lab.add_run(UID)
    refuse_events_of("strange", monkeypatch)

    lab.record(run_id, UID, *WHOLE[:2], TaskEnded(NOON + 3, 7, "strange", "completed", 1), *WHOLE[2:])

    run = lab.read(lambda r: r.run_detail(UID))
    assert run["state"] == "completed"
    assert [task["name"] for task in run["tasks"]] == ["extract"]
    assert any("could not be recorded" in (event["note"] or "") for event in run["events"])


def test_ten_thousand_tasks_are_all_there(sqlite_lab):
    run_id = sqlite_lab.add_run(UID)
    events = [RunStarted(NOON, 1, 2, "b")]
    for index in range(10_000):
        events.append(TaskStarted(NOON, index, f"t{index}", 1))
        events.append(TaskEnded(NOON + 1, index, f"t{index}", "completed", 1, NOON))

    sqlite_lab.record(run_id, UID, *events, RunEnded(NOON + 2, "completed"))

    tasks = sqlite_lab.read(lambda r: r.run_detail(UID))["tasks"]
    assert [task["index"] for task in tasks] == list(range(10_000))
    assert {task["state"] for task in tasks} == {"completed"}


def test_events_are_told_when_they_are_durable(sqlite_lab):
    told = []
    finished = threading.Event()

    def on_events(facts):
        told.extend((*fact, sqlite_lab.read(lambda r: r.run(UID))["state"]) for fact in facts)
        if isinstance(facts[-1][1], RunEnded):
            finished.set()

    run_id = sqlite_lab.add_run(UID)
    sqlite_lab.pen.close()
    recorder = Recorder(sqlite_lab.database, on_events)
    recorder.start()
    journal = sqlite_lab.journal(UID, *WHOLE)
    recorder.follow(run_id, UID, journal)

    assert finished.wait(10)
    recorder.stop()
    assert told == [(run_id, fact, "completed") for fact in WHOLE]


def test_a_journal_that_grows_is_seen_without_a_hint(sqlite_lab):
    run_id = sqlite_lab.add_run(UID)
    sqlite_lab.pen.close()
    finished = threading.Event()
    recorder = Recorder(sqlite_lab.database, lambda facts: finished.set())
    recorder.start()
    recorder.follow(run_id, UID, sqlite_lab.folder / f"{UID}.journal")
    recorder.call(lambda w: None)

    sqlite_lab.journal(UID, *WHOLE)

    assert finished.wait(10)
    recorder.stop()


def test_a_verdict_waits_until_the_journal_is_read(sqlite_lab):
    run_id = sqlite_lab.add_run(UID)
    other_id = sqlite_lab.add_run("aaa0000000")
    sqlite_lab.pen.close()
    journal = sqlite_lab.journal(UID, *WHOLE)
    recorder = Recorder(sqlite_lab.database)
    recorder.start()
    recorder.follow(run_id, UID, journal)
    recorder.follow(other_id, "aaa0000000", sqlite_lab.folder / "none.journal")

    def crash(key):
        return lambda w: w.end_run(key, State.CRASHED, None, NOON + 9)

    assert recorder.call(crash(run_id), reading=run_id) is State.COMPLETED
    assert recorder.call(crash(other_id), reading=other_id) is State.CRASHED
    recorder.stop()


def test_a_verdict_waits_while_the_journal_cannot_be_opened(sqlite_lab, monkeypatch):
    run_id = sqlite_lab.add_run(UID)
    sqlite_lab.pen.close()
    journal = sqlite_lab.journal(UID, *WHOLE)
    opened, refused = os.open, []

    def refuse(name, *args):
        if str(name) == str(journal) and len(refused) < 4:
            refused.append(name)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return opened(name, *args)

    monkeypatch.setattr(os, "open", refuse)
    recorder = Recorder(sqlite_lab.database)
    recorder.follow(run_id, UID, journal)
    recorder.start()

    assert recorder.call(lambda w: w.end_run(run_id, State.CRASHED, None, NOON + 9), reading=run_id) is State.COMPLETED
    assert len(refused) == 4
    recorder.stop()


def test_a_verdict_that_waits_for_a_long_journal_holds_nobody_up(sqlite_lab):
    run_id = sqlite_lab.add_run(UID)
    sqlite_lab.pen.close()
    path = sqlite_lab.folder / f"{UID}.journal"
    notes = b"".join(encode(RunNoted(NOON + number, "x" * 2000)) for number in range(4000))
    path.write_bytes(notes + encode(WHOLE[-1]))
    assert len(notes) > 2 * FAR
    recorder, order = Recorder(sqlite_lab.database), []
    recorder.follow(run_id, UID, path)
    recorder.submit(lambda w: w.end_run(run_id, State.CRASHED, None, NOON), order.append, reading=run_id)
    for number in range(3):
        recorder.submit(lambda w: None, lambda _, number=number: order.append(number))
    recorder.start()

    wait_until(lambda: len(order) == 4, 60)
    recorder.stop()

    assert order == [0, 1, 2, State.COMPLETED]


def test_the_history_decides_where_a_journal_is_read_on(sqlite_lab):
    run_id = sqlite_lab.add_run(UID)
    sqlite_lab.record(run_id, UID, *WHOLE[:2], RunNoted(NOON, "once"))
    journal = sqlite_lab.journal(UID, WHOLE[-1])
    recorder = Recorder(sqlite_lab.database)
    recorder.follow(run_id, UID, journal, 0)
    recorder.start()
    recorder.stop()

    run = sqlite_lab.read(lambda r: r.run_detail(UID))
    assert run["state"] == "completed"
    assert [event["note"] for event in run["events"]].count("once") == 1


def test_a_journal_of_a_run_nobody_recorded_is_left_alone(sqlite_lab, caplog):
    recorder = Recorder(sqlite_lab.database)
    recorder.follow(99, UID, sqlite_lab.journal(UID, *WHOLE))
    recorder.start()

    assert recorder.call(lambda w: 7) == 7
    recorder.stop()
    assert "no run with the key 99" in caplog.text


def test_a_journal_that_cannot_be_read_does_not_stop_the_others(sqlite_lab, caplog):
    run_id = sqlite_lab.add_run(UID)
    other_id = sqlite_lab.add_run("aaa0000000")
    sqlite_lab.pen.close()
    recorder = Recorder(sqlite_lab.database)
    recorder.follow(other_id, "aaa0000000", sqlite_lab.folder)
    recorder.follow(run_id, UID, sqlite_lab.journal(UID, *WHOLE))
    recorder.start()
    recorder.stop()

    assert sqlite_lab.read(lambda r: r.run(UID))["state"] == "completed"
    assert "cannot be read" in caplog.text


# Trouble


def test_nothing_is_lost_and_nothing_acknowledged_while_another_process_holds_the_lock(sqlite_lab, caplog):
    database = open_database(sqlite_lab.address, patience=0.01)
    run_id = sqlite_lab.add_run(UID)
    sqlite_lab.pen.close()
    answers = []
    recorder = Recorder(database)
    recorder.start()
    other = sqlite3.connect(sqlite_lab.address, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    recorder.submit(lambda w: w.set_meta("a", "b"), answers.append)
    recorder.follow(run_id, UID, sqlite_lab.journal(UID, *WHOLE))
    wait_until(lambda: recorder.problem)

    assert "locked by another process" in recorder.problem
    assert answers == []
    other.execute("COMMIT")
    other.close()
    wait_until(lambda: answers)
    assert recorder.problem is None
    recorder.stop()
    assert sqlite_lab.read(lambda r: r.run(UID))["state"] == "completed"


def test_nothing_is_lost_while_the_disk_is_full(sqlite_lab):
    limit = [True]

    def pinch(connection, _):
        if limit[0]:
            connection.execute("PRAGMA max_page_count = 1").fetchall()

    event.listen(sqlite_lab.database.engine, "connect", pinch)
    answers = []
    recorder = Recorder(sqlite_lab.database)
    recorder.start()
    recorder.submit(lambda w: w.add_sources({"f" * 64: b"x" * 500_000}), answers.append)
    wait_until(lambda: recorder.problem)

    assert "is full" in recorder.problem
    assert answers == []
    limit[0] = False
    wait_until(lambda: answers)
    recorder.stop()
    assert answers == [None]


def test_nothing_is_appended_to_a_log_that_a_failed_sync_left_in_doubt(sqlite_lab):
    failed = sqlite3.OperationalError("disk I/O error")
    failed.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    sqlite_lab.write(lambda w: w.add_run(NewRun(UID, "nightly", NOON)))
    reader = sqlite3.connect(sqlite_lab.address)  # with it open the log outlives the writer's connection
    reader.execute("SELECT COUNT(*) FROM runs").fetchall()
    log = Path(f"{sqlite_lab.address}-wal")
    with pytest.raises(sqlite3.OperationalError), sqlite_lab.pen.transaction():
        raise failed
    assert log.stat().st_size > 0

    with sqlite_lab.pen.transaction():
        assert log.stat().st_size == 0
    reader.close()
    assert count_runs(sqlite_lab.address) == 1


def test_stopping_while_the_history_is_locked_tells_everyone_who_waits(sqlite_lab):
    database = open_database(sqlite_lab.address, patience=0.01)
    other = sqlite3.connect(sqlite_lab.address, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answers = []
    recorder = Recorder(database)
    recorder.submit(lambda w: w.set_meta("a", "b"), answers.append)
    recorder.start()
    wait_until(lambda: recorder.problem)

    recorder.stop(timeout=0.05)

    assert isinstance(answers[0], HistoryError)
    assert "locked" in str(answers[0])
    other.close()


def test_a_reader_in_the_middle_of_reading_disturbs_no_commit(sqlite_lab, recorder):
    other = sqlite3.connect(sqlite_lab.address, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM runs").fetchall()

    for number in range(200):
        recorder.call(lambda w, n=number: w.set_meta("n", str(n)))

    assert recorder.problem is None
    other.close()


def test_a_second_writer_on_postgresql_is_refused(postgresql, tmp_path):
    database = open_database(postgresql, patience=0.05)
    first = database.connect()
    recorder = Recorder(database)
    recorder.start()
    recorder.submit(lambda w: None)
    wait_until(lambda: recorder.problem)

    assert "another daemon" in recorder.problem
    first.close()
    assert recorder.call(lambda w: 7) == 7
    recorder.stop()


def test_a_lost_connection_to_postgresql_loses_nothing(postgresql, tmp_path):
    database = open_database(postgresql, patience=0.05)
    recorder = Recorder(database)
    recorder.start()
    own = recorder.call(lambda w: w.row("SELECT pg_backend_pid()"))[0]
    other = database.engine.connect()
    other.exec_driver_sql(f"SELECT pg_terminate_backend({own})")
    other.close()

    recorder.call(lambda w: w.set_meta("after", "all"))

    assert recorder.call(lambda w: w.get_meta("after")) == "all"
    recorder.stop()


FOLLOWER = """
import sys
from pathlib import Path
from tidemill.history.database import open_database
from tidemill.history.following import FAR
from tidemill.history.recorder import Recorder
folder = Path(sys.argv[1])
recorder = Recorder(open_database(folder / "history.db"))
recorder.start()
(run,) = recorder.call(lambda w: w.load_live())
print(run.journal_offset, flush=True)
recorder.follow(run.id, run.uid, folder / f"{run.uid}.journal", run.journal_offset)
sys.stdin.read()
"""


def test_every_event_counts_once_however_often_the_daemon_is_killed(sqlite_lab):
    sqlite_lab.add_run(UID)
    sqlite_lab.pen.close()
    journal = sqlite_lab.folder / f"{UID}.journal"
    writer = JournalWriter(journal)
    writer.write(WHOLE[0])
    number, offsets = 0, []
    for _ in range(6):
        follower = _follow(sqlite_lab.folder)
        offsets.append(int(follower.stdout.readline()))
        # It is killed in the midst of recording: more is written all the time, and some of it has just arrived.
        until = _offset(sqlite_lab) + 1
        while _offset(sqlite_lab) < until:
            for _ in range(500):
                writer.write(RunNoted(NOON + number, f"note {number}"))
                number += 1
        follower.kill()
        follower.wait()
        follower.stdout.close()
        follower.stdin.close()
    writer.write(RunEnded(NOON + SECOND, "completed"))
    writer.close()

    sqlite_lab.record(1, UID)

    told = sqlite_lab.read(lambda r: r.run_detail(UID))["events"]
    assert [event["note"] for event in told if event["state"] is None] == [f"note {n}" for n in range(number)]
    assert told[-1]["state"] == "completed"
    assert offsets == sorted(set(offsets))


def _offset(lab) -> int:
    connection = sqlite3.connect(f"file:{lab.address}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT journal_offset FROM runs").fetchone()[0]
    finally:
        connection.close()


def _follow(folder: Path) -> subprocess.Popen:
    source = Path(__file__).parents[3] / "daemon"
    return subprocess.Popen(
        [sys.executable, "-c", FOLLOWER, folder],
        env={"PYTHONPATH": str(source)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_log_is_folded_into_the_file_when_nobody_reads(sqlite_lab):
    log = sqlite_lab.folder / "history.db-wal"
    other = sqlite3.connect(sqlite_lab.address, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM runs").fetchall()
    sqlite_lab.add_run(UID)

    sqlite_lab.pen.tidy()
    assert log.stat().st_size > 0

    other.close()
    sqlite_lab.pen.tidy()
    assert log.stat().st_size == 0
    assert sqlite_lab.write(lambda w: w.row("PRAGMA busy_timeout"))[0] > 0
