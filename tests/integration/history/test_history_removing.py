"""Removing what has ended: what may go, what stays because something needs it, and that a slice is a slice."""

import itertools

import pytest

from history_lab import NOON, SECOND
from tidemill.domain.errors import NotFound
from tidemill.domain.events import OfSubflow, RunEnded, RunStarted, SubflowStarted, TaskEnded, TaskRetrying, TaskStarted
from tidemill.domain.outcomes import Outcome, Trigger
from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.domain.schedules import ScheduleSpec
from tidemill.domain.states import State
from tidemill.history import removing, retention
from tidemill.history.reading import open_reading
from tidemill.history.records import NewOccurrence
from tidemill.history.removing import STEP

DETAILS = ("task_runs", "results", "attempts", "run_events")


def always() -> bool:
    return True


@pytest.fixture
def ended(lab):
    """Make a run that has ended."""

    def make(uid, at=NOON, state=State.COMPLETED, **fields):
        run_id = lab.add_run(uid, queued_at=at, **fields)
        lab.write(lambda w: w.end_run(run_id, state, None, at + SECOND))
        return run_id

    return make


@pytest.fixture
def reading(lab):
    opened = open_reading(lab.address)
    yield opened
    opened.close()


def count(lab, table, where="1 = 1"):
    return lab.write(lambda w: w.row(f"SELECT COUNT(*) FROM {table} WHERE {where}"))[0]


def uids(lab):
    return [uid for (uid,) in lab.write(lambda w: w.rows("SELECT uid FROM runs ORDER BY uid"))]


def remove(lab, *runs, has_time=always):
    return lab.write(lambda w: w.remove_runs(runs, has_time))


# Runs


def test_a_run_goes_with_all_that_belongs_to_it_and_is_noted_until_its_files_are_gone(lab, ended):
    run_id = lab.add_run("a000000000")
    result = ResultInfo("history", None, 2, "42", "json", "42")
    error = ErrorInfo("ValueError", "no")
    lab.record(
        run_id,
        "a000000000",
        RunStarted(NOON, 1, 2, "boot"),
        TaskStarted(NOON, 0, "extract", 1),
        TaskRetrying(NOON, 0, "extract", 1, NOON, error),
        TaskEnded(NOON, 0, "extract", "completed", 2, NOON, None, result),
        RunEnded(NOON, "completed"),
    )
    lab.write(lambda w: w.note(run_id, None, "a remark", NOON))
    ended("b000000000")

    assert remove(lab, (run_id, "a000000000")) == (["a000000000"], 1)

    assert uids(lab) == ["b000000000"]
    assert [count(lab, table) for table in DETAILS] == [0, 0, 0, 0]
    assert lab.write(lambda w: w.load_removals()) == ([], ["a000000000"])
    lab.write(lambda w: w.forget_removals(["a000000000"]))
    assert lab.write(lambda w: w.load_removals()) == ([], [])


def test_sub_flows_go_with_the_run_that_called_them(lab, ended):
    run_id = lab.add_run("a000000000")
    child = "c000000000"
    lab.record(
        run_id,
        "a000000000",
        RunStarted(NOON, 1, 2, "boot"),
        OfSubflow(child, SubflowStarted(NOON, "a000000000", 0, "inner", {})),
        OfSubflow(child, TaskEnded(NOON, 0, "load", "completed", 1)),
        OfSubflow(child, RunEnded(NOON, "completed")),
        RunEnded(NOON, "completed"),
    )
    ended("b000000000")

    assert uids(lab) == ["a000000000", "b000000000", "c000000000"]
    remove(lab, (run_id, "a000000000"))
    assert uids(lab) == ["b000000000"]
    assert count(lab, "task_runs") == 0


def test_a_sub_flow_never_goes_by_itself(lab, ended):
    run_id = lab.add_run("a000000000")
    lab.record(
        run_id,
        "a000000000",
        OfSubflow("c000000000", SubflowStarted(NOON, "a000000000", 0, "inner", {})),
        RunEnded(NOON, "completed"),
    )
    child_id = lab.write(lambda w: w.run_id("c000000000"))
    ended("b000000000")

    assert remove(lab, (child_id, "c000000000")) == ([], 1)
    assert "c000000000" in uids(lab)


@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING])
def test_a_run_without_an_end_stays(lab, ended, state):
    run_id = lab.add_run("a000000000", state=state)
    ended("b000000000")

    assert remove(lab, (run_id, "a000000000")) == ([], 1)
    assert uids(lab) == ["a000000000", "b000000000"]


def test_a_run_stays_as_long_as_one_that_was_retried_from_it(lab, ended):
    first = ended("a000000000", state=State.FAILED)
    second = ended("b000000000", trigger=Trigger.RETRY, parent="a000000000")
    ended("c000000000")

    assert remove(lab, (first, "a000000000")) == ([], 1)
    assert remove(lab, (second, "b000000000"), (first, "a000000000")) == (["b000000000", "a000000000"], 2)


def test_the_highest_key_is_never_given_up(lab, ended):
    """SQLite would give it to the next run, and the ledger would take that one for the one that is gone."""
    ended("a000000000")
    last = ended("b000000000")

    assert remove(lab, (last, "b000000000")) == ([], 1)


def test_the_root_of_the_highest_key_stays_too(lab, ended):
    ended("a000000000")
    run_id = lab.add_run("b000000000")
    lab.record(
        run_id,
        "b000000000",
        OfSubflow("c000000000", SubflowStarted(NOON, "b000000000", 0, "inner", {})),
        RunEnded(NOON, "completed"),
    )

    assert remove(lab, (run_id, "b000000000")) == ([], 1)


def test_a_key_that_means_another_run_by_now_removes_nothing(lab, ended):
    run_id = ended("a000000000")
    ended("b000000000")

    assert remove(lab, (run_id, "z000000000")) == ([], 1)
    assert uids(lab) == ["a000000000", "b000000000"]


def test_when_the_time_is_up_the_rest_is_for_the_next_slice(lab, ended):
    runs = [(ended(f"a{number:09}"), f"a{number:09}") for number in range(5)]
    ended("z000000000")
    ticks = itertools.count()

    gone, seen = remove(lab, *runs, has_time=lambda: next(ticks) < 2)

    assert seen == len(gone) < 5
    assert remove(lab, *runs[seen:]) == ([uid for _, uid in runs[seen:]], 5 - seen)


def test_a_run_of_many_tasks_goes_in_steps_and_cannot_be_retried_meanwhile(lab, ended):
    run_id = ended("a000000000", state=State.FAILED)
    rows = [(run_id, index, "load", "completed", 1) for index in range(STEP * 4)]
    lab.write(
        lambda w: w.execute_all(
            "INSERT INTO task_runs (run_id, idx, name, state, attempts) VALUES (?, ?, ?, ?, ?)", rows
        )
    )
    ended("z000000000")
    ticks = itertools.count()

    assert remove(lab, (run_id, "a000000000"), has_time=lambda: next(ticks) < 1) == ([], 0)

    assert 0 < count(lab, "task_runs") < STEP * 4
    assert lab.write(lambda w: w.load_removals()) == ([(run_id, "a000000000")], [])
    with pytest.raises(NotFound, match="no run a000000000"):
        lab.write(lambda w: w.load_run("a000000000"))
    steps = 0
    while not lab.write(lambda w: w.finish_removal((run_id, "a000000000"), lambda: False)):
        steps += 1
    assert steps
    assert uids(lab) == ["z000000000"]
    assert count(lab, "task_runs") == 0


def test_a_run_of_many_sub_flows_goes_in_steps(lab, ended, monkeypatch):
    monkeypatch.setattr(removing, "STEP", 3)
    run_id = ended("a000000000")
    for number in range(10):
        ended(f"c{number:09}")
    lab.write(lambda w: w.execute("UPDATE runs SET root_id = ? WHERE uid >= 'c' AND uid < 'd'", (run_id,)))
    ended("z000000000")

    steps = 0
    while lab.write(lambda w: w.remove_runs([(run_id, "a000000000")], always)) == ([], 0):
        steps += 1
    assert steps >= 2
    assert uids(lab) == ["z000000000"]


# Who may go, as a reader finds them


def found(windows):
    return [run.uid for window in windows for run in window]


def test_those_that_ended_are_found_from_the_newest_down(lab, ended, reading, monkeypatch):
    monkeypatch.setattr(retention, "WINDOW", 2)
    for number in range(5):
        ended(f"a{number:09}", NOON + number // 2)
    lab.add_run("r000000000", queued_at=NOON)
    ended("z000000000", NOON + 100)

    assert found(retention.ended_before(reading, NOON + 100)) == [f"a{number:09}" for number in (4, 3, 2, 1, 0)]
    assert found(retention.oldest_ended(reading)) == [*(f"a{number:09}" for number in range(5)), "z000000000"]


def test_those_beyond_the_number_are_found_flow_by_flow_and_faults_by_themselves(lab, ended, reading, monkeypatch):
    monkeypatch.setattr(retention, "WINDOW", 2)
    for number in range(6):
        ended(f"a{number:09}", NOON + number, flow="one")
        ended(f"b{number:09}", NOON + number, flow="two", state=State.FAILED if number < 3 else State.COMPLETED)

    beyond = found(retention.beyond_number(reading, 2))

    assert beyond == ["a000000003", "a000000002", "a000000001", "a000000000", "b000000003", "b000000000"]


def test_the_newest_run_of_each_flow_is_known(lab, ended, reading):
    newest = {ended("a000000000", NOON + 5, flow="one"), ended("b000000000", NOON, flow="two")}
    ended("c000000000", NOON, flow="one")

    assert retention.newest_runs(reading) == newest


def test_retries_are_known_by_the_run_they_repeat(lab, ended, reading):
    first = ended("a000000000", state=State.FAILED)
    retries = [ended(f"b{number:09}", trigger=Trigger.RETRY, parent="a000000000") for number in range(2)]
    (runs,) = retention.oldest_ended(reading)

    assert retention.retries_of(reading, runs) == {first: retries}


def test_ids_are_known_by_their_beginning_until_their_files_are_gone(lab, ended, reading):
    run_id = ended("ab00000000")
    ended("ab11111111")
    ended("ac00000000")
    remove(lab, (run_id, "ab00000000"))

    assert retention.known_runs(reading, "ab") == {"ab00000000", "ab11111111"}


# The ledger


@pytest.fixture
def schedule(lab):
    """A schedule that is accounted for up to the fifth of its ten moments."""
    spec = ScheduleSpec("every", "60")
    (stored,) = lab.write(lambda w: w.sync_schedules("nightly", [spec], NOON))
    for number in range(1, 11):
        moment = NOON + number * 60 * SECOND
        occurrence = NewOccurrence(stored.id, moment, Outcome.MISSED, "nobody was there", moment)
        lab.write(lambda w, row=occurrence: w.add_occurrence(row))
    lab.write(lambda w: w.advance_cursor(stored.id, NOON + 5 * 60 * SECOND))
    return stored.id


def moments(lab):
    return [
        (moment - NOON) // 60 // SECOND
        for (moment,) in lab.write(lambda w: w.rows("SELECT moment FROM occurrences ORDER BY 1"))
    ]


def test_old_moments_go_a_few_at_a_time(lab, schedule):
    before = NOON + 4 * 60 * SECOND

    assert lab.write(lambda w: w.remove_moments(schedule, before, 2)) == 2
    assert moments(lab)[0] == 3
    assert lab.write(lambda w: w.remove_moments(schedule, before, 2)) == 1
    assert lab.write(lambda w: w.remove_moments(schedule, before, 2)) == 0


def test_moments_that_catching_up_may_still_need_stay(lab, schedule, reading):
    far = NOON + 3600 * SECOND

    assert retention.old_moments(reading, far) == {schedule: (NOON + 5 * 60 * SECOND, 4)}
    lab.write(lambda w: w.remove_moments(schedule, far))
    assert moments(lab) == [5, 6, 7, 8, 9, 10]


def test_the_newest_moment_stays_whatever_its_age(lab, schedule):
    far = NOON + 3600 * SECOND
    lab.write(lambda w: w.advance_cursor(schedule, far))

    lab.write(lambda w: w.remove_moments(schedule, far))

    assert moments(lab) == [10]


def test_a_range_stays_until_its_end_is_old_too(lab):
    (stored,) = lab.write(lambda w: w.sync_schedules("nightly", [ScheduleSpec("every", "1")], NOON))
    long = NewOccurrence(stored.id, NOON + 1, Outcome.MISSED, "", NOON, until=NOON + 1000, count=1000)
    last = NewOccurrence(stored.id, NOON + 2000, Outcome.MISSED, "", NOON)
    lab.write(lambda w: [w.add_occurrence(long), w.add_occurrence(last), w.advance_cursor(stored.id, NOON + 2000)])

    assert lab.write(lambda w: w.remove_moments(stored.id, NOON + 500)) == 0
    assert lab.write(lambda w: w.remove_moments(stored.id, NOON + 1500)) == 1


def test_a_schedule_goes_only_when_its_flow_has_not_had_it_for_long(lab, schedule, reading):
    assert not lab.write(lambda w: w.remove_schedule(schedule, NOON * 2))
    lab.write(lambda w: w.sync_schedules("nightly", [], NOON))

    assert retention.old_schedules(reading, NOON) == []
    assert not lab.write(lambda w: w.remove_schedule(schedule, NOON))
    assert retention.old_schedules(reading, NOON + 1) == [schedule]
    assert lab.write(lambda w: w.remove_schedule(schedule, NOON + 1))
    assert moments(lab) == []


# Versions and their texts


@pytest.fixture
def versions(lab, ended):
    """One version that a flow has, one that a run was made of, one that nobody has any more."""

    def write(writer):
        for name in ("now", "ran", "old"):
            writer.add_sources({f"{name}-text": name.encode(), "shared": b"helper"})
            writer.add_version(name, f"{name}-text", {f"/f/{name}.py": f"{name}-text", "/f/helper.py": "shared"})
        writer.flow_id("nightly")
        writer.execute("UPDATE flows SET version_id = ?", (writer.version_id("now"),))

    lab.write(write)
    ended("a000000000", version="ran")
    return {name: lab.write(lambda w, name=name: w.version_id(name)) for name in ("now", "ran", "old")}


def test_versions_that_nobody_has_go_with_the_texts_that_only_they_had(lab, reading, versions):
    unused, newest_run = retention.unused_versions(reading)
    assert unused == [versions["old"]]
    assert lab.write(lambda w: w.remove_versions(unused, newest_run)) == 1

    digests, newest_version = retention.unused_sources(reading)
    assert digests == ["old-text"]
    assert lab.write(lambda w: w.remove_sources(digests, newest_version)) == ["old-text"]
    assert count(lab, "sources") == 3


def test_a_version_that_came_into_use_meanwhile_stays(lab, ended, reading, versions):
    unused, newest_run = retention.unused_versions(reading)
    ended("b000000000", version="old")

    assert lab.write(lambda w: w.remove_versions(unused, newest_run)) == 0


def test_a_version_that_comes_back_after_it_went_is_recorded_anew(lab, reading, versions):
    lab.write(lambda w: w.remove_versions([versions["old"]], 10**6))

    again = lab.write(lambda w: w.add_version("old", "old-text", {"/f/old.py": "old-text"}))

    lab.write(lambda w: w.execute("UPDATE flows SET version_id = ?", (again,)))
    assert lab.write(lambda w: w.version_id("old")) == again


def test_a_text_that_a_later_version_has_stays(lab, reading, versions):
    lab.write(lambda w: w.remove_versions([versions["old"]], 10**6))
    digests, newest_version = retention.unused_sources(reading)
    lab.write(lambda w: w.add_version("newer", "newer-text", {"/f/x.py": "newer-text", "/f/old.py": "old-text"}))

    assert lab.write(lambda w: w.remove_sources(digests, newest_version)) == []
