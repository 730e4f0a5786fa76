"""From which task on a retry runs again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.errors import NotFound
from tidemill.domain.manifests import TaskManifest
from tidemill.domain.naming import base_name
from tidemill.domain.restarts import Restart, restart_graph
from tidemill.domain.runs import FinishedTask

DIAMOND = (
    TaskManifest("extract", 0),
    TaskManifest("left", 1, (0,)),
    TaskManifest("right", 2, (0,)),
    TaskManifest("join", 3, (1, 2)),
    TaskManifest("alone", 4),
)


def done(name, index=0, within=(), occurrence=1):
    return FinishedTask(index, name, None, within, occurrence)


def again(restart, *names):
    return [name for name in names if restart.covers(done(name))]


ALL = tuple(task.name for task in DIAMOND)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("extract", ["extract", "left", "right", "join"]),
        ("left", ["left", "join"]),
        ("join", ["join"]),
        ("alone", ["alone"]),
    ],
)
def test_a_task_of_a_graph_runs_again_with_all_below_it(asked, expected):
    assert again(restart_graph(DIAMOND, asked), *ALL) == expected


def test_all_items_of_a_mapped_task_run_again_or_the_one_that_is_named():
    assert again(restart_graph(DIAMOND, "left"), "left[0]", "left[3]", "right[0]", "join[1]") == [
        "left[0]",
        "left[3]",
        "join[1]",
    ]
    assert again(restart_graph(DIAMOND, "left[3]"), "left[0]", "left[3]", "right[0]", "join") == ["left[3]", "join"]
    assert again(restart_graph(DIAMOND, "left[3]"), *ALL) == ["left", "join"]


def test_what_a_task_called_itself_runs_again_when_that_task_does():
    restart = restart_graph(DIAMOND, "join")

    assert restart.covers(done("helper", 9))
    assert restart.covers(done("left", 0, within=(9,)))


def test_a_task_that_the_graph_has_not_is_named_with_the_nearest():
    with pytest.raises(NotFound, match=r"no task 'jion' to retry from; did you mean 'join'\?"):
        restart_graph(DIAMOND, "jion")


def test_a_function_flow_runs_everything_again_from_a_place_on():
    restart = Restart("load", path=(3,))

    assert not restart.covers(done("a", 2))
    assert restart.covers(done("load", 3))
    assert restart.covers(done("b", 4))
    assert restart.covers(done("inner", 0, within=(3,)))
    assert not restart.covers(done("inner", 7, within=(2,)))


def test_a_sub_flow_inside_of_which_something_runs_again_is_called_again():
    restart = Restart("inner", path=(3, 1))

    assert restart.covers(done("sub", 3))
    assert not restart.covers(done("first", 0, within=(3,)))
    assert restart.covers(done("inner", 1, within=(3,)))
    assert restart.covers(done("after", 4))
    assert not restart.covers(done("before", 2))


@given(st.text(max_size=20), st.integers(0, 10_000))
def test_an_item_leads_back_to_its_task(name, number):
    assert base_name(f"{name}[{number}]") == (name or f"[{number}]")


@pytest.mark.parametrize("name", ["load", "load[]", "load[x]", "load[1", "[3]", "a[1]b"])
def test_other_names_are_their_own(name):
    assert base_name(name) == name
