"""A history that is gone, damaged or too old comes back from its journals, and nothing is made up."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from care_lab import World
from history_lab import NOON, SECOND, Lab, refuse_events_of
from tidemill.care import mending
from tidemill.care.evidence import is_behind
from tidemill.care.mending import Mending, is_damaged
from tidemill.domain.errors import HistoryError
from tidemill.domain.events import (
    OfSubflow,
    RunEnded,
    RunNoted,
    RunOrdered,
    RunStarted,
    SubflowStarted,
    TaskEnded,
    TaskRetrying,
    TaskStarted,
)
from tidemill.domain.outcomes import Outcome, Trigger
from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.domain.schedules import ScheduleSpec
from tidemill.domain.states import State
from tidemill.domain.times import from_micros, iso
from tidemill.history.reading import open_reading
from tidemill.history.recorder import Recorder
from tidemill.history.records import NewOccurrence, NewRun
from tidemill.journal.exits import ProcessExit, append_exit
from tidemill.journal.format import decode, encode
from tidemill.journal.writer import JournalWriter

MINUTE = 60 * SECOND
EVERY_MINUTE = ScheduleSpec("every", "60")
DUE = NOON + 40 * SECOND
"""A whole minute."""
PATH = "/flows/nightly.py"
TEXT = "ab" * 32
ERROR = ErrorInfo("ValueError", "no", "Traceback")
ROWS = {
    "runs": "SELECT r.uid, f.name, r.state, r.trigger, r.started_at, r.finished_at, r.scheduled_for, r.attempt, p.uid,"
    " v.name, r.parameters, r.error, r.name FROM runs r JOIN flows f ON f.id = r.flow_id"
    " LEFT JOIN runs p ON p.id = r.parent_id LEFT JOIN versions v ON v.id = r.version_id ORDER BY r.uid",
    "task_runs": "SELECT r.uid, t.idx, t.name, t.state, t.attempts, t.started_at, t.finished_at, t.error, t.subflow"
    " FROM task_runs t JOIN runs r ON r.id = t.run_id ORDER BY 1, 2",
    "attempts": "SELECT r.uid, a.idx, a.attempt, a.started_at, a.finished_at, a.due, a.error FROM attempts a"
    " JOIN runs r ON r.id = a.run_id ORDER BY 1, 2, 3",
    "results": "SELECT r.uid, s.idx, s.handler, s.location, s.size, s.preview, s.encoding, s.value FROM results s"
    " JOIN runs r ON r.id = s.run_id ORDER BY 1, 2",
    "run_events": "SELECT r.uid, e.at, e.state, e.note FROM run_events e"
    " JOIN runs r ON r.id = e.run_id ORDER BY 1, e.seq",
    "moments": "SELECT f.name, o.moment, o.outcome, r.uid FROM occurrences o JOIN schedules s ON s.id = o.schedule_id"
    " JOIN flows f ON f.id = s.flow_id LEFT JOIN runs r ON r.id = o.run_id ORDER BY 1, 2",
}


def judge(status, *, rebooted):
    return State.CRASHED, ErrorInfo("Crashed", "rebooted" if rebooted else f"status {status}")


class Lived(World):
    """A state directory in which runs were recorded as they happened."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self._recorder = None
        (self.paths.source(TEXT).parent).mkdir(parents=True, exist_ok=True)
        self.paths.source(TEXT).write_bytes(b"the text")
        self.schedule = lab.write(
            lambda w: (
                [
                    w.add_sources({TEXT: b"the text"}),
                    w.add_version("v1", TEXT, {PATH: TEXT}),
                    w.sync_schedules("nightly", [EVERY_MINUTE], NOON),
                ][2][0].id
            )
        )

    def happen(
        self, uid: str, at: int, *events, moment: int | None = None, parent: str | None = None, trigger=None, **fields
    ) -> None:
        """Let a run happen: its row, its journal, and what is recorded of it."""
        trigger = trigger or (Trigger.SCHEDULE if moment else Trigger.RETRY if parent else Trigger.MANUAL)
        new = NewRun(
            uid,
            "nightly",
            at,
            trigger=trigger,
            scheduled_for=moment,
            parent=parent,
            version="v1",
            schedule_id=self.schedule if moment else None,
            **fields,
        )

        def add(writer):
            if trigger is not Trigger.SCHEDULE:
                return writer.add_run(new)
            run_id = writer.add_due_run(NewOccurrence(self.schedule, moment, Outcome.RAN, "in time", at), new)
            writer.advance_cursor(self.schedule, moment)
            return run_id

        run_id = self.lab.write(add)
        order = RunOrdered(
            at,
            "nightly",
            PATH,
            str(trigger),
            iso(moment),
            new.attempt,
            parent,
            dict(new.parameters),
            "v1",
            {PATH: TEXT},
            {"kind": "every", "expression": "60"} if moment else None,
        )
        path = self.paths.journal(uid)
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = JournalWriter(path)
        for event in (RunStarted(at, 4711, 12345, "another boot"), order, *events):
            writer.write(event)
        writer.close()
        self.lab.pen.close()
        recorder = Recorder(self.lab.database)
        recorder.follow(run_id, uid, path)
        recorder.start()
        recorder.stop()

    def rows(self, *left_out: str) -> dict[str, list]:
        """Return what the history says, without its keys."""
        self.lab.close()
        with closing(sqlite3.connect(self.path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            return {name: connection.execute(sql).fetchall() for name, sql in ROWS.items() if name not in left_out}

    @property
    def path(self) -> Path:
        return Path(self.lab.address)

    def lose(self) -> None:
        self.lab.close()
        for end in ("", "-wal", "-shm"):
            Path(f"{self.path}{end}").unlink(missing_ok=True)

    def mending(self) -> Mending:
        self.lab.close()
        return Mending(self.paths, judge, self.now)


@pytest.fixture
def lived(sqlite_lab) -> Lived:
    world = Lived(sqlite_lab)
    result = ResultInfo("history", None, 2, "42", "json", "42")
    world.happen(
        "a000000000",
        NOON,
        TaskStarted(NOON + 1, 0, "extract", 1),
        TaskRetrying(NOON + 2, 0, "extract", 1, NOON + 3, ERROR),
        TaskStarted(NOON + 3, 0, "extract", 2),
        TaskEnded(NOON + 4, 0, "extract", "completed", 2, NOON + 1, None, result),
        RunNoted(NOON + 5, "a remark"),
        RunEnded(NOON + 6, "completed", None, result),
        moment=DUE + MINUTE,
        parameters={"day": "Monday"},
    )
    world.happen(
        "b000000000",
        NOON + 10,
        TaskEnded(NOON + 11, 0, "extract", "failed", 1, NOON + 10, ERROR),
        RunEnded(NOON + 12, "failed", ERROR),
        moment=DUE + 2 * MINUTE,
    )
    world.happen("c000000000", NOON + 20, RunEnded(NOON + 21, "completed"), parent="b000000000", attempt=2)
    world.happen(
        "d000000000",
        NOON + 30,
        TaskStarted(NOON + 31, 0, "inner", 1, None, None, "d000000001"),
        OfSubflow("d000000001", SubflowStarted(NOON + 31, "d000000000", 0, "inner", {"x": 1}, "inner of d")),
        OfSubflow("d000000001", TaskEnded(NOON + 32, 0, "load", "completed", 1, NOON + 31, None, result)),
        OfSubflow("d000000001", RunEnded(NOON + 33, "completed", None, result)),
        TaskEnded(NOON + 34, 0, "inner", "completed", 1, NOON + 31, None, result, None, "d000000001"),
        RunEnded(NOON + 35, "completed"),
    )
    return world


# Missing


def test_a_history_that_is_missing_is_made_again_from_the_journals(lived):
    before = lived.rows("moments")
    lived.lose()

    mend = lived.mending()
    assert mend.is_missing()
    told = mend.make_again()

    assert lived.rows("moments") == before
    assert "made again from the journals of 4 runs" in told
    assert "pauses" in told
    assert lived.path.stat().st_mode & 0o777 == 0o600


def test_the_moments_that_runs_were_made_for_are_known_again_and_never_due_twice(lived):
    lived.lose()
    lived.mending().make_again()

    moments = lived.rows()["moments"]
    assert moments == [
        ("nightly", DUE + MINUTE, "ran", "a000000000"),
        ("nightly", DUE + 2 * MINUTE, "ran", "b000000000"),
    ]
    (stored,) = lived.lab.write(lambda w: w.sync_schedules("nightly", [EVERY_MINUTE], NOON * 2))
    assert stored.cursor == DUE + 2 * MINUTE
    again = NewOccurrence(stored.id, DUE + MINUTE, Outcome.RAN, "", NOON)
    assert lived.lab.write(lambda w: w.add_due_run(again, NewRun("z000000000", "nightly", NOON))) is None


@pytest.mark.parametrize("is_first", [True, False])
def test_a_run_of_a_backfill_is_known_again_and_takes_no_moment_from_the_ledger(sqlite_lab, is_first):
    world = Lived(sqlite_lab)
    if not is_first:
        world.happen("a000000000", NOON, RunEnded(NOON + 1, "completed"), moment=DUE - MINUTE)
    at = NOON + 90 * MINUTE
    world.happen("b000000000", at, RunEnded(at + 1, "completed"), moment=DUE, trigger=Trigger.BACKFILL)
    runs = world.rows()["runs"]
    world.lose()
    world.mending().make_again()

    assert world.rows()["runs"] == runs
    assert world.rows()["moments"] == ([] if is_first else [("nightly", DUE - MINUTE, "ran", "a000000000")])
    assert world.lab.read(lambda r: r.backfilled("nightly", from_micros(DUE)))["id"] == "b000000000"
    (stored,) = world.lab.write(lambda w: w.sync_schedules("nightly", [EVERY_MINUTE], NOON * 2))
    assert stored.cursor == (at if is_first else DUE - MINUTE)


def test_without_journals_nothing_is_missing(sqlite_lab):
    world = World(sqlite_lab)
    sqlite_lab.close()
    (sqlite_lab.folder / "history.db").unlink()

    assert not Mending(world.paths, judge, world.now).is_missing()


def test_an_empty_file_is_a_missing_history(lived):
    lived.lose()
    lived.path.touch()

    assert lived.mending().is_missing()
    lived.mending().make_again()
    assert len(lived.rows()["runs"]) == 5


def test_a_run_whose_process_is_gone_gets_the_end_that_is_known_of_it(lived):
    lived.happen("e000000000", NOON + 50, TaskStarted(NOON + 51, 0, "extract", 1))
    lived.happen("f000000000", NOON + 60, TaskStarted(NOON + 61, 0, "extract", 1))
    append_exit(lived.paths.exits, ProcessExit("e000000000", 4711, 12345, -9, NOON + 55))
    lived.lose()
    lived.mending().make_again()

    runs = {row[0]: row for row in lived.rows()["runs"]}
    assert (runs["e000000000"][2], runs["e000000000"][5]) == ("crashed", NOON + 55)
    assert "status -9" in runs["e000000000"][11]
    assert "rebooted" in runs["f000000000"][11]
    assert [row[3] for row in lived.rows()["task_runs"] if row[0] in "e000000000 f000000000"] == ["crashed", "crashed"]


def test_a_run_that_lives_goes_on(lived, monkeypatch):
    lived.happen("e000000000", NOON + 50, TaskStarted(NOON + 51, 0, "extract", 1))
    monkeypatch.setattr("tidemill.care.rebuilding.is_alive", lambda process: process.pid == 4711)
    lived.lose()
    lived.mending().make_again()

    (live,) = lived.lab.write(lambda w: w.load_live())
    assert (live.uid, live.state, live.process.pid) == ("e000000000", State.RUNNING, 4711)
    assert live.journal_offset == lived.paths.journal("e000000000").stat().st_size


def test_a_journal_that_is_torn_anywhere_still_tells_what_it_can(lived):
    whole = lived.paths.journal("a000000000").read_bytes()
    for cut in range(0, len(whole), 97):
        lived.paths.journal("a000000000").write_bytes(whole[:cut])
        lived.lose()
        lived.mending().make_again()
        runs = {row[0]: row for row in lived.rows()["runs"]}
        assert set(runs) >= {"b000000000", "c000000000", "d000000000"}
        if "a000000000" in runs:
            assert runs["a000000000"][2] in ("crashed", "completed")


def test_a_journal_that_is_nonsense_is_told_of_and_the_others_are_taken(lived, monkeypatch):
    lived.paths.journal("a000000000").write_bytes(
        b'["run_started",1,2,3,"boot"]\n["task_ended",1,0,"strange","completed",1]\n'
    )
    lived.lose()
    refuse_events_of("strange", monkeypatch)

    told = lived.mending().make_again()

    assert "1 journals cannot be understood (a000000000)" in told
    assert len(lived.rows()["runs"]) == 4


def test_a_journal_of_an_older_version_tells_no_flow(lived):
    path = lived.paths.journal("a000000000")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b"run_ordered" not in line))
    lived.lose()
    lived.mending().make_again()

    assert {row[0]: row[1] for row in lived.rows()["runs"]}["a000000000"] == "unknown"


def test_runs_of_terminals_wait_for_whoever_records_them(lived):
    lived.paths.journal("a000000000").with_suffix(".order").write_text("{}")
    lived.lose()
    lived.mending().make_again()

    assert "a000000000" not in {row[0] for row in lived.rows()["runs"]}


def test_whoever_is_killed_at_it_begins_anew(lived, monkeypatch):
    before = lived.rows("moments")
    lived.lose()
    with monkeypatch.context() as patch:
        patch.setattr(mending, "put_in_place", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            lived.mending().make_again()
    assert not lived.path.exists()

    assert lived.mending().is_missing()
    lived.mending().make_again()
    assert lived.rows("moments") == before
    assert not list(lived.paths.root.glob("*.fresh*"))


# What a journal says is not believed


def rewrite_order(lived: Lived, uid: str, **fields) -> None:
    """Forge the order in a journal, as user code in its process could."""
    path = lived.paths.journal(uid)
    lines = []
    for line in path.read_bytes().splitlines(keepends=True):
        event = decode(line)
        lines.append(encode(event._replace(**fields)) if isinstance(event, RunOrdered) else line)
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    "forged",
    [
        {"scheduled_for": "2999-01-01T00:00:00+00:00"},
        {"scheduled_for": iso(DUE + MINUTE + 1)},
        {"schedule": {"kind": "cron", "expression": "nonsense"}},
        {"schedule": {"kind": "every", "expression": "-1"}},
        {"schedule": {"kind": 7}},
        {"schedule": {"kind": "reboot", "expression": ""}},
    ],
    ids=["future", "not due", "nonsense", "negative", "no spec", "reboot"],
)
def test_a_moment_that_its_schedule_never_had_gets_no_row(lived, forged):
    rewrite_order(lived, "a000000000", **forged)
    lived.lose()
    lived.mending().make_again()

    rows = lived.rows()
    assert [row[3] for row in rows["moments"]] == ["b000000000"]
    assert "a000000000" in {row[0] for row in rows["runs"]}


def test_only_kept_texts_are_read_for_a_version(lived, tmp_path):
    (tmp_path / "secret.py").write_text("hush")
    rewrite_order(lived, "a000000000", version="v9", sources={PATH: f"../../{tmp_path}/secret"})
    lived.lose()
    lived.mending().make_again()

    bodies = lived.lab.write(lambda w: w.rows("SELECT body FROM sources"))
    assert bodies == [(b"the text",)]
    assert {row[0]: row[9] for row in lived.rows()["runs"]}["a000000000"] is None


# Damaged


def damage(path: Path, *pages: int) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)


def test_whatever_page_is_damaged_every_run_is_there_again(lived):
    """Each page in turn is overwritten, as a bad disk does it."""
    lived.lab.write(lambda w: w.set_paused("nightly", NOON))
    before = lived.rows()
    with closing(sqlite3.connect(lived.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = lived.path.with_name("whole.db")
    shutil.copy(lived.path, kept)
    lost = set()
    pages = kept.stat().st_size // 4096
    assert pages > 20
    for page in range(pages):
        lived.lose()
        shutil.copy(kept, lived.path)
        damage(lived.path, page)
        if is_damaged(lived.path):
            told = lived.mending().mend_damage()
            assert "was damaged" in told
            (aside,) = (path for path in lived.paths.root.glob("history.db.damaged-*") if path.name[-4:] != "-wal")
            assert str(aside) in told
            assert aside.stat().st_size == kept.stat().st_size
            aside.unlink()
        after = lived.rows()
        for name in ("runs", "task_runs", "attempts", "results", "run_events"):
            assert after[name] == before[name], (page, name)
        if after["moments"] != before["moments"]:
            lost.add(page)
            assert [row[1] for row in after["moments"]] == [row[1] for row in before["moments"]], page
        for path in lived.paths.root.glob("history.db.damaged-*"):
            path.unlink()
    assert len(lost) <= 4


def test_what_journals_do_not_tell_is_kept_where_it_can_be_read(lived):
    lived.lab.write(lambda w: w.set_paused("nightly", NOON))
    lived.rows()
    with closing(sqlite3.connect(lived.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'task_runs'").fetchone()
    damage(lived.path, root - 1)

    lived.mending().mend_damage()

    assert lived.lab.write(lambda w: w.load_paused()) == {"nightly": NOON}
    assert len(lived.rows()["task_runs"]) == 4


def test_a_file_that_is_no_database_at_all_is_kept_beside(lived):
    before = lived.rows("moments")
    lived.lose()
    lived.path.write_bytes(b"not a database, and not a short text\n" * 500)

    told = lived.mending().mend_damage()

    assert lived.rows("moments") == before
    (aside,) = lived.paths.root.glob("history.db.damaged-*")
    assert aside.read_bytes().startswith(b"not a database")
    assert "0 runs could be read" in told


def test_long_tables_are_read_on_behind_the_damage(sqlite_lab):
    world = World(sqlite_lab)
    (stored,) = sqlite_lab.write(lambda w: w.sync_schedules("nightly", [EVERY_MINUTE], NOON))

    def fill(writer):
        for number in range(5000):
            at = NOON + number * MINUTE
            writer.add_run(NewRun(f"{number:010}", "nightly", at, state=State.SKIPPED, note="x" * 50))
            writer.add_occurrence(NewOccurrence(stored.id, at, Outcome.SKIPPED, "y" * 50, at))

    sqlite_lab.write(fill)
    sqlite_lab.close()
    path = Path(sqlite_lab.address)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = path.stat().st_size // 4096
    damage(path, *range(pages // 4, pages // 4 + 3), *range(pages // 2, pages // 2 + 3))

    Mending(world.paths, judge, world.now).mend_damage()

    with closing(sqlite3.connect(path)) as connection:
        runs, moments = (
            connection.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0] for name in ("runs", "occurrences")
        )
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert runs > 4000
    assert moments > 4000


def test_a_disk_that_is_full_leaves_the_damaged_history_where_it_is(lived, monkeypatch):
    lived.rows()
    damage(lived.path, 5, 6, 7)
    before = lived.path.read_bytes()

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(mending, "salvage", full)
    with pytest.raises(HistoryError, match=r"cannot be mended.*full"):
        lived.mending().mend_damage()
    assert lived.path.read_bytes() == before


# Put back from an older day


@pytest.fixture
def restored(lived) -> Lived:
    """The history as it was before three more runs."""
    lived.rows()
    with closing(sqlite3.connect(lived.path)) as history, closing(sqlite3.connect(lived.paths.root / "copy")) as copy:
        history.backup(copy)
    for number in range(3):
        at = NOON + 100 + number
        moment = DUE + (4 + 2 * number) * MINUTE
        lived.happen(f"e00000000{number}", at, RunEnded(at + 1, "completed"), moment=moment)
        append_exit(lived.paths.exits, ProcessExit(f"e00000000{number}", 1, 1, 0, at))
    lived.lose()
    (lived.paths.root / "copy").rename(lived.path)
    return lived


def test_a_history_that_is_too_old_is_noticed_and_caught_up(restored):
    assert len(restored.rows()["runs"]) == 5

    told = restored.mending().catch_up(restored.lab.database)

    assert "3 runs were brought back" in told
    assert len(restored.rows()["runs"]) == 8
    assert restored.mending().catch_up(restored.lab.database) is None


def test_moments_between_have_their_rows_too_and_nothing_is_due_again(restored):
    restored.mending().catch_up(restored.lab.database)

    moments = {(at - DUE) // MINUTE: (outcome, uid) for _, at, outcome, uid in restored.rows()["moments"]}
    assert moments[4] == ("ran", "e000000000")
    assert [moments[at] for at in (3, 5, 7)] == [("missed", None)] * 3
    cursor = restored.lab.write(lambda w: w.row("SELECT cursor FROM schedules"))[0]
    assert cursor == DUE + 8 * MINUTE


def test_a_history_that_is_up_to_date_is_not_behind(lived):
    append_exit(lived.paths.exits, ProcessExit("a000000000", 1, 1, 0, NOON))
    append_exit(lived.paths.exits, ProcessExit("pruned0000", 1, 1, 0, NOON))
    append_exit(lived.paths.exits, ProcessExit("a000000000:crash_hooks", 1, 1, 0, NOON))
    with lived.paths.exits.open("ab") as file:
        file.write(b'["torn')
    lived.lab.close()
    with closing(open_reading(lived.path)) as reading:
        assert not is_behind(reading, lived.paths)


def test_a_run_that_is_being_removed_does_not_come_back(lived):
    run_id = lived.lab.write(lambda w: w.run_id("a000000000"))
    lived.lab.write(lambda w: w.remove_runs([(run_id, "a000000000")], lambda: True))
    append_exit(lived.paths.exits, ProcessExit("a000000000", 1, 1, 0, NOON))

    assert lived.mending().catch_up(lived.lab.database) is None


def test_a_new_history_on_another_database_takes_in_what_the_journals_tell(lived, postgresql, tmp_path):
    from sqlalchemy import create_engine

    engine = create_engine(postgresql)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA IF EXISTS moved CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA moved")
    engine.dispose()
    lab = Lab(f"{postgresql}&options=-csearch_path%3Dmoved", tmp_path)
    lab.close()

    told = lived.mending().catch_up(lab.database)

    assert "4 runs were brought back" in told
    assert lab.write(lambda w: w.row("SELECT COUNT(*) FROM runs"))[0] == 5
    lab.close()
