"""What the daemon writes, on SQLite and on PostgreSQL."""

from itertools import product

import pytest

from history_lab import NOON, SECOND, Lab
from tidemill.domain.errors import HistoryError, NotFound
from tidemill.domain.events import RunStarted, TaskEnded, TaskStarted
from tidemill.domain.manifests import FlowManifest, ParameterManifest, Problem
from tidemill.domain.outcomes import Outcome
from tidemill.domain.results import ErrorInfo
from tidemill.domain.runs import ProcessName
from tidemill.domain.schedules import cron, every
from tidemill.domain.states import STEPS, State
from tidemill.history.records import NewOccurrence, NewRun

EVERY = every(minutes=5)


def schedule(lab: Lab, flow: str = "nightly", *specs) -> list[int]:
    rows = lab.write(lambda w: w.sync_schedules(flow, specs or (EVERY,), NOON))
    return [row.id for row in rows]


def occurrence(schedule_id: int, moment: int = NOON, outcome: Outcome = Outcome.RAN, **fields) -> NewOccurrence:
    return NewOccurrence(schedule_id, moment, outcome, "because", NOON, **fields)


def count(lab: Lab, table: str) -> int:
    return lab.write(lambda w: w.row(f"SELECT COUNT(*) FROM {table}"))[0]


def state_of(lab: Lab, run_id: int) -> State:
    return State(lab.write(lambda w: w.row("SELECT state FROM runs WHERE id = ?", (run_id,)))[0])


# Runs


def test_a_run_told_twice_is_recorded_once(lab):
    assert lab.add_run("k3f0000000") == lab.add_run("k3f0000000")
    assert count(lab, "runs") == 1


def test_another_run_with_an_id_that_is_taken_is_refused(lab):
    lab.add_run("k3f0000000")

    with pytest.raises(HistoryError, match="a run k3f0000000 already"):
        lab.add_run("k3f0000000", queued_at=NOON + 1)


def test_a_retry_of_a_run_nobody_knows_is_refused(lab):
    with pytest.raises(NotFound, match="no run zzz"):
        lab.add_run(parent="zzz0000000")


def test_a_run_comes_back_as_it_was_recorded(lab):
    lab.write(lambda w: w.add_version("abc123def456", "f" * 64, {"/f/a.py": "f" * 64}))
    lab.add_run("aaa0000000")
    lab.add_run(
        "k3f0000000",
        trigger="retry",
        scheduled_for=NOON - SECOND,
        parameters={"name": "Åsa\ud800\0", "n": [1, None]},
        attempt=2,
        parent="aaa0000000",
        version="abc123def456",
        priority=7,
    )

    run = lab.write(lambda w: w.load_run("k3f0000000"))

    assert (run.flow, run.state, run.trigger, run.parent) == ("nightly", State.PENDING, "retry", "aaa0000000")
    assert (run.scheduled_for, run.attempt, run.priority, run.journal_offset) == (NOON - SECOND, 2, 7, 0)
    assert run.parameters == {"name": "Åsa\ud800\0", "n": [1, None]}
    assert (run.version, run.sources) == ("abc123def456", {"/f/a.py": "f" * 64})


@pytest.mark.parametrize("state", [state for state in State if STEPS[state]])
def test_a_run_that_has_no_end_is_found_after_a_restart(lab, state):
    lab.add_run("k3f0000000", state=state)

    assert [run.uid for run in lab.write(lambda w: w.load_live())] == ["k3f0000000"]


def test_the_process_of_a_run_is_kept_while_it_lives(lab):
    run_id = lab.add_run()
    process = ProcessName(4711, 12345, "boot")

    lab.record(run_id, "k3f0000000", RunStarted(NOON + SECOND, *process))

    (run,) = lab.write(lambda w: w.load_live())
    assert (run.state, run.process, run.started_at) == (State.RUNNING, process, NOON + SECOND)


def test_an_ended_run_is_not_noted_or_ended_again(lab):
    run_id = lab.add_run()
    lab.write(lambda w: w.end_run(run_id, State.CANCELLED, None, NOON + 1))

    assert not lab.write(lambda w: w.note(run_id, State.CANCELLING, "late", NOON + 3))
    assert lab.write(lambda w: w.end_run(run_id, State.CRASHED, ErrorInfo("X", "x"), NOON + 4)) is State.CANCELLED
    assert state_of(lab, run_id) is State.CANCELLED


def test_a_passing_state_is_recorded_exactly_where_a_step_leads_to_it(lab):
    passing = [state for state in State if STEPS[state]]
    runs = {pair: lab.add_run(f"{place:010}", state=pair[0]) for place, pair in enumerate(product(passing, repeat=2))}

    taken = {
        (now, then)
        for (now, then), run_id in runs.items()
        if lab.write(lambda w, r=run_id, t=then: w.note(r, t, "", 1))
    }

    assert taken == {(now, then) for now, then in runs if then in STEPS[now]}


def test_an_end_is_no_passing_state(lab):
    run_id = lab.add_run()

    with pytest.raises(HistoryError, match="end_run"):
        lab.write(lambda w: w.note(run_id, State.COMPLETED, "", NOON))


def test_the_tasks_of_a_run_that_died_end_with_it(lab):
    run_id = lab.add_run()
    lab.record(
        run_id,
        "k3f0000000",
        RunStarted(NOON, 1, 2, "b"),
        TaskStarted(NOON, 0, "a", 1),
        TaskEnded(NOON + 1, 0, "a", "completed", 1, NOON),
        TaskStarted(NOON + 2, 1, "b", 1),
    )

    lab.write(lambda w: w.end_run(run_id, State.CRASHED, ErrorInfo("Crashed", "SIGSEGV"), NOON + 9))

    tasks = lab.read(lambda r: r.run_detail("k3f0000000"))["tasks"]
    assert [task["state"] for task in tasks] == ["completed", "crashed"]


def test_a_run_made_in_a_terminal_is_adopted(lab):
    run_id = lab.write(
        lambda w: w.adopt_local_run(
            "k3f0000000", "adhoc", file="/tmp/a.py", journal="/tmp/j", queued_at=NOON, parameters={"n": 1}
        )
    )

    (run,) = lab.write(lambda w: w.load_live())
    assert (run.id, run.flow, run.file, run.journal, run.parameters) == (
        run_id,
        "adhoc",
        "/tmp/a.py",
        "/tmp/j",
        {"n": 1},
    )


# The ledger


def test_one_moment_is_recorded_once(lab):
    (schedule_id,) = schedule(lab)

    assert lab.write(lambda w: w.add_occurrence(occurrence(schedule_id)))
    assert not lab.write(lambda w: w.add_occurrence(occurrence(schedule_id, outcome=Outcome.MISSED)))
    assert count(lab, "occurrences") == 1


def test_a_moment_and_its_run_are_recorded_together_and_once(lab):
    (schedule_id,) = schedule(lab)

    first = lab.write(lambda w: w.add_due_run(occurrence(schedule_id), NewRun("aaa0000000", "nightly", NOON)))
    other = lab.write(lambda w: w.add_due_run(occurrence(schedule_id), NewRun("bbb0000000", "nightly", NOON)))
    again = lab.write(lambda w: w.add_due_run(occurrence(schedule_id), NewRun("aaa0000000", "nightly", NOON)))

    assert first is not None
    assert other is None
    assert again == first
    assert count(lab, "runs") == 1


@pytest.mark.parametrize(
    ("first", "until"),
    [(0, None), (5, None), (10, None), (3, 4), (-5, 0), (-5, 20), (10, 12), (0, 10)],
)
def test_a_range_holds_every_moment_in_it(lab, first, until):
    (schedule_id,) = schedule(lab)
    missed = occurrence(schedule_id, NOON, Outcome.MISSED, until=NOON + 10, count=11)
    assert lab.write(lambda w: w.add_occurrence(missed))

    late = occurrence(schedule_id, NOON + first, until=None if until is None else NOON + until)
    assert not lab.write(lambda w: w.add_occurrence(late))


@pytest.mark.parametrize(("first", "until"), [(-1, None), (11, None), (-5, -1), (11, 20)])
def test_a_range_leaves_its_neighbours_free(lab, first, until):
    (schedule_id,) = schedule(lab)
    missed = occurrence(schedule_id, NOON, Outcome.MISSED, until=NOON + 10, count=11)
    lab.write(lambda w: w.add_occurrence(missed))

    free = occurrence(schedule_id, NOON + first, until=None if until is None else NOON + until)
    assert lab.write(lambda w: w.add_occurrence(free))


def test_schedules_do_not_share_their_moments(lab):
    one, other = schedule(lab, "nightly", EVERY, cron("0 2 * * *"))

    assert lab.write(lambda w: w.add_occurrence(occurrence(one)))
    assert lab.write(lambda w: w.add_occurrence(occurrence(other)))


def test_the_cursor_never_goes_back(lab):
    (schedule_id,) = schedule(lab)
    lab.write(lambda w: w.save_flow(FlowManifest("nightly", "graph", schedules=(EVERY,)), "/f/a.py", "v", NOON))

    lab.write(lambda w: w.advance_cursor(schedule_id, NOON + 10))
    lab.write(lambda w: w.advance_cursor(schedule_id, NOON + 5))

    ((stored,),) = [flow.schedules for flow in lab.write(lambda w: w.load_catalog())]
    assert stored.cursor == NOON + 10


def test_the_ledger_after_a_moment_includes_the_range_that_reaches_past_it(lab):
    (schedule_id,) = schedule(lab)
    lab.write(lambda w: w.add_occurrence(occurrence(schedule_id, NOON, Outcome.MISSED, until=NOON + 10, count=3)))
    lab.write(lambda w: w.add_occurrence(occurrence(schedule_id, NOON + 20)))

    rows = lab.write(lambda w: w.load_ledger(schedule_id, NOON + 5))

    assert [(row.moment, row.until, row.moments) for row in rows] == [(NOON, NOON + 10, 3), (NOON + 20, None, 1)]


# Flows


def test_a_schedule_keeps_its_key_while_it_stays_declared(lab):
    one, other = schedule(lab, "nightly", EVERY, cron("0 2 * * *"))

    kept = lab.write(lambda w: w.sync_schedules("nightly", [cron("0 2 * * *"), cron("0 3 * * *")], NOON + 9))

    assert kept[0].id == other
    assert kept[1].id not in (one, other)
    assert [row.cursor for row in kept] == [NOON, NOON + 9]


def test_a_schedule_that_was_away_is_not_due_for_that_time(lab):
    (schedule_id,) = schedule(lab)
    lab.write(lambda w: w.sync_schedules("nightly", [], NOON + 10))

    (back,) = lab.write(lambda w: w.sync_schedules("nightly", [EVERY], NOON + 99))

    assert (back.id, back.cursor) == (schedule_id, NOON + 99)


def test_a_changed_jitter_is_the_same_schedule(lab):
    (schedule_id,) = schedule(lab)
    jittery = every(minutes=5, jitter=30)

    (row,) = lab.write(lambda w: w.sync_schedules("nightly", [jittery], NOON + 1))

    assert (row.id, row.spec, row.cursor) == (schedule_id, jittery, NOON)


def test_the_catalog_comes_back_as_it_was_saved(lab):
    manifest = FlowManifest(
        "nightly",
        "function",
        description="ä\0",
        tags=("a",),
        parameters=(ParameterManifest("n", "int", False, 3),),
        schedules=(cron("0 2 * * *", parameters={"n": 4}),),
    )
    lab.write(lambda w: w.add_version("abc123def456", "f" * 64, {"/f/a.py": "f" * 64}))
    lab.write(lambda w: w.save_flow(manifest, "/f/a.py", "abc123def456", NOON))
    lab.write(lambda w: w.save_flow(FlowManifest("other", "graph"), "/f/b.py", "abc123def456", NOON))

    lab.write(lambda w: w.remove_flows(["other"], NOON + 1))

    (flow,) = lab.write(lambda w: w.load_catalog())
    assert (flow.name, flow.file, flow.manifest, flow.version) == ("nightly", "/f/a.py", manifest, "abc123def456")
    assert [row.spec for row in flow.schedules] == list(manifest.schedules)


def test_pausing_tells_whether_it_changed_anything(lab):
    schedule(lab)

    told = [lab.write(lambda w, at=at: w.set_paused("nightly", at)) for at in (NOON, NOON + 1, None, None)]

    assert told == [True, False, True, False]
    with pytest.raises(NotFound):
        lab.write(lambda w: w.set_paused("nobody", NOON))


def test_a_paused_flow_is_remembered(lab):
    schedule(lab)
    lab.write(lambda w: w.set_paused("nightly", NOON))

    assert lab.write(lambda w: w.load_paused()) == {"nightly": NOON}


def test_a_manifest_is_worth_something_only_to_its_maker(lab):
    lab.write(lambda w: w.save_cache({"/f/a.py": "{}", "/f/b.py": "[]", "/f/\udcff.py": "{}"}, "one"))
    lab.write(lambda w: w.save_cache({"/f/b.py": None, "/f/a.py": "1"}, "one"))

    assert lab.write(lambda w: w.load_cache("one"))["/f/a.py"] == "1"
    assert "/f/b.py" not in lab.write(lambda w: w.load_cache("one"))
    assert lab.write(lambda w: w.load_cache("two")) == {}


def test_source_texts_are_kept_byte_by_byte_and_once(lab):
    for _ in range(2):
        lab.write(lambda w: w.add_sources({"f" * 64: b"# \xff\0 latin"}))
        lab.write(lambda w: w.add_version("abc123def456", "f" * 64, {}))

    assert bytes(lab.write(lambda w: w.row("SELECT body FROM sources"))[0]) == b"# \xff\0 latin"


def test_a_files_problems_come_and_go(lab):
    lab.write(lambda w: w.save_file("/f/a.py", "a.py", [Problem("no such name", 3)], []))
    assert lab.read(lambda r: r.counts())["errors"] == [{"file": "/f/a.py", "line": 3, "message": "no such name"}]

    lab.write(lambda w: w.save_file("/f/a.py", "a.py", [], []))
    assert lab.read(lambda r: r.counts())["errors"] == []

    lab.write(lambda w: w.remove_file("/f/a.py"))
    assert count(lab, "files") == 0


def test_what_is_kept_under_a_word_is_replaced(lab):
    assert lab.write(lambda w: w.get_meta("boot_id")) is None

    lab.write(lambda w: w.set_meta("boot_id", "one"))
    lab.write(lambda w: w.set_meta("boot_id", "two"))

    assert lab.write(lambda w: w.get_meta("boot_id")) == "two"


def test_keys_made_in_a_transaction_that_failed_are_forgotten(lab):
    with pytest.raises(ZeroDivisionError):
        lab.write(lambda w: (w.flow_id("nightly"), 1 / 0))

    lab.add_run(flow="nightly")

    assert count(lab, "runs") == 1
