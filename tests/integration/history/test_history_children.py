"""Flows that are called inside a run: runs of their own, told by the journal of the run that called them."""

import subprocess
import sys
from pathlib import Path

import pytest

from history_lab import NOON, Lab, refuse_events_of
from tidemill.domain.errors import NotFound
from tidemill.domain.events import (
    OfSubflow,
    OwnEvent,
    RunEnded,
    RunNamed,
    RunNoted,
    RunOrdered,
    RunRetrying,
    RunStarted,
    SubflowStarted,
    TaskEnded,
    TaskRetrying,
    TaskStarted,
)
from tidemill.domain.manifests import FlowManifest
from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.domain.states import State
from tidemill.history import children
from tidemill.history.recorder import Recorder
from tidemill.journal.writer import JournalWriter

ROOT, FIRST, SECOND, DEEP = "k3f0000000", "aaa0000000", "bbb0000000", "ccc0000000"
ERROR = ErrorInfo("ValueError", "no way", "Traceback…")
KILLED = ErrorInfo("Crashed", "the run process was killed by signal 9 (SIGKILL)")
DONE = ResultInfo("history", None, 2, "42", "json", "42")


def of(uid: str, *events: OwnEvent) -> list[OfSubflow]:
    return [OfSubflow(uid, event) for event in events]


CALLED = (
    TaskStarted(NOON + 1, 0, "load", 1, None, None, FIRST),
    *of(
        FIRST,
        SubflowStarted(NOON + 2, ROOT, 0, "load", {"day": "Monday"}, "load of Monday"),
        TaskStarted(NOON + 3, 0, "insert", 1, None, "insert 1"),
    ),
)
"""A run calls a flow, which is busy with a task."""
WHOLE = (
    RunStarted(NOON, 4711, 12345, "boot"),
    RunNamed(NOON, "nightly of Monday"),
    *CALLED,
    *of(
        FIRST,
        TaskEnded(NOON + 4, 0, "insert", "completed", 1, NOON + 3, None, DONE, "insert 1"),
        RunEnded(NOON + 5, "completed", None, DONE),
    ),
    TaskEnded(NOON + 6, 0, "load", "completed", 1, NOON + 1, None, DONE, None, FIRST),
    TaskStarted(NOON + 7, 1, "load", 1, None, None, SECOND),
    *of(
        SECOND,
        SubflowStarted(NOON + 8, ROOT, 1, "load", {}),
        TaskStarted(NOON + 9, 0, "deeper", 1, None, None, DEEP),
    ),
    *of(DEEP, SubflowStarted(NOON + 10, SECOND, 0, "deeper", {}), RunEnded(NOON + 11, "failed", ERROR)),
    *of(
        SECOND,
        TaskEnded(NOON + 12, 0, "deeper", "failed", 1, NOON + 9, ERROR, None, None, DEEP),
        RunEnded(NOON + 13, "failed", ERROR),
    ),
    TaskEnded(NOON + 14, 1, "load", "failed", 1, NOON + 7, ERROR, None, None, SECOND),
    RunEnded(NOON + 15, "failed", ERROR),
)
"""A run calls a flow twice; the second time it calls another one, which fails."""


def detail(lab: Lab, uid: str) -> dict:
    return lab.read(lambda r: r.run_detail(uid))


def states(lab: Lab) -> dict[str, str]:
    return {run["id"]: run["state"] for run in lab.read(lambda r: r.runs())}


# From the journal


@pytest.mark.parametrize("together", [True, False])
def test_every_run_within_a_run_is_a_run_of_its_own(lab, together):
    lab.write(lambda w: w.add_version("abc123def456", "f" * 64, {"/f/a.py": "f" * 64}))
    run_id = lab.add_run(ROOT, version="abc123def456")

    for events in [WHOLE] if together else [[event] for event in WHOLE]:
        lab.record(run_id, ROOT, *events)

    root, first, second, deep = (detail(lab, uid) for uid in (ROOT, FIRST, SECOND, DEEP))
    assert (root["name"], root["root"], root["parent"]) == ("nightly of Monday", None, None)
    assert [(task["name"], task["subflow"], task["state"]) for task in root["tasks"]] == [
        ("load", FIRST, "completed"),
        ("load", SECOND, "failed"),
    ]
    facts = ("flow", "name", "state", "trigger", "parent", "root", "parent_task", "parameters", "version", "attempt")
    assert [[run[fact] for fact in facts] for run in (first, second, deep)] == [
        ["load", "load of Monday", "completed", "subflow", ROOT, ROOT, 0, {"day": "Monday"}, "abc123def456", 1],
        ["load", None, "failed", "subflow", ROOT, ROOT, 1, {}, "abc123def456", 1],
        ["deeper", None, "failed", "subflow", SECOND, ROOT, 0, {}, "abc123def456", 1],
    ]
    (insert,) = first["tasks"]
    assert (insert["run_name"], insert["subflow"], insert["attempts"]) == ("insert 1", None, 1)
    assert (first["duration"], first["result"]["preview"]) == (3e-6, "42")
    assert lab.read(lambda r: r.result(FIRST))["value"] == lab.read(lambda r: r.result(FIRST, "insert"))["value"] == 42
    assert [task["subflow"] for task in second["tasks"]] == [DEEP]
    assert (deep["error"], deep["failure"]["traceback"]) == ("ValueError: no way", "Traceback…")
    assert [event["state"] for event in deep["events"]] == ["running", "failed"]


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ("fed654cba321", "fed654cba321"),
        ("unheard-of", "abc123def456"),
        ("", "abc123def456"),
        ("not-yet-known", "not-yet-known"),
    ],
)
def test_the_version_of_a_run_and_of_those_within_it_is_the_one_that_was_executed(lab, told, version):
    for name, digest in (("abc123def456", "a" * 64), ("fed654cba321", "f" * 64)):
        lab.write(lambda w, name=name, digest=digest: w.add_version(name, digest, {"/f/a.py": digest}))
    run_id = lab.add_run(ROOT, version="abc123def456")
    sources = {"/f/a.py": "e" * 64} if told == "not-yet-known" else {}
    order = RunOrdered(NOON, "nightly", "/f/a.py", "manual", None, 1, None, {}, told, sources, None)

    lab.record(run_id, ROOT, RunStarted(NOON, 4711, 12345, "boot"), order, *CALLED)

    assert [detail(lab, uid)["version"] for uid in (ROOT, FIRST)] == [version, version]


def test_a_child_goes_through_states_of_its_own(lab):
    run_id = lab.add_run(ROOT)
    seen = []
    for event in (
        SubflowStarted(NOON, ROOT, 0, "load", {}),
        TaskStarted(NOON + 1, 0, "a", 1),
        TaskRetrying(NOON + 2, 0, "a", 1, NOON + 3, ERROR),
        RunRetrying(NOON + 3, 1, NOON + 4, ERROR),
        RunNamed(NOON + 4, "again"),
        TaskStarted(NOON + 5, 1, "a", 1),
        RunNoted(NOON + 6, "hello"),
        RunEnded(NOON + 7, "timed_out", ERROR),
    ):
        lab.record(run_id, ROOT, *of(FIRST, event))
        run = detail(lab, FIRST)
        seen.append((run["state"], run["attempt"], *(task["state"] for task in run["tasks"])))

    assert seen == [
        ("running", 1),
        ("running", 1, "running"),
        ("running", 1, "retrying"),
        ("retrying", 2, "retrying"),
        ("retrying", 2, "retrying"),
        ("running", 2, "retrying", "running"),
        ("running", 2, "retrying", "running"),
        ("timed_out", 2, "timed_out", "timed_out"),
    ]
    assert (run["name"], run["tasks"][0]["failed_attempts"][0]["error"]["message"]) == ("again", "no way")
    assert [event["note"] for event in run["events"]][-2:] == ["hello", "ValueError: no way"]
    assert states(lab)[ROOT] == "pending"


def test_a_name_that_was_told_once_is_not_forgotten(lab):
    run_id = lab.add_run(ROOT)
    lab.record(run_id, ROOT, TaskStarted(NOON, 0, "a", 1, None, "the first", FIRST))
    lab.record(run_id, ROOT, TaskEnded(NOON + 1, 0, "a", "completed", 1, NOON))

    (task,) = detail(lab, ROOT)["tasks"]
    assert (task["run_name"], task["subflow"], task["state"]) == ("the first", FIRST, "completed")


@pytest.mark.parametrize("together", [True, False])
def test_a_task_that_takes_the_place_of_another_does_not_take_its_names(lab, together):
    """A flow that is tried again counts its tasks from the start, and may call others."""
    run_id = lab.add_run(ROOT)
    again = [
        TaskStarted(NOON, 0, "load", 1, None, "load 1", FIRST),
        TaskEnded(NOON + 1, 0, "load", "failed", 1, NOON, ERROR, None, "load 1", FIRST),
        TaskStarted(NOON, 1, "load", 1, None, None, SECOND),
        TaskEnded(NOON + 1, 1, "load", "failed", 1, NOON, ERROR, None, None, SECOND),
        RunRetrying(NOON + 2, 1, NOON + 3, ERROR),
        TaskStarted(NOON + 3, 0, "plain", 1),
        TaskStarted(NOON + 3, 1, "load", 2, None, None, DEEP),
        TaskEnded(NOON + 4, 1, "load", "completed", 2, NOON, None, None, None, DEEP),
    ]
    for events in [again] if together else [[event] for event in again]:
        lab.record(run_id, ROOT, *events)

    assert [(task["name"], task["run_name"], task["subflow"]) for task in detail(lab, ROOT)["tasks"]] == [
        ("plain", None, None),
        ("load", None, DEEP),
    ]


def test_text_that_is_no_text_does_not_stop_a_child(lab):
    run_id = lab.add_run(ROOT)
    ugly = "a\0b\udcffc\ud800"

    lab.record(
        run_id,
        ROOT,
        RunNamed(NOON, ugly),
        TaskStarted(NOON, 0, "a", 1, None, ugly, ugly),
        *of(
            FIRST,
            SubflowStarted(NOON, ugly, 0, ugly, {ugly: [ugly]}, ugly),
            TaskEnded(NOON, 0, ugly, "completed", 1, NOON, None, None, ugly, ugly),
            RunEnded(NOON, "failed", ErrorInfo("E", ugly)),
        ),
        RunEnded(NOON + 1, "completed"),
    )

    run = detail(lab, FIRST)
    assert (run["state"], run["name"], run["parent"]) == ("failed", "a\\x00b\\udcffc\\ud800", ROOT)
    assert states(lab)[ROOT] == "completed"


def test_an_event_of_a_child_that_cannot_be_recorded_is_told_and_the_rest_is_kept(lab, monkeypatch, caplog):
    run_id = lab.add_run(ROOT)
    refuse_events_of("strange", monkeypatch)

    lab.record(
        run_id,
        ROOT,
        *CALLED,
        *of(FIRST, TaskEnded(NOON + 3, 7, "strange", "completed", 1), RunEnded(NOON + 5, "completed")),
        RunEnded(NOON + 6, "completed"),
    )

    assert states(lab) == {ROOT: "completed", FIRST: "completed"}
    assert [task["name"] for task in detail(lab, FIRST)["tasks"]] == ["insert"]
    assert any("could not be recorded" in (event["note"] or "") for event in detail(lab, ROOT)["events"])


@pytest.mark.parametrize("uid", ["zzz0000000", "no id at all", "a\0b", SECOND, ROOT])
def test_events_of_what_is_no_child_of_the_run_are_passed_over_with_a_note(lab, uid):
    """A journal may hold anything; it speaks for its own run and no other."""
    other_id = lab.add_run("d000000000")
    lab.record(other_id, "d000000000", *of(SECOND, SubflowStarted(NOON, "d000000000", 0, "other", {})))
    run_id = lab.add_run(ROOT)

    lab.record(run_id, ROOT, *of(uid, RunNoted(NOON, "hi"), RunEnded(NOON + 1, "failed")), *CALLED)

    assert states(lab) == {ROOT: "running", FIRST: "running", SECOND: "running", "d000000000": "pending"}
    (note,) = [event["note"] for event in detail(lab, ROOT)["events"] if event["note"]]
    assert note.startswith("2 events of ")
    assert note.endswith("which is no run within this one, were passed over")


def test_a_child_cannot_take_the_id_of_another_run(lab):
    lab.add_run(FIRST, flow="other")
    run_id = lab.add_run(ROOT)

    lab.record(run_id, ROOT, *CALLED, *of(FIRST, RunEnded(NOON + 9, "failed")))

    assert states(lab) == {ROOT: "running", FIRST: "pending"}
    assert (detail(lab, FIRST)["flow"], detail(lab, FIRST)["tasks"]) == ("other", [])
    assert any("passed over" in (event["note"] or "") for event in detail(lab, ROOT)["events"])


def test_more_children_than_are_remembered_are_all_found(lab, monkeypatch):
    monkeypatch.setattr(children, "_KNOWN_AT_MOST", 3)
    run_id = lab.add_run(ROOT)
    uids = [f"{number:010}" for number in range(20)]

    lab.record(run_id, ROOT, *(event for uid in uids for event in of(uid, SubflowStarted(NOON, ROOT, 0, "load", {}))))
    lab.record(run_id, ROOT, *(event for uid in uids for event in of(uid, RunEnded(NOON + 1, "completed"))))

    assert [run["state"] for run in lab.read(lambda r: r.runs(flow="load", limit=50))] == ["completed"] * 20


RECORD = """
import os, signal, sys
from pathlib import Path
from tidemill.history.database import open_database
from tidemill.history.recorder import Recorder
from tidemill.history import turns

kills, taken = int(sys.argv[3]), 0
take_in = turns.ingest

def ingest_and_die(writer, pieces):
    global taken
    take_in(writer, pieces)
    taken += 1
    if taken == kills:
        os.kill(os.getpid(), signal.SIGKILL)

turns.ingest = ingest_and_die
database = open_database(sys.argv[1])
with database.connect() as connection:
    offset = connection.exec_driver_sql("SELECT journal_offset FROM runs WHERE id = 1").scalar()
recorder = Recorder(database)
recorder.follow(1, "k3f0000000", Path(sys.argv[2]), offset)
recorder.start()
recorder.stop()
"""


def test_a_recorder_that_is_killed_again_and_again_counts_every_event_once(sqlite_lab, monkeypatch):
    """Killed with its rows written and not committed, it reads them again; committed, it never does."""
    run_id = sqlite_lab.add_run(ROOT)
    journal = sqlite_lab.folder / f"{ROOT}.journal"
    writer = JournalWriter(journal)
    writer.write(RunStarted(NOON, 1, 2, "boot"))
    for number in range(600):
        uid = f"{number:010}"
        writer.write(TaskStarted(NOON + number, number, "load", 1, None, None, uid))
        for event in of(
            uid,
            SubflowStarted(NOON + number, ROOT, number, "load", {"n": number, "padding": "x" * 200}),
            TaskRetrying(NOON + number, 0, "insert", 1, NOON + number, ERROR),
            TaskEnded(NOON + number, 0, "insert", "completed", 2, NOON, None, DONE),
            RunNoted(NOON + number, f"note {number}"),
            RunEnded(NOON + number, "completed"),
        ):
            writer.write(event)
    writer.write(RunEnded(NOON + 1000, "completed"))
    sqlite_lab.pen.close()

    program = [sys.executable, "-c", RECORD, str(sqlite_lab.address), str(journal)]
    environment = {"PYTHONPATH": str(Path(children.__file__).parents[2])}
    for kills in (1, 2, 3, 2):
        assert subprocess.run([*program, str(kills)], env=environment, check=False).returncode == -9
    sqlite_lab.record(run_id, ROOT)

    runs = sqlite_lab.read(lambda r: r.runs(limit=1000))
    assert len(runs) == 601
    assert {run["state"] for run in runs} == {"completed"}
    assert sorted(run["parameters"]["n"] for run in runs if run["parent"]) == list(range(600))

    def count(table: str) -> int:
        return sqlite_lab.write(lambda w: w.row(f"SELECT COUNT(*) FROM {table}"))[0]

    tables = ("task_runs", "attempts", "results", "run_events")
    assert [count(table) for table in tables] == [1200, 600, 600, 600]


# The end of the root


def crash(run_id: int):
    return lambda w: w.end_run(run_id, State.CRASHED, KILLED, NOON + 99)


def test_children_end_with_a_run_that_is_given_its_end(lab):
    run_id, other_id = lab.add_run(ROOT), lab.add_run("d000000000")
    lab.record(run_id, ROOT, *WHOLE[:-3])
    lab.record(other_id, "d000000000", *of("e000000000", SubflowStarted(NOON, "d000000000", 0, "load", {})))
    ended_before = detail(lab, FIRST)

    lab.write(crash(run_id))

    second = detail(lab, SECOND)
    assert (second["state"], second["error"]) == ("crashed", f"Crashed: {KILLED.message}")
    assert second["note"] == "it had no end of its own when the run that it belongs to ended"
    assert second["finished_at"] == detail(lab, ROOT)["finished_at"]
    assert [task["state"] for task in second["tasks"]] == ["failed"]
    assert detail(lab, FIRST) == ended_before
    assert (states(lab)[DEEP], states(lab)["e000000000"]) == ("failed", "running")


@pytest.mark.parametrize(
    ("end", "becomes", "error"),
    [
        (RunEnded(NOON + 99, "crashed", KILLED), "crashed", f"Crashed: {KILLED.message}"),
        (RunEnded(NOON + 99, "timed_out", ERROR), "timed_out", "ValueError: no way"),
        (RunEnded(NOON + 99, "cancelled"), "cancelled", None),
        (RunEnded(NOON + 99, "failed", ERROR), "cancelled", None),
        (RunEnded(NOON + 99, "completed"), "cancelled", None),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_children_end_with_a_run_whose_journal_tells_its_end(lab, end, becomes, error, together):
    run_id = lab.add_run(ROOT)
    for events in [[*CALLED, end]] if together else [CALLED, [end]]:
        lab.record(run_id, ROOT, *events)

    root, first = detail(lab, ROOT), detail(lab, FIRST)
    assert (first["state"], first["error"]) == (becomes, error)
    assert [task["state"] for run in (root, first) for task in run["tasks"]] == [becomes, becomes]


def test_a_child_that_ends_by_itself_leaves_its_siblings_alone(lab):
    run_id = lab.add_run(ROOT)
    lab.record(run_id, ROOT, *CALLED, *of(SECOND, SubflowStarted(NOON + 5, FIRST, 0, "deeper", {})))

    lab.record(run_id, ROOT, *of(FIRST, RunEnded(NOON + 6, "crashed", KILLED)))

    assert states(lab) == {ROOT: "running", FIRST: "crashed", SECOND: "running"}
    lab.write(crash(run_id))
    assert states(lab)[SECOND] == "crashed"


def test_an_end_stays_whatever_is_told_of_a_child_later(lab):
    run_id = lab.add_run(ROOT)
    lab.record(run_id, ROOT, *CALLED)
    lab.write(crash(run_id))

    lab.record(
        run_id,
        ROOT,
        *of(FIRST, TaskEnded(NOON + 100, 0, "insert", "completed", 1, NOON), RunEnded(NOON + 101, "completed")),
    )

    first = detail(lab, FIRST)
    assert (first["state"], [task["state"] for task in first["tasks"]]) == ("crashed", ["crashed"])


def test_a_run_that_is_removed_takes_its_children_along(lab):
    run_id = lab.add_run(ROOT)
    lab.record(run_id, ROOT, *WHOLE)
    kept_id = lab.add_run("d000000000")
    lab.record(kept_id, "d000000000", *of("e000000000", SubflowStarted(NOON, "d000000000", 0, "load", {})))

    lab.write(lambda w: w.execute("DELETE FROM runs WHERE id = ?", (run_id,)))

    assert set(states(lab)) == {"d000000000", "e000000000"}
    for table in ("task_runs", "results", "attempts", "run_events"):
        assert lab.write(lambda w, t=table: w.rows(f"SELECT * FROM {t} WHERE run_id <> ?", (kept_id,))) == []


# What children are not


def test_children_are_no_runs_that_a_daemon_takes_up_or_counts(lab):
    run_id = lab.add_run(ROOT)
    lab.record(run_id, ROOT, *WHOLE[:4], *CALLED[1:])

    assert [run.uid for run in lab.write(lambda w: w.load_live())] == [ROOT]
    assert lab.read(lambda r: r.counts())["active_runs"] == 1
    assert lab.write(lambda w: w.load_run(FIRST)).root == ROOT
    assert lab.write(lambda w: w.load_run(ROOT)).root is None


def test_the_newest_run_is_one_that_nobody_called(lab):
    lab.write(lambda w: w.add_version("abc123def456", "f" * 64, {"/f/a.py": "f" * 64}))
    lab.write(lambda w: w.save_flow(FlowManifest("load", "function"), "/f/a.py", "abc123def456", NOON))
    run_id = lab.add_run(ROOT)
    lab.record(run_id, ROOT, *WHOLE)

    def find(reference: str) -> str:
        return lab.read(lambda r: r.find_run(reference))

    assert (find("last"), find("nightly@last")) == (ROOT, ROOT)
    assert (find("load@last"), find("deeper@last")) == (SECOND, DEEP)
    assert lab.read(lambda r: r.flow("load"))["last_run"] is None

    lab.add_run("d000000000", flow="load", queued_at=NOON - 1)
    assert find("load@last") == "d000000000"
    assert lab.read(lambda r: r.flow("load"))["last_run"]["id"] == "d000000000"


def test_lists_hold_children_unless_only_others_are_wanted(lab):
    run_id = lab.add_run(ROOT)
    lab.record(run_id, ROOT, *WHOLE)

    def listed(**chosen) -> list[str]:
        return [run["id"] for run in lab.read(lambda r: r.runs(**chosen))]

    assert listed() == [DEEP, SECOND, FIRST, ROOT]
    assert listed(limit=2) == [DEEP, SECOND]
    assert listed(top=True) == listed(flow="nightly") == [ROOT]
    assert listed(flow="load") == [SECOND, FIRST]
    assert listed(flow="load", top=True) == []
    assert listed(states=("completed",)) == [FIRST]
    assert listed(states=("completed", "failed")) == [DEEP, SECOND, FIRST, ROOT]
    assert listed(states=("failed",), top=True) == [ROOT]
    assert listed(states=("completed",), top=True) == []


def test_the_callers_of_all_runs_within_a_run_are_told(lab):
    run_id = lab.add_run(ROOT)
    lab.record(run_id, ROOT, *WHOLE)

    assert lab.read(lambda r: r.callers(ROOT)) == {FIRST: ROOT, SECOND: ROOT, DEEP: SECOND}
    assert lab.read(lambda r: r.callers(FIRST)) == lab.read(lambda r: r.callers("zzz0000000")) == {}


def test_a_result_is_found_by_the_name_of_the_task_run(lab):
    run_id = lab.add_run(ROOT)
    results = [ResultInfo("history", None, 1, str(n), "json", str(n)) for n in range(2)]
    lab.record(
        run_id, ROOT, *(TaskEnded(NOON, n, "a", "completed", 1, NOON, None, results[n], f"a {n}") for n in range(2))
    )

    assert [lab.read(lambda r, n=n: r.result(ROOT, f"a {n}"))["value"] for n in range(2)] == [0, 1]
    with pytest.raises(NotFound, match="2 results of a; name one by its number: 0, 1"):
        lab.read(lambda r: r.result(ROOT, "a"))


def test_a_flow_that_only_other_files_know_is_no_flow_of_the_folder(lab):
    run_id = lab.add_run(ROOT)
    lab.record(run_id, ROOT, *WHOLE)

    assert lab.read(lambda r: r.flows()) == []
    assert lab.write(lambda w: w.load_catalog()) == []
    flow = lab.read(lambda r: r.flow("deeper"))
    assert (flow["active"], flow["file"], flow["error"]) == (False, None, None)
    with pytest.raises(NotFound):
        lab.read(lambda r: r.flow("nobody"))


def test_a_journal_of_children_is_told_to_the_daemon_as_it_is(sqlite_lab):
    """What the dispatcher hears of a child is wrapped, so that it takes nothing of it for the run's own."""
    told = []
    run_id = sqlite_lab.add_run(ROOT)
    sqlite_lab.pen.close()
    recorder = Recorder(sqlite_lab.database, told.extend)
    recorder.follow(run_id, ROOT, sqlite_lab.journal(ROOT, *WHOLE))
    recorder.start()
    recorder.stop()

    assert told == [(run_id, event) for event in WHOLE]
