"""Resuming: a retry runs what did not complete and nothing else, whatever happened. A ledger tells what ran."""

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

LEDGER = """
import os
import time
from pathlib import Path
from tidemill import Flow, Task, flow, task

HERE = Path({here!r})

def wrote(what):
    with (HERE / "ledger").open("a") as file:
        file.write(f"{{what}}\\n")

def is_mended():
    return (HERE / "mended").exists()
"""

FUNCTION = """
@task
def item(n):
    wrote(n)
    if n in (7, 77, 177) and not is_mended():
        raise ValueError(f"item {n} is bad")
    return n * n

@flow
def fan():
    return sum(item.map(range(200)).result())
"""

GRAPH = """
@task
def numbers():
    return list(range(200))

@task
def item(n):
    wrote(n)
    if n in (7, 77, 177) and not is_mended():
        raise ValueError(f"item {n} is bad")
    return n * n

@task
def total(squares):
    return sum(squares)

fan = Flow("fan", tasks=[total.bind(squares=item.map(n=numbers))])
"""

STEPS = """
@task
def extract():
    wrote("extract")
    return [1, 2, 3]

@task
def transform(extract):
    wrote("transform")
    return [n * 10 for n in extract]

@task
def load(transform):
    wrote("load")
    return sum(transform)

@task
def mail(load):
    wrote("mail")
    if not is_mended():
        raise ValueError("no post")
"""

STEPS_AS_GRAPH = (
    STEPS
    + """
steps = Flow("steps", tasks=[mail])
"""
)
STEPS_AS_FUNCTION = (
    STEPS
    + """
@flow
def steps():
    mail(load(transform(extract())))
"""
)


def drop(daemon: Any, text: str, name: str = "flow.py") -> Path:
    return daemon.drop(name, LEDGER.format(here=str(daemon.folder)) + text)


def ledger(daemon: Any) -> list[str]:
    """Return what the tasks wrote since the last time, and forget it."""
    path = daemon.folder / "ledger"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def mend(daemon: Any) -> None:
    (daemon.folder / "mended").touch()


def version(daemon: Any, flow: str) -> str:
    return next((found["version"] for found in daemon.json("flows") if found["name"] == flow), "")


def replaced(daemon: Any, flow: str, path: Path, old: str, new: str) -> None:
    """Change the flow's file, and wait until the daemon has taken it up."""
    before, text = version(daemon, flow), path.read_text()
    assert old in text
    daemon.drop(path.name, text.replace(old, new))
    daemon.until(lambda: version(daemon, flow) != before, "the daemon has read the changed file")


@pytest.mark.parametrize("style", [FUNCTION, GRAPH])
def test_of_two_hundred_items_a_retry_runs_the_three_that_failed(daemon, style):
    drop(daemon, style)
    daemon.start().until_flow("fan")
    failed = daemon.run("fan", check=1)
    assert Counter(ledger(daemon)) == Counter(map(str, range(200)))
    listed = daemon.cli("show", failed["id"], "--state", "failed").stdout
    assert [f"item {n} is bad" in listed for n in (7, 77, 177)] == [True] * 3
    mend(daemon)

    daemon.cli("retry", failed["id"], "--wait")

    assert sorted(ledger(daemon), key=int) == ["7", "77", "177"]
    retried = daemon.json("show", daemon.json("runs", "-n", "1")[0]["id"])
    items = [task for task in retried["tasks"] if task["name"].startswith("item" if style is FUNCTION else "item[")]
    assert Counter(task["state"] for task in items) == {"cached": 197, "completed": 3}
    assert daemon.json("result", retried["id"])["value"] == sum(n * n for n in range(200))
    if style is GRAPH:
        told = daemon.cli("retry", failed["id"], "--from", "item[5]", "--wait").stderr.splitlines()
        assert ledger(daemon) == ["5"]
        assert told[1:3] == ["runs again although finished: item[5], total", "takes over: 200 finished tasks"]
        assert "did you mean 'item'" in daemon.cli("retry", "last", "--from", "item[200]", check=4).stderr


SLOW = """
@task
def item(n):
    wrote(n)
    time.sleep(0.02)
    wrote(f"done {n}")
    return n

@flow
def slow():
    (HERE / "pid").write_text(str(os.getpid()))
    return sum(item.map(range(120)).result())
"""


@pytest.mark.parametrize("killed", ["the run", "everything"])
def test_what_is_recorded_as_completed_never_runs_again_whoever_is_killed(daemon, killed):
    drop(daemon, SLOW)
    daemon.start().until_flow("slow")
    run = daemon.cli("run", "slow").stdout.strip()
    path = daemon.folder / "ledger"
    daemon.until(lambda: path.exists() and len(path.read_text().splitlines()) > 60, "some items are done")
    if killed == "the run":
        os.kill(int((daemon.folder / "pid").read_text()), signal.SIGKILL)
    else:
        daemon.sweep()
        daemon.start()
    daemon.until(lambda: daemon.json("show", run)["state"] == "crashed", "the run is seen to be dead")
    tasks = daemon.json("show", run)["tasks"]
    completed = {str(task["index"]) for task in tasks if task["state"] == "completed"}
    assert 20 < len(completed) < 120
    assert {f"done {n}" for n in completed} <= set(ledger(daemon))

    daemon.cli("retry", run, "--wait")

    after = [line for line in ledger(daemon) if not line.startswith("done")]
    assert sorted(after, key=int) == [str(n) for n in range(120) if str(n) not in completed]
    assert daemon.json("result", "slow@last")["value"] == sum(range(120))


@pytest.mark.parametrize("style", [STEPS_AS_GRAPH, STEPS_AS_FUNCTION])
def test_from_a_task_on_everything_runs_again_and_the_person_is_told_before(daemon, style):
    drop(daemon, style)
    daemon.start().until_flow("steps")
    failed = daemon.run("steps", check=1)["id"]
    mend(daemon)
    assert daemon.cli("retry", failed, "--wait").stderr.splitlines()[0].startswith("run ")
    assert ledger(daemon) == ["extract", "transform", "load", "mail", "mail"]
    completed = daemon.json("runs", "-n", "1")[0]["id"]
    refused = daemon.cli("retry", completed, check=6).stderr
    assert f"tidemill retry {completed} --from TASK" in refused

    planned = daemon.json("retry", completed, "--from", "transform", "--dry-run")
    again = [{"name": name, "tasks": 1} for name in ("transform", "load", "mail")]
    assert (planned["run"], planned["from"], planned["again"], planned["taken_over"]) == (None, "transform", again, 1)
    assert ledger(daemon) == []

    told = daemon.cli("retry", completed, "--from", "transform", "--wait").stderr.splitlines()
    assert told[:2] == ["runs again although finished: transform, load, mail", "takes over: 1 finished task"]
    assert ledger(daemon) == ["transform", "load", "mail"]
    run = daemon.json("runs", "-n", "1")[0]
    assert (run["state"], run["parent"], run["attempt"]) == ("completed", completed, 3)
    notes = [event["note"] for event in daemon.json("show", run["id"])["events"] if event["note"]]
    assert notes == ["from task transform; of what had finished it runs again: transform, load, mail"]

    unknown = daemon.cli("retry", run["id"], "--from", "transfrom", check=4).stderr
    assert unknown == "tidemill: there is no task 'transfrom' to retry from; did you mean 'transform'?\n"


def test_a_daemon_that_dies_before_a_retry_starts_still_knows_from_where(daemon):
    drop(daemon, STEPS_AS_GRAPH)
    drop(daemon, "@flow\ndef busy():\n    time.sleep(60)\n", "busy.py")
    (daemon.folder / "one.toml").write_text("[dispatch]\nmax_runs = 1\n")
    daemon.environment["TIDEMILL_CONFIG"] = str(daemon.folder / "one.toml")
    daemon.start().until_flow("steps")
    mend(daemon)
    run = daemon.run("steps")["id"]
    ledger(daemon)
    daemon.until_flow("busy")
    busy = daemon.cli("run", "busy").stdout.strip()
    retry = daemon.cli("retry", run, "--from", "load").stdout.strip()
    daemon.kill()
    daemon.start()
    daemon.cli("cancel", busy)

    daemon.until(lambda: daemon.json("show", retry)["state"] == "completed", "the retry ends")

    assert ledger(daemon) == ["load", "mail"]


def test_a_retry_that_is_cancelled_before_it_starts_leaves_no_file_of_what_it_would_have_taken_over(daemon):
    drop(daemon, STEPS_AS_GRAPH)
    drop(daemon, "@flow\ndef busy():\n    time.sleep(60)\n", "busy.py")
    (daemon.folder / "one.toml").write_text("[dispatch]\nmax_runs = 1\n")
    daemon.environment["TIDEMILL_CONFIG"] = str(daemon.folder / "one.toml")
    daemon.start().until_flow("steps")
    daemon.until_flow("busy")
    failed = daemon.run("steps", check=1)["id"]
    daemon.cli("run", "busy")
    retry = daemon.cli("retry", failed).stdout.strip()
    folder = daemon.state / "results" / retry[:2] / retry
    assert (folder / ".finished").exists()

    daemon.cli("cancel", retry)

    daemon.until(lambda: not folder.exists(), "the file and its folder are gone")


def test_a_changed_source_is_told_of_the_tasks_that_it_changes_and_of_no_other(daemon):
    path = drop(daemon, STEPS_AS_GRAPH)
    daemon.start().until_flow("steps")
    failed = daemon.run("steps", check=1)["id"]
    replaced(daemon, "steps", path, "def load(transform):", "# to the warehouse\ndef load(transform):\n    'Load.'")
    replaced(daemon, "steps", path, 'ValueError("no post")', 'ValueError("no post today")')

    planned = daemon.json("retry", failed, "--dry-run")
    assert (planned["taken_over"], planned["warnings"]) == (3, [])

    replaced(daemon, "steps", path, "n * 10", "n * 11")
    told = daemon.cli("retry", failed, "--wait", check=1).stderr.splitlines()

    run = daemon.json("runs", "-n", "1")[0]["id"]
    warning = (
        "the code of transform has changed since; what it returned then is taken over."
        f" To run it again, and what follows: tidemill retry {failed} --from transform"
    )
    assert told[0] == f"warning: {warning}"
    assert warning in daemon.cli("show", run).stdout
    assert ledger(daemon) == ["extract", "transform", "load", "mail", "mail"]
    mend(daemon)
    assert daemon.json("retry", run, "--dry-run")["warnings"] == [warning.replace(failed, run)]
    assert daemon.json("retry", run, "--from", "transform", "--dry-run")["warnings"] == []


def test_a_result_that_is_gone_is_told_where_it_is_needed(daemon):
    drop(
        daemon,
        """
from tidemill.engine.results import LocalResult

@task(result_handler=LocalResult(dir=HERE / "kept"))
def extract():
    wrote("extract")
    return [1, 2, 3]

@task(depends_on=[extract])
def load(extract):
    if not is_mended():
        raise ValueError("not now")
    return sum(extract)

lost = Flow("lost", tasks=[load])
""",
    )
    daemon.start().until_flow("lost")
    failed = daemon.run("lost", check=1)["id"]
    mend(daemon)
    (kept,) = (daemon.folder / "kept").iterdir()
    kept.unlink()

    daemon.cli("retry", failed, "--wait", check=1)

    (extract, load) = daemon.json("show", "last")["tasks"]
    assert (extract["state"], load["state"]) == ("cached", "failed")
    assert str(kept) in load["error"]["message"]
    assert "extract finished in an earlier attempt and is not run again" in load["error"]["message"]
    assert ledger(daemon) == ["extract"]
    daemon.cli("retry", failed, "--from", "extract", "--wait")
    assert daemon.json("show", "last")["state"] == "completed"


def test_a_retry_runs_the_last_good_version_of_a_broken_file_and_is_refused_without_one(daemon):
    path = drop(daemon, STEPS_AS_GRAPH)
    daemon.start().until_flow("steps")
    failed = daemon.run("steps", check=1)["id"]
    path.write_text(path.read_text() + "\nthis is broken")
    daemon.until(lambda: daemon.status()["errors"], "the broken file is seen")
    ledger(daemon)

    daemon.cli("retry", failed, "--wait", check=1)

    again = daemon.json("runs", "-n", "1")[0]
    assert (again["state"], again["error"]) == ("failed", "ValueError: task mail: no post")
    assert ledger(daemon) == ["mail"]
    path.unlink()
    daemon.until(lambda: daemon.flow("steps") is None, "the flow has left")
    refused = daemon.cli("retry", again["id"], check=4).stderr
    assert "its flow steps has left the folder; put its file back" in refused


def test_one_run_is_retried_once_at_a_time_and_goes_on_from_its_last_attempt(daemon):
    drop(daemon, STEPS_AS_GRAPH.replace('wrote("mail")', 'wrote("mail"); time.sleep(1)'))
    daemon.start().until_flow("steps")
    failed = daemon.run("steps", check=1)["id"]
    ledger(daemon)

    with ThreadPoolExecutor() as pool:
        tried = list(pool.map(lambda _: daemon.cli("retry", failed, check=None), range(4)))

    assert sorted(done.returncode for done in tried) == [0, 6, 6, 6]
    first = next(done.stdout.strip() for done in tried if done.returncode == 0)
    assert all("still going" in done.stderr or "retried already" in done.stderr for done in tried if done.returncode)
    daemon.until(lambda: daemon.json("show", first)["state"] == "failed", "the one retry ends")
    assert ledger(daemon) == ["mail"]
    mend(daemon)

    told = daemon.cli("retry", failed, "--wait").stderr

    assert f"the run {failed} was retried already; this goes on from its last attempt, {first}" in told
    last = daemon.json("runs", "-n", "1")[0]
    assert (last["parent"], last["attempt"], last["state"]) == (first, 3, "completed")
    assert "there is nothing to retry" in daemon.cli("retry", failed, check=6).stderr


def test_a_sub_flow_resumes_inside_and_runs_again_from_a_task_of_its_own(daemon):
    drop(
        daemon,
        """
@task
def step(name):
    wrote(name)
    if name == "inner 2" and not is_mended():
        raise ValueError("not yet")
    return name

@task
def special():
    wrote("special")

@flow
def inner():
    step("inner 1")
    special()
    step("inner 2")

@flow
def outer():
    step("before")
    inner()
    step("after")
""",
    )
    daemon.start().until_flow("outer")
    failed = daemon.run("outer", check=1)["id"]
    assert ledger(daemon) == ["before", "inner 1", "special", "inner 2"]
    mend(daemon)
    daemon.cli("retry", failed, "--wait")
    assert ledger(daemon) == ["inner 2", "after"]

    daemon.cli("retry", failed, "--from", "special", "--wait")

    assert ledger(daemon) == ["special", "inner 2", "after"]


def test_a_retry_takes_over_more_than_an_order_could_hold(daemon):
    drop(
        daemon,
        """
@task
def item(n):
    return "x" * 60_000

@task
def last(items):
    if not is_mended():
        raise ValueError("not yet")

@flow
def large():
    last(len(item.map(range(1200)).result()))
""",
    )
    daemon.start().until_flow("large")
    failed = daemon.run("large", check=1)["id"]
    mend(daemon)

    run = daemon.cli("retry", failed, "--wait").stderr.split()[1]

    states = Counter(task["state"] for task in daemon.json("show", run)["tasks"])
    assert states == {"cached": 1200, "completed": 1}
    assert list((daemon.state / "results" / run[:2]).glob("*/.finished*")) == []
