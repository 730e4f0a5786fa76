"""S16, where the daemon's tree of control groups is delegated to it: limits count a run's processes together.

In groups of our own at the root of the machine's tree, marked as systemd marks what it delegates.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tidemill.forkserver import cgroups

CONTROLLERS = {"memory", "pids"}
HUNGRY = """
import os
import subprocess
import sys
import time
from tidemill import flow

CHILD = "x = bytearray(80_000_000); [x.__setitem__(n, 1) for n in range(0, len(x), 4096)]; import time; time.sleep(20)"

@flow(limits={"memory": "120MB"})
def together():
    children = [subprocess.Popen([sys.executable, "-c", CHILD]) for _ in range(3)]
    print("ended with", [child.wait() for child in children])

@flow(limits={"processes": 20})
def bomb():
    while True:
        subprocess.Popen(["sleep", "60"])

@flow(limits={"cpu": 2})
def busy():
    children = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    print([child.wait() for child in children])

@flow(limits={"memory": "1GB", "processes": 50, "cpu": 60})
def modest():
    return subprocess.run(["true"]).returncode

@flow(limits={"memory": "1GB"})
def waits():
    while not os.path.exists("go"):
        time.sleep(0.02)
"""


@pytest.fixture
def tree() -> Path:
    root = cgroups._mounted()
    if root is None or os.geteuid() != 0:
        pytest.skip(
            "control groups are made by root, in a tree of version 2; neither a limit nor its refusal is seen here"
        )
    return root


@pytest.fixture
def delegated(tree) -> Iterator[Path]:
    group = tree / f"tidemill-test-{os.getpid()}"
    (group / "daemon").mkdir(parents=True)
    os.setxattr(group, "user.delegate", b"1")
    try:
        yield group
    finally:
        for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            cgroups.kill(str(folder.parent), folder.name)
            for _ in range(200):
                if cgroups.remove(str(folder.parent), folder.name):
                    break
                time.sleep(0.05)  # what was killed is still being reaped
        group.rmdir()


@pytest.fixture
def controlled(tree, delegated) -> Path:
    with suppress(OSError):
        (tree / "cgroup.subtree_control").write_text("+memory +pids")
    if CONTROLLERS - set((delegated / "cgroup.controllers").read_text().split()):
        pytest.skip("this machine's tree of version 2 has no controllers: limits of groups are not seen here")
    return delegated


@contextmanager
def inside(group: Path) -> Iterator[None]:
    """Let what is started be born in *group*."""
    before = cgroups._mounted() / cgroups._own_path().lstrip("/")
    (group / "cgroup.procs").write_text(str(os.getpid()))
    try:
        yield
    finally:
        (before / "cgroup.procs").write_text(str(os.getpid()))


@pytest.fixture
def serving(controlled, daemon):
    daemon.drop("hungry.py", HUNGRY)
    with inside(controlled / "daemon"):
        daemon.start()
    for name in ("together", "bomb", "busy", "modest", "waits"):
        daemon.until_flow(name)
    return daemon


def test_s16_what_is_not_delegated_is_left_alone_and_said(delegated):
    os.removexattr(delegated, "user.delegate")
    with inside(delegated / "daemon"):
        assert cgroups.find_place() == cgroups.Place("", "no control group is delegated to the daemon (Delegate=)")
    assert not (delegated / "runs").exists()


def test_s16_a_group_that_cannot_be_left_to_a_leaf_is_not_used(delegated):
    os.removexattr(delegated, "user.delegate")
    os.setxattr(delegated / "daemon", "user.delegate", b"1")
    with inside(delegated / "daemon"):
        assert "without DelegateSubgroup=" in cgroups.find_place().reason


def test_s16_missing_controllers_are_named(delegated):
    inner = delegated / "inner"
    (inner / "daemon").mkdir(parents=True)
    os.setxattr(inner, "user.delegate", b"1")
    with inside(inner / "daemon"):
        place = cgroups.find_place()
    assert place == cgroups.Place("", "the controllers memory, pids are not delegated to the daemon")


def test_s16_without_a_delegated_tree_status_and_doctor_say_that_each_process_is_limited(daemon):
    daemon.drop("quick.py", "from tidemill import flow\n\n@flow\ndef quick():\n    pass\n")
    daemon.start()
    assert daemon.status()["run_limits"]["kind"] == "rlimit"
    assert "of each process; " in daemon.cli("status").stdout
    assert "not of a run's processes together" in daemon.cli("doctor", check=None).stdout


def test_s16_the_memory_of_a_run_s_children_counts_together(serving):
    assert serving.status()["run_limits"] == {"kind": "cgroup", "reason": None}
    assert "of all processes of a run together" in serving.cli("status").stdout

    serving.run("together", check=None)

    run = serving.json("show", "last")
    notes = [event["note"] for event in run["events"] if event["note"]]
    assert any("met its limit on memory, 120 MB, which counts all its processes together" in note for note in notes)
    assert "-9" in serving.cli("logs", "last").stdout
    assert serving.run("modest")["state"] == "completed", "the daemon and other runs go on"


def test_s16_a_run_that_is_killed_for_memory_says_which_limit(serving):
    serving.drop(
        "alone.py",
        "import resource, mmap\nfrom tidemill import flow\n\n@flow(limits={'memory': '60MB'})\ndef alone():\n"
        # Shared memory is no data of the process, so that only the group counts it.
        "    pages = mmap.mmap(-1, 200_000_000)\n"
        "    for place in range(0, 200_000_000, 4096):\n        pages[place] = 1\n",
    )
    serving.until_flow("alone")
    run = serving.run("alone", check=1)
    assert run["state"] == "crashed"
    assert "the run met its limit on memory, 60 MB, which counts all its processes together" in run["error"]


def test_s16_a_bomb_of_processes_ends_one_run_also_where_root_runs_it(serving):
    run = serving.run("bomb", check=1)
    assert run["state"] == "failed"
    assert "the run met its limit on processes, 20" in run["error"]
    assert serving.run("modest")["state"] == "completed"


def test_s16_processor_time_of_children_counts_together(serving):
    run = serving.run("busy", check=1)
    assert run["state"] == "crashed"
    assert "the run met its limit on cpu, 2 s, which counts all its processes together" in run["error"]


def test_s16_no_group_is_left_and_live_runs_keep_theirs_over_a_kill_of_the_daemon(serving, controlled):
    run = serving.cli("run", "waits").stdout.split()[0]
    serving.until((controlled / "runs" / run).is_dir, "it has its group")
    serving.run("modest")
    serving.kill()
    with inside(controlled / "daemon"):
        serving.start()
    assert (controlled / "runs" / run).is_dir()
    assert serving.status()["run_limits"]["kind"] == "cgroup"

    (serving.flows / "go").touch()

    serving.until_run("waits", "completed")
    serving.until(lambda: cgroups.groups_in(str(controlled / "runs")) == [], "no group is left")
