"""Named limits over flows, tasks and terminals, with a real daemon: never too many, and no slot is ever lost."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

LIMITS = "[limits]\ndatabase = 1\nwide = 2\napi = { slots = 1, per_second = 4 }\n"
WORK = """
    import os, time
    from tidemill import flow, task

    LOG = {log!r}

    def use(seconds):
        with open(LOG, "a") as log:
            log.write(f"{{time.monotonic()}} +\\n")
            log.flush()
            time.sleep(seconds)
            log.write(f"{{time.monotonic()}} -\\n")
"""


@pytest.fixture
def world(daemon):
    config = daemon.folder / "tidemill.toml"
    config.write_text(LIMITS)
    daemon.environment["TIDEMILL_CONFIG"] = str(config)
    daemon.uses = daemon.folder / "uses"

    def drop(name, text):
        daemon.drop(f"{name}.py", WORK.format(log=str(daemon.uses)) + text)

    daemon.write = drop
    return daemon


def together(log: Path) -> int:
    """Return how many used it at once at most."""
    now = most = 0
    for _, sign in sorted(line.split() for line in log.read_text().splitlines()):
        now += 1 if sign == "+" else -1
        most = max(most, now)
    assert now == 0
    return most


def test_tasks_of_different_flows_and_of_a_terminal_share_a_limit(world):
    for name in ("one", "two"):
        world.write(
            name,
            f"""
    @task(tags=["database"])
    def load(n):
        use(0.02)

    @flow
    def {name}():
        [future.result() for future in load.map(list(range(8)))]
""",
        )
    world.start()
    world.until_flow("one"), world.until_flow("two")
    terminal = subprocess.Popen(
        [sys.executable, "-P", "-m", "tidemill", "run", str(world.flows / "one.py")],
        env=world.environment,
        cwd=world.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for name in ("one", "two"):
        world.cli("run", name)
    assert terminal.wait(60) == 0
    for name in ("one", "two"):
        world.until(
            lambda name=name: all(run["state"] == "completed" for run in world.json("runs", "--flow", name)),
            f"all runs of {name} completed",
        )

    assert len(world.uses.read_text().splitlines()) == 2 * 8 * 3
    assert together(world.uses) == 1


def test_flows_of_one_limit_take_turns_and_others_pass_them_by(world):
    gate = str(world.folder / "gate")
    for name in ("one", "two"):
        world.write(
            name,
            f"""
    @flow(tags=["database"], max_active_runs=3)
    def {name}():
        use(0.05)
        while not os.path.exists({gate!r}):
            time.sleep(0.01)
""",
        )
    world.write(
        "free",
        """
    @flow
    def free():
        pass
""",
    )
    world.start()
    for name in ("one", "two", "free"):
        world.until_flow(name)
    runs = [world.json("run", name)["run"] for name in ("one", "two", "one", "two")]

    assert world.run("free")["state"] == "completed"
    waiting = world.json("show", runs[-1])
    Path(gate).touch()
    world.until(lambda: world.json("show", runs[-1])["state"] == "completed", "the last run completed")

    assert together(world.uses) == 1
    shown = [world.json("show", run) for run in runs]
    assert [run["state"] for run in shown] == ["completed"] * 4
    assert all(first["started_at"] < second["started_at"] for first, second in pairwise(shown)), "in their order"
    assert waiting["state"] == "pending"
    assert waiting["waiting"].startswith("waiting for a slot of limit 'database' (1 of 1")
    notes = [event["note"] for run in shown[1:] for event in run["events"] if event["note"]]
    assert all("waiting for a slot of limit 'database' (1 of 1 held by run" in note for note in notes), notes
    assert len(notes) == 3


def test_a_killed_holder_lets_the_next_begin_at_once(world):
    world.write(
        "long",
        """
    @flow(tags=["database"])
    def long(seconds: float = 60.0):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        time.sleep(seconds)
""",
    )
    world.write(
        "next",
        """
    @flow(tags=["database"])
    def following():
        use(0)
""",
    )
    world.start()
    world.until_flow("long"), world.until_flow("following")
    holder = world.json("run", "long")["run"]
    world.until(lambda: world.status()["limits"][1]["held"] == 1, "the slot is held")
    waiting = world.json("run", "following")["run"]
    assert world.json("show", waiting)["waiting"] == (
        f"waiting for a slot of limit 'database' (1 of 1 held by run {holder})"
    )
    (held,) = [limit for limit in world.status()["limits"] if limit["name"] == "database"]
    assert (held["slots"], held["held"], held["holders"][0]["run"]) == (1, 1, holder)

    killed = time.monotonic()
    os.kill(held["holders"][0]["pid"], signal.SIGKILL)
    world.until(world.uses.exists, "the next run began")

    assert float(world.uses.read_text().split()[0]) - killed < 2
    assert world.until_run("long", "crashed")["id"] == holder
    world.until_run("following", "completed")


def test_a_limit_outlives_the_daemon_and_a_change_counts_from_the_reload_on(world):
    world.write(
        "long",
        """
    @flow(tags=["database"], max_active_runs=9)
    def long(is_held: bool = False):
        use(0 if is_held else 1)
        end = time.monotonic() + 30
        while is_held and not os.path.exists(LOG + ".go") and time.monotonic() < end:
            time.sleep(0.01)
""",
    )
    world.start()
    world.until_flow("long")
    runs = [world.json("run", "long")["run"] for _ in range(2)]
    world.until(lambda: world.json("show", runs[0])["state"] in ("running", "completed"), "the first runs")
    world.kill()
    world.start()
    assert world.json("show", runs[1])["state"] in ("pending", "running", "completed")
    for run in runs:
        world.until(lambda run=run: world.json("show", run)["state"] == "completed", "both completed")
    assert together(world.uses) == 1

    world.uses.unlink()
    (world.folder / "tidemill.toml").write_text("[limits]\ndatabase = 3\n")
    world.cli("reload")
    runs = [world.json("run", "long", "-p", "is_held=true")["run"] for _ in range(3)]
    world.until(lambda: world.uses.read_text().count("+") >= 3, "three use it at once")
    assert [world.json("show", run)["finished_at"] for run in runs] == [None] * 3
    Path(f"{world.uses}.go").touch()
    assert [limit["name"] for limit in world.status()["limits"]] == ["database"]


def test_a_run_that_waits_is_cancelled_and_frees_its_place(world):
    world.write(
        "long",
        """
    @flow(tags=["database"], max_active_runs=9)
    def long(is_held: bool = False):
        use(0)
        while is_held and not os.path.exists(LOG + ".go"):
            time.sleep(0.01)
""",
    )
    world.start()
    world.until_flow("long")
    first = world.json("run", "long", "-p", "is_held=true")["run"]
    world.until(lambda: world.json("show", first)["state"] == "running", "the first runs")
    second, third = (world.json("run", "long")["run"] for _ in range(2))

    world.cli("cancel", second)
    Path(f"{world.uses}.go").touch()
    world.until(lambda: world.json("show", third)["state"] == "completed", "the third completed")

    assert world.json("show", second)["state"] == "cancelled"
    assert len(world.uses.read_text().splitlines()) == 4


def test_a_rate_paces_the_starts_of_flows(world):
    world.write(
        "paced",
        """
    @flow(tags=["api"], max_active_runs=9)
    def paced():
        use(0)
""",
    )
    world.start()
    world.until_flow("paced")
    runs = [world.json("run", "paced")["run"] for _ in range(4)]
    for run in runs:
        world.until(lambda run=run: world.json("show", run)["state"] == "completed", "all completed")

    begun = sorted(float(line.split()[0]) for line in world.uses.read_text().splitlines() if line.endswith("+"))
    assert begun[-1] - begun[0] >= 3 / 4 - 0.25


def test_a_tag_that_is_nearly_a_limit_is_warned_of(world):
    world.write(
        "one",
        """
    @task(tags=["databse", "nightly"])
    def load():
        pass
""",
    )

    (file,) = world.json("check")

    (warning,) = file["warnings"]
    assert warning["message"] == (
        "the tag 'databse' is no limit, so nothing is limited by it; did you mean 'database'?"
    )
    assert "databse" in (world.flows / "one.py").read_text().splitlines()[warning["line"] - 1]


def test_without_a_daemon_the_settings_limits_count_in_terminals(world):
    world.write(
        "one",
        """
    @task(tags=["database"])
    def load(n):
        use(0.05)

    @flow
    def one():
        [future.result() for future in load.map(list(range(4)))]
""",
    )
    command = [sys.executable, "-P", "-m", "tidemill", "run", str(world.flows / "one.py")]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    terminals = [subprocess.Popen(command, env=world.environment, cwd=world.folder, **quiet) for _ in range(2)]

    assert [terminal.wait(60) for terminal in terminals] == [0, 0]
    assert len(world.uses.read_text().splitlines()) == 16
    assert together(world.uses) == 1
