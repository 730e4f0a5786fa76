"""Flows that are called inside a run: what is recorded of them, whatever is killed in the middle of one."""

import os
import signal
import sqlite3

import pytest

FAMILY = """
import os
import time
from pathlib import Path
from tidemill import every, flow, task

@task(task_run_name="insert-{day}")
def insert(day):
    print("inserting", day)
    if day == "Tuesday":
        raise ValueError("no Tuesdays")
    return day

@task
def wait(gate):
    print("under way", os.getpid())
    while not Path(gate).exists():
        time.sleep(0.02)

def hidden():
    @flow(name="hidden")
    def inner(day):
        return insert(day)
    return inner

@flow(flow_run_name="load of {day}", max_active_runs=1)
def load(day, gate=""):
    if gate:
        wait(gate)
    return hidden()(day)

@flow(flow_run_name="nightly!")
def nightly(gate=""):
    first = load("Monday")
    failed = load("Tuesday", return_state=True)
    print("the second one", failed.type)
    return [first, load("Wednesday", gate) if gate else "done"]
"""
RUN = ("id", "flow", "name", "state", "trigger", "parent", "root", "error")


def rows(daemon, sql):
    connection = sqlite3.connect(f"file:{daemon.state}/history.db?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def family_of(daemon, root):
    """Return the runs within a run, the oldest first."""
    return [run for run in reversed(daemon.json("runs", "-n", "100")) if run["root"] == root]


def start_gated(daemon, gate):
    """Start a run and return its id, that of its third sub-flow, which waits at the gate, and the pid of both."""
    root = daemon.cli("run", "nightly", "-p", f"gate={gate}").stdout.split()[-1]
    daemon.until(lambda: "under way" in daemon.cli("logs", root).stdout, "the third sub-flow is under way")
    child = daemon.until(
        lambda: [
            run for run in family_of(daemon, root) if (run["name"], run["state"]) == ("load of Wednesday", "running")
        ],
        "it is recorded",
    )
    (pid,) = rows(daemon, f"SELECT pid FROM runs WHERE uid = '{root}'")[0]
    return root, child[0]["id"], pid


def until_over(daemon, run):
    return daemon.until(
        lambda: (shown := daemon.json("show", run))["state"] not in ("pending", "running", "cancelling") and shown,
        f"{run} is over",
    )


@pytest.fixture
def family(daemon):
    daemon.drop("family.py", FAMILY)
    daemon.start()
    daemon.until_flow("nightly")
    return daemon


def check_the_first_two(daemon, root):
    """Check what every such run did before it came to the gate; return the rest of its family."""
    first, first_inner, second, second_inner, *more = family_of(daemon, root)
    assert [[run[fact] for fact in RUN[1:]] for run in (first, first_inner, second, second_inner)] == [
        ["load", "load of Monday", "completed", "subflow", root, root, None],
        ["hidden", None, "completed", "subflow", first["id"], root, None],
        ["load", "load of Tuesday", "failed", "subflow", root, root, "ValueError: no Tuesdays"],
        ["hidden", None, "failed", "subflow", second["id"], root, "ValueError: no Tuesdays"],
    ]
    detail = daemon.json("show", first_inner["id"])
    assert [(task["name"], task["run_name"], task["state"], task["attempts"]) for task in detail["tasks"]] == [
        ("insert", "insert-Monday", "completed", 1)
    ]
    assert [task["subflow"] for task in daemon.json("show", root)["tasks"]][:2] == [first["id"], second["id"]]
    return more


def check_once(daemon):
    """Check that nothing stands in the history twice, and nothing was left open."""
    assert rows(daemon, "SELECT root_id, parent_id, parent_index FROM runs WHERE root_id IS NOT NULL"
                        " GROUP BY 1, 2, 3 HAVING COUNT(*) > 1") == []  # fmt: skip
    assert rows(daemon, "SELECT uid, state FROM runs WHERE finished_at IS NULL") == []
    assert rows(daemon, "SELECT run_id, name, state FROM task_runs WHERE finished_at IS NULL") == []
    assert rows(daemon, "SELECT note FROM run_events WHERE note LIKE '%passed over%'") == []


def test_a_run_and_its_sub_flows_are_runs_that_can_be_looked_at(family):
    root = family.run("nightly")

    assert (root["state"], root["name"], root["root"]) == ("completed", "nightly!", None)
    assert check_the_first_two(family, root["id"]) == []
    check_once(family)
    first, _, second, _ = family_of(family, root["id"])
    assert first["version"] == root["version"]
    assert family.json("result", first["id"])["value"] == "Monday"
    assert [run["id"] for run in family.json("runs", "--top")] == [root["id"]]
    assert [run["id"] for run in family.json("runs", "--flow", "load")] == [second["id"], first["id"]]
    assert f"load (run {second['id']})" in family.cli("show", root["id"]).stdout
    assert f"subflow of {root['id']}" in family.cli("show", "load@last").stdout
    assert [line["text"] for line in family.json("logs", second["id"]) if line["level"] == "OUT"] == [
        "inserting Tuesday"
    ]
    assert "the second one" in family.cli("logs", root["id"]).stdout

    assert {flow["name"]: flow["last_run"] and flow["last_run"]["id"] for flow in family.json("flows")} == {
        "load": None,
        "nightly": root["id"],
    }
    assert family.json("show", "nightly@last")["id"] == family.json("show", "last")["id"] == root["id"]
    assert "other flows call it" in family.cli("show", "hidden").stdout
    refused = family.cli("retry", second["id"], check=6)
    assert f"sub-flow of the run {root['id']}, which completed" in refused.stderr


def test_a_live_sub_flow_takes_no_slot_of_its_flow_and_ends_with_its_run(family):
    root, child, _ = start_gated(family, "gate")

    assert family.status()["active_runs"] == 1
    alone = family.run("load", "-p", "day=Sunday")  # max_active_runs=1 counts runs of load, not calls of it
    assert (alone["state"], alone["root"]) == ("completed", None)
    assert family.json("show", "load@last")["id"] == alone["id"]
    refused = family.cli("cancel", child, check=6)
    assert f"cancel that one with: tidemill cancel {root}" in refused.stderr
    assert family.json("show", child)["state"] == "running"

    family.cli("cancel", root)

    assert until_over(family, root)["state"] == "cancelled"
    assert family.json("show", child)["state"] == "cancelled"
    (waiting,) = check_the_first_two(family, root)
    assert waiting["id"] == child
    check_once(family)
    assert "cancelled already" in family.cli("cancel", child).stdout


def test_a_run_that_is_killed_in_the_middle_of_a_sub_flow_takes_it_along_and_both_are_retried(family):
    root, child, pid = start_gated(family, "gate")

    os.kill(pid, signal.SIGKILL)

    ended = until_over(family, root)
    shown = family.json("show", child)
    assert (ended["state"], shown["state"]) == ("crashed", "crashed")
    assert shown["error"] == ended["error"]
    assert "SIGKILL" in shown["error"]
    assert [task["state"] for run in (ended, shown) for task in run["tasks"]][-2:] == ["crashed", "crashed"]
    assert [run["id"] for run in check_the_first_two(family, root)] == [child]
    check_once(family)

    assert f"retry that one with: tidemill retry {root}" in family.cli("retry", child, check=6).stderr
    (family.flows / "gate").touch()
    retried = family.cli("retry", root, "--wait", check=None).stdout
    again = family.json("show", "last")
    assert (again["trigger"], again["parent"], again["state"]) == ("retry", root, "completed"), retried
    log = family.cli("logs", again["id"]).stdout
    assert "inserting Monday" not in log
    assert "inserting Wednesday" in log
    check_once(family)


@pytest.mark.parametrize("dies", [False, True])
def test_a_daemon_that_is_killed_in_the_middle_of_sub_flows_counts_each_of_them_once(family, dies):
    root, child, pid = start_gated(family, "gate")
    family.kill()
    if dies:
        os.kill(pid, signal.SIGKILL)
    else:
        (family.flows / "gate").touch()
    family.start()
    ended = until_over(family, root)

    third, *inner = check_the_first_two(family, root)
    state = "crashed" if dies else "completed"
    assert (ended["state"], third["id"], third["state"], third["name"]) == (state, child, state, "load of Wednesday")
    assert [run["state"] for run in inner] == ([] if dies else ["completed"])
    assert family.status()["active_runs"] == 0
    check_once(family)
    assert family.run("nightly")["state"] == "completed"
