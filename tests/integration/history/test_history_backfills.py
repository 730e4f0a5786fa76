"""What the history knows of the runs that were made for moments, on SQLite and on PostgreSQL."""

from history_lab import NOON, SECOND
from tidemill.domain.manifests import FlowManifest
from tidemill.domain.outcomes import Outcome, Trigger
from tidemill.domain.results import ErrorInfo
from tidemill.domain.schedules import cron
from tidemill.domain.states import State
from tidemill.domain.times import from_micros, iso
from tidemill.history.records import NewOccurrence, NewRun

MINUTE = 60 * SECOND


def save_flow(lab, *expressions):
    def work(writer):
        writer.add_version("abc123def456", "f" * 64, {"/f/a.py": "f" * 64})
        flow = FlowManifest("nightly", "graph", schedules=tuple(cron(text) for text in expressions))
        return [row.id for row in writer.save_flow(flow, "/f/a.py", "abc123def456", NOON)]

    return lab.write(work)


def add(lab, uid, schedule_id, moment, trigger=Trigger.BACKFILL, **fields):
    return lab.add_run(uid, trigger=trigger, schedule_id=schedule_id, scheduled_for=moment, **fields)


def made(lab, low=NOON, high=NOON + 60 * MINUTE):
    return {(run.moment, run.uid, run.state) for run in lab.write(lambda w: w.load_made_runs("nightly", low, high))}


def test_runs_of_schedules_of_backfills_and_their_retries_are_found(lab):
    (key,) = save_flow(lab, "* * * * *")
    due = NewRun("sched00000", "nightly", NOON, trigger=Trigger.SCHEDULE, scheduled_for=NOON, schedule_id=key)
    lab.write(lambda w: w.add_due_run(NewOccurrence(key, NOON, Outcome.RAN, "it came due", NOON), due))
    lab.add_run("again00000", trigger=Trigger.RETRY, parent="sched00000", scheduled_for=NOON, attempt=2)
    lab.add_run("more000000", trigger=Trigger.RETRY, parent="again00000", scheduled_for=NOON, attempt=3)
    add(lab, "fill000000", key, NOON + MINUTE, state=State.COMPLETED)
    add(lab, "late000000", key, NOON + 60 * MINUTE)
    lab.add_run("hand000000", scheduled_for=NOON)

    assert made(lab) == {
        (NOON, "sched00000", "pending"),
        (NOON, "again00000", "pending"),
        (NOON, "more000000", "pending"),
        (NOON + MINUTE, "fill000000", "completed"),
    }
    assert made(lab, NOON + 1, NOON + MINUTE) == set()


def test_a_run_that_was_removed_leaves_its_row(lab):
    (key,) = save_flow(lab, "* * * * *")
    lab.write(lambda w: w.add_occurrence(NewOccurrence(key, NOON, Outcome.RAN, "it came due", NOON, run_id=77)))

    assert made(lab) == {(NOON, None, None)}


def test_schedules_that_the_flow_had_before_are_told_apart(lab):
    (old,) = save_flow(lab, "0 * * * *")
    (new,) = save_flow(lab, "30 * * * *")

    cursors = lab.write(lambda w: w.load_cursors("nightly"))

    assert cursors == {old: (NOON, False), new: (NOON, True)}


def test_a_moment_names_the_newest_run_that_a_backfill_made_for_it(lab):
    (key,) = save_flow(lab, "* * * * *")
    add(lab, "first00000", key, NOON, state=State.FAILED)
    add(lab, "second0000", key, NOON, state=State.COMPLETED)
    add(lab, "sched00000", key, NOON, Trigger.SCHEDULE)

    assert lab.read(lambda r: r.backfilled("nightly", from_micros(NOON))) == {"id": "second0000", "state": "completed"}
    assert lab.read(lambda r: r.backfilled("nightly", from_micros(NOON + MINUTE))) is None
    assert lab.read(lambda r: r.backfilled("other", from_micros(NOON))) is None


def test_the_runs_of_one_backfill_are_told_from_its_ends(lab):
    (key,) = save_flow(lab, "* * * * *")
    add(lab, "before0000", key, NOON)
    keys = [add(lab, f"fill{n:06}", key, NOON + n * MINUTE) for n in range(3)]
    add(lab, "behind0000", key, NOON + 9 * MINUTE)
    lab.write(lambda w: w.end_run(keys[1], State.FAILED, ErrorInfo("ValueError", "no rows"), NOON))

    assert lab.read(lambda r: r.backfill_states("fill000000", "fill000002")) == {"pending": 2, "failed": 1}
    runs = lab.read(lambda r: r.backfill_runs("fill000000", "fill000002"))
    assert [run["id"] for run in runs] == ["fill000000", "fill000001", "fill000002"]
    assert runs[1] == {
        "id": "fill000001",
        "scheduled_for": iso(NOON + MINUTE),
        "state": "failed",
        "error": "ValueError: no rows",
    }
