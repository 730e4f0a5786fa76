"""What a retry learns of the attempts before it."""

from history_lab import NOON
from tidemill.domain.events import RunRetrying, TaskEnded, TaskStarted
from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.domain.runs import FinishedTask
from tidemill.domain.states import State


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
