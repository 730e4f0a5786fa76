"""How far a run is, as whoever watches it is told."""

import pytest

from history_lab import NOON, SECOND
from tidemill.domain.errors import NotFound
from tidemill.domain.events import OfSubflow, RunStarted, SubflowStarted, TaskEnded, TaskStarted


def begun(index, name="load"):
    return TaskStarted(NOON + index, index, name, 1)


def done(index, state="completed", name="load"):
    return TaskEnded(NOON + SECOND + index, index, name, state, 1, NOON + index)


def test_the_numbers_are_those_of_all_tasks_and_the_tasks_those_to_look_at(lab):
    run = lab.add_run("aaa0000000", "fan")
    events = [RunStarted(NOON, 1, 2, "b")]
    for index in range(50):
        events += [begun(index), done(index, "failed" if index < 3 else "completed")]
    lab.record(run, "aaa0000000", *events, begun(50), begun(51))

    progress = lab.read(lambda r: r.progress("aaa0000000", 5))

    assert (progress["id"], progress["flow"], progress["state"]) == ("aaa0000000", "fan", "running")
    assert progress["counts"] == {"failed": 3, "completed": 47, "running": 2}
    assert [(task["index"], task["state"]) for task in progress["tasks"]] == [
        (47, "completed"),
        (48, "completed"),
        (49, "completed"),
        (50, "running"),
        (51, "running"),
    ]
    assert [task["index"] for task in lab.read(lambda r: r.progress("aaa0000000", 1))["tasks"]] == [50]


def test_tasks_of_flows_called_inside_the_run_count(lab):
    run = lab.add_run("aaa0000000", "outer")
    child = "bbb0000000"
    lab.record(
        run,
        "aaa0000000",
        begun(0, "inner"),
        OfSubflow(child, SubflowStarted(NOON, "aaa0000000", 0, "inner", {})),
        OfSubflow(child, begun(0)),
        OfSubflow(child, done(0)),
        OfSubflow(child, begun(1)),
    )

    assert lab.read(lambda r: r.progress("aaa0000000", 5))["counts"] == {"running": 2, "completed": 1}
    assert lab.read(lambda r: r.progress(child, 5))["counts"] == {"running": 1, "completed": 1}


def test_a_run_that_is_not_there_has_no_progress(lab):
    with pytest.raises(NotFound, match="no run aaa0000000"):
        lab.read(lambda r: r.progress("aaa0000000", 5))
