"""Retries through the real daemon: what the history keeps of them, and what a kill in the middle of a wait leaves."""

import os
import signal
import sqlite3
from contextlib import closing

import pytest

GRAPH = """
    from pathlib import Path
    from tidemill import Flow, task, current_run

    def told(what):
        with open("told", "a") as file: file.write(what + "\\n")

    @task
    def extract():
        told("extract")
        return 3

    @task(retry_kwargs={"max_retries": 1, "delay": 0.01})
    def load(extract):
        told("load")
        if current_run().attempt < 3: raise OSError(f"busy in attempt {current_run().attempt}")
        return extract + 1

    nightly = Flow("nightly", tasks=[load], retries=2, retry_delay_seconds=[0.2, 0.4])
"""


def told(daemon):
    return (daemon.flows / "told").read_text().split()


def test_the_history_keeps_every_attempt_its_error_and_its_wait(daemon):
    daemon.drop("nightly.py", GRAPH)
    daemon.start().until_flow("nightly")

    run = daemon.run("nightly")

    assert (run["state"], run["attempt"]) == ("completed", 3)
    assert told(daemon) == ["extract", "load", "load", "load", "load", "load"]
    extract, load = run["tasks"]
    assert (extract["attempts"], extract["failed_attempts"]) == (1, [])
    assert (load["state"], load["attempts"], load["error"]) == ("completed", 5, None)
    assert [(failed["attempt"], failed["error"]["message"]) for failed in load["failed_attempts"]] == [
        (1, "busy in attempt 1"),
        (2, "busy in attempt 1"),
        (3, "busy in attempt 2"),
        (4, "busy in attempt 2"),
    ]
    assert all(failed["finished_at"] < failed["next_at"] for failed in load["failed_attempts"])
    retrying = [event["note"] for event in run["events"] if event["state"] == "retrying"]
    assert [note.partition(",")[0] for note in retrying] == ["attempt 1 failed", "attempt 2 failed"]
    assert retrying[0].endswith("OSError: task load: busy in attempt 1")

    shown = daemon.cli("show", run["id"]).stdout
    assert "load, try 2: OSError: busy in attempt 1 (the next 2" in shown
    assert "attempt 1 failed, the next one begins at" in shown


WAITING = {
    "a task's": GRAPH.replace('"delay": 0.01', '"delay": 60').replace("< 3", "< 2"),
    "the flow's": GRAPH.replace("[0.2, 0.4]", "60").replace("< 3", "< 2"),
}


@pytest.mark.parametrize("whose", WAITING)
def test_a_process_that_is_killed_in_a_wait_has_crashed_and_its_run_is_resumed(daemon, whose):
    daemon.drop("nightly.py", WAITING[whose])
    daemon.start().until_flow("nightly")
    daemon.cli("run", "nightly")
    waiting = daemon.until_run("nightly", "running", "retrying")

    def waits():
        run = daemon.json("show", waiting["id"])
        return "retrying" in [run["state"] if whose == "the flow's" else task["state"] for task in run["tasks"]]

    daemon.until(waits, f"{whose} wait has begun")
    before = told(daemon)

    os.kill(pid_of(daemon, waiting["id"]), signal.SIGKILL)

    crashed = daemon.until_run("nightly", "crashed")
    daemon.cli("retry", crashed["id"], "--wait")
    resumed = daemon.until_run("nightly", "completed")
    assert resumed["parent"] == crashed["id"]
    assert told(daemon) == [*before, "load"]
    assert told(daemon).count("extract") == 1


def pid_of(daemon, uid):
    with closing(sqlite3.connect(f"file:{daemon.state}/history.db?mode=ro", uri=True)) as history:
        (pid,) = history.execute("SELECT pid FROM runs WHERE uid = ?", (uid,)).fetchone()
    assert pid
    return pid
