"""What a retry learns of the attempts before it."""

import pytest

from history_lab import NOON
from tidemill.domain.errors import NotFound, Refused
from tidemill.domain.events import OfSubflow, RunRetrying, SubflowStarted, TaskEnded, TaskStarted
from tidemill.domain.restarts import Restart
from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.domain.runs import FinishedTask
from tidemill.domain.states import State
from tidemill.history.records import NewRun


def done(index: int, name: str, result: ResultInfo | None = None) -> TaskEnded:
    return TaskEnded(NOON, index, name, "completed", 1, NOON, None, result)


def failed(index: int, name: str) -> TaskEnded:
    return TaskEnded(NOON, index, name, "failed", 1, NOON, ErrorInfo("E", "no"))


def test_a_retry_learns_what_the_runs_before_it_finished(lab):
    first = lab.add_run("aaa0000000")
    kept = ResultInfo("history", None, 1, "1", "json", "1")
    lab.record(first, "aaa0000000", done(0, "a", kept))
    second = lab.add_run("bbb0000000", parent="aaa0000000", trigger="retry")
    lab.record(second, "bbb0000000", TaskEnded(NOON, 1, "b", "cached", 0), failed(2, "c"))

    finished = lab.write(lambda w: w.load_finished_tasks("bbb0000000"))

    assert finished == (FinishedTask(0, "a", kept), FinishedTask(1, "b", None))


def test_task_runs_of_one_name_are_told_apart_by_how_many_came_before(lab):
    run = lab.add_run("aaa0000000")
    lab.record(run, "aaa0000000", failed(0, "load"), done(1, "other"), done(2, "load"), failed(3, "load"))

    finished = lab.write(lambda w: w.load_finished_tasks("aaa0000000"))

    assert [(task.name, task.occurrence) for task in finished] == [("other", 1), ("load", 2)]


def test_what_an_attempt_finished_stays_finished_when_the_next_never_came_to_it(lab):
    first = lab.add_run("aaa0000000")
    lab.record(first, "aaa0000000", failed(0, "flaky"), done(1, "load"), done(2, "load"))
    second = lab.add_run("bbb0000000", parent="aaa0000000", trigger="retry")
    lab.record(second, "bbb0000000", TaskEnded(NOON, 1, "load", "cached", 0), failed(0, "flaky"))

    finished = lab.write(lambda w: w.load_finished_tasks("bbb0000000"))

    assert [(task.index, task.name, task.occurrence) for task in finished] == [(1, "load", 1), (2, "load", 2)]


def test_a_task_is_known_again_at_another_place(lab):
    first = lab.add_run("aaa0000000")
    lab.record(first, "aaa0000000", done(0, "load"), done(1, "send"))
    second = lab.add_run("bbb0000000", parent="aaa0000000", trigger="retry")
    lab.record(second, "bbb0000000", failed(0, "look"), TaskEnded(NOON, 1, "load", "cached", 0))

    finished = lab.write(lambda w: w.load_finished_tasks("bbb0000000"))

    assert [(task.index, task.name) for task in finished] == [(1, "load"), (1, "send")]


def test_what_completed_in_a_flow_s_own_next_attempt_is_finished(lab):
    run = lab.add_run("aaa0000000")
    kept = ResultInfo("history", None, 1, "1", "json", "1")
    lab.record(run, "aaa0000000", done(0, "first"), TaskStarted(NOON, 1, "load", 1), failed(1, "load"))
    lab.record(run, "aaa0000000", RunRetrying(NOON + 1, 1, NOON + 2, ErrorInfo("E", "no")))
    lab.record(run, "aaa0000000", TaskStarted(NOON + 3, 1, "load", 1))
    assert [task["state"] for task in lab.read(lambda r: r.run_detail("aaa0000000"))["tasks"]] == [
        "completed",
        "running",
    ]

    lab.record(run, "aaa0000000", TaskEnded(NOON + 4, 1, "load", "completed", 1, NOON + 3, None, kept))

    load = lab.read(lambda r: r.run_detail("aaa0000000"))["tasks"][1]
    assert (load["state"], load["error"], load["duration"]) == ("completed", None, 0.000001)
    assert lab.write(lambda w: w.load_finished_tasks("aaa0000000"))[1] == FinishedTask(1, "load", kept)


def test_a_place_that_another_task_has_in_the_flow_s_next_attempt_is_that_task_s(lab):
    run = lab.add_run("aaa0000000")
    lab.record(run, "aaa0000000", done(0, "careful", ResultInfo("history", None, 1, "1", "json", "1")))
    lab.record(run, "aaa0000000", RunRetrying(NOON + 1, 1, NOON + 2, ErrorInfo("E", "no")))
    other = ResultInfo("history", None, 1, "2", "json", "2")
    lab.record(run, "aaa0000000", done(0, "hasty", other))

    assert lab.write(lambda w: w.load_finished_tasks("aaa0000000")) == (FinishedTask(0, "hasty", other),)


def test_nothing_that_is_told_after_a_run_s_end_changes_its_tasks(lab):
    run = lab.add_run("aaa0000000")
    lab.record(run, "aaa0000000", failed(0, "load"))
    lab.write(lambda w: w.end_run(run, State.CRASHED, None, NOON + 1))
    lab.record(run, "aaa0000000", done(0, "load"))

    assert lab.read(lambda r: r.run_detail("aaa0000000"))["tasks"][0]["state"] == "failed"


def test_the_checksum_of_a_result_that_lies_elsewhere_comes_back(lab):
    run = lab.add_run("aaa0000000")
    kept = ResultInfo("LocalResult", "/results/a.json", 1, "1", "json", None, "f" * 64)
    lab.record(run, "aaa0000000", done(0, "a", kept))

    assert lab.write(lambda w: w.load_finished_tasks("aaa0000000")) == (FinishedTask(0, "a", kept),)


def retry(lab, uid, parent, *events, restart=None):
    """Record a retry of a run and what it told."""
    run = NewRun(uid, "nightly", NOON, parent=parent, trigger="retry")
    key = lab.write(lambda w: w.add_retry(run, restart, []))
    lab.record(key, uid, *events)
    return key


def taken_over(index, name):
    return TaskEnded(NOON, index, name, "cached", 0)


def finished(lab, uid):
    tasks = lab.write(lambda w: w.load_finished_tasks(uid))
    assert [len(task.inside) for task in tasks] == [len(task.within) for task in tasks]
    return [(task.index, task.name, task.within) for task in tasks]


def test_what_a_person_wanted_again_is_not_finished_until_it_is(lab):
    first = lab.add_run("aaa0000000")
    lab.record(first, "aaa0000000", done(0, "a"), done(1, "b"), done(2, "c"))
    restart = Restart("b", tasks=("b", "c"), kept=("a",))
    retry(lab, "bbb0000000", "aaa0000000", taken_over(0, "a"), failed(1, "b"), restart=restart)

    assert finished(lab, "aaa0000000") == [(0, "a", ()), (1, "b", ()), (2, "c", ())]
    assert [each.task.name for each in lab.write(lambda w: w.load_resume("bbb0000000"))] == ["a"]
    assert finished(lab, "bbb0000000") == [(0, "a", ())]

    retry(lab, "ccc0000000", "bbb0000000", taken_over(0, "a"), done(1, "b"))

    assert [each.task.name for each in lab.write(lambda w: w.load_resume("ccc0000000"))] == ["a"]
    assert finished(lab, "ccc0000000") == [(0, "a", ()), (1, "b", ())]


def test_a_run_that_is_no_retry_takes_nothing_over(lab):
    lab.add_run("aaa0000000")

    assert lab.write(lambda w: w.load_resume("aaa0000000")) == []


def test_each_finished_task_is_told_with_the_attempt_that_executed_it(lab):
    marks = {"": {"a": "py:1"}}
    lab.write(lambda w: w.add_version("old", "f" * 64, {}, marks))
    lab.write(lambda w: w.add_version("new", "f" * 64, {}))
    first = lab.add_run("aaa0000000", version="old")
    lab.record(first, "aaa0000000", done(0, "a"))
    second = NewRun("bbb0000000", "nightly", NOON, parent="aaa0000000", trigger="retry", version="new")
    key = lab.write(lambda w: w.add_retry(second, None, []))
    lab.record(key, "bbb0000000", taken_over(0, "a"), done(1, "b"))

    past = lab.write(lambda w: w.load_past("bbb0000000"))

    assert [(each.task.name, each.attempt.version, each.attempt.code) for each in past] == [
        ("a", "old", marks),
        ("b", "new", {}),
    ]


def child(uid, index, *events, parent="aaa0000000"):
    """Return what the journal tells of a sub-flow."""
    return [OfSubflow(uid, event) for event in (SubflowStarted(NOON, parent, index, "inner", {}), *events)]


def test_what_finished_inside_a_sub_flow_is_told_with_the_places_that_lead_there(lab):
    run = lab.add_run("aaa0000000")
    lab.record(
        run,
        "aaa0000000",
        done(0, "load"),
        TaskStarted(NOON, 1, "inner", 1),
        *child("ch10000000", 1, done(0, "load"), TaskStarted(NOON, 1, "deep", 1)),
        *child("ch20000000", 1, failed(0, "look"), done(1, "load"), parent="ch10000000"),
        done(2, "inner"),
        *child("ch30000000", 2, done(0, "load")),
    )

    assert finished(lab, "aaa0000000") == [
        (0, "load", ()),
        (0, "load", (1,)),
        (1, "load", (1, 1)),
        (2, "inner", ()),
        (0, "load", (2,)),
    ]


def test_a_sub_flow_is_known_again_where_it_stands_now(lab):
    first = lab.add_run("aaa0000000")
    lab.record(
        first, "aaa0000000", TaskStarted(NOON, 0, "inner", 1), *child("ch10000000", 0, done(0, "a"), done(1, "b"))
    )
    lab.write(lambda w: w.end_run(first, State.CRASHED, None, NOON))
    events = [done(0, "new"), TaskStarted(NOON, 1, "inner", 1)]
    retry(lab, "bbb0000000", "aaa0000000", *events, *child("ch20000000", 1, taken_over(0, "a"), parent="bbb0000000"))

    assert finished(lab, "bbb0000000") == [(0, "new", ()), (0, "a", (1,)), (1, "b", (1,))]


def test_of_a_sub_flow_called_twice_by_its_flow_s_own_attempts_each_completion_counts(lab):
    run = lab.add_run("aaa0000000")
    lab.record(
        run,
        "aaa0000000",
        TaskStarted(NOON, 0, "inner", 1),
        *child("ch10000000", 0, done(0, "a"), failed(1, "b")),
        TaskEnded(NOON, 0, "inner", "failed", 1, NOON, ErrorInfo("E", "no")),
        RunRetrying(NOON, 1, NOON, ErrorInfo("E", "no")),
        TaskStarted(NOON, 0, "inner", 1),
        *child("ch20000000", 0, TaskStarted(NOON, 1, "b", 1)),
    )

    assert finished(lab, "aaa0000000") == [(0, "a", (0,))]


def test_a_restart_inside_a_sub_flow_runs_it_again_but_not_what_came_before(lab):
    run = lab.add_run("aaa0000000")
    lab.record(
        run,
        "aaa0000000",
        done(0, "before"),
        done(1, "inner"),
        *child("ch10000000", 1, done(0, "first"), done(1, "second")),
        done(2, "after"),
    )
    place = lab.write(lambda w: w.first_place("aaa0000000", "second"))
    past = lab.write(lambda w: w.load_past("aaa0000000", Restart("second", path=place)))

    assert place == (1, 1)
    assert [(each.task.name, each.task.within) for each in past] == [("before", ()), ("first", (1,))]


def test_a_task_is_found_where_it_stands_first_in_the_last_attempt_that_came_to_it(lab):
    first = lab.add_run("aaa0000000")
    lab.record(first, "aaa0000000", done(0, "a"), done(1, "b"), done(2, "load"), done(3, "load"), done(4, "gone[7]"))
    retry(lab, "bbb0000000", "aaa0000000", done(0, "look"), done(1, "a"), failed(2, "b"))

    def place(asked):
        return lab.write(lambda w: w.first_place("bbb0000000", asked))

    assert (place("a"), place("load"), place("gone"), place("2")) == ((1,), (2,), (4,), (2,))
    with pytest.raises(NotFound, match=r"no task 'laod' to retry from; did you mean 'load'\?"):
        place("laod")


def test_a_run_has_one_retry_and_is_followed_to_its_last_attempt(lab):
    lab.add_run("aaa0000000")
    run = NewRun("bbb0000000", "nightly", NOON, parent="aaa0000000", trigger="retry")
    key = lab.write(lambda w: w.add_retry(run, None, ["a surprise"]))

    assert lab.write(lambda w: w.add_retry(run, None, ["a surprise"])) == key
    assert lab.write(lambda w: w.last_attempt("aaa0000000")) == "bbb0000000"
    assert lab.read(lambda r: r.run_detail("aaa0000000"))["retried_by"] == "bbb0000000"
    assert lab.read(lambda r: r.run_detail("bbb0000000"))["retried_by"] is None
    assert [event["note"] for event in lab.read(lambda r: r.run_detail("bbb0000000"))["events"]] == [None, "a surprise"]
    with pytest.raises(Refused, match="the run aaa0000000 is retried already, by the run bbb0000000"):
        lab.write(lambda w: w.add_retry(NewRun("ccc0000000", "nightly", NOON, parent="aaa0000000"), None, []))


def test_a_version_s_marks_stay_when_a_later_telling_has_none_and_give_way_to_new_ones(lab):
    def marks():
        return lab.write(lambda w: w.rows("SELECT code FROM versions WHERE name = 'v'"))[0][0]

    lab.write(lambda w: w.add_version("v", "f" * 64, {}, {"": {"a": "311:1"}}))
    lab.write(lambda w: w.add_version("v", "f" * 64, {}))
    assert marks() == '{"": {"a": "311:1"}}'
    lab.write(lambda w: w.add_version("v", "f" * 64, {}, {"": {"a": "312:2"}}))
    assert marks() == '{"": {"a": "312:2"}}'


def test_values_are_read_from_the_attempt_that_has_them(lab):
    def kept(number):
        return ResultInfo("history", None, 1, str(number), "json", str(number))

    first = lab.add_run("aaa0000000")
    lab.record(first, "aaa0000000", *(done(number, "item", kept(number)) for number in range(450)), failed(450, "last"))
    retry(lab, "bbb0000000", "aaa0000000", taken_over(0, "item"), failed(1, "last"))

    tasks = lab.write(lambda w: w.load_finished_tasks("bbb0000000"))

    assert [task.result and task.result.value for task in tasks] == [None, *map(str, range(1, 450))]
    assert [task.occurrence for task in tasks] == list(range(1, 451))


def test_what_surrounds_a_task_is_told_by_name_and_number(lab):
    run = lab.add_run("aaa0000000")
    events = [done(0, "inner"), TaskStarted(NOON, 1, "inner", 1)]
    lab.record(run, "aaa0000000", *events, *child("ch10000000", 1, done(0, "load")))

    (_, load) = lab.write(lambda w: w.load_finished_tasks("aaa0000000"))

    assert (load.inside, load.within, load.occurrence) == ((("inner", 2),), (1,), 1)
