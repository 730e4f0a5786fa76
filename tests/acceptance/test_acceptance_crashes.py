"""Runs whose process dies: how soon that is shown, and what is said of it. And runs whose whole machine went down."""

import os
import signal
import sqlite3
import subprocess
import time
import uuid
from contextlib import closing, suppress
from pathlib import Path

import pytest

SHOWN = 2.0
"""Seconds within which a crash must be shown."""

GATED = """
import faulthandler
import os
import signal
import time
from pathlib import Path
from tidemill import Flow, task

@task
def wait(end=""):
    print("under way")
    while not Path("go").exists():
        time.sleep(0.02)
    if end == "exit":
        os._exit(3)
    if end:
        faulthandler.disable()
        os.kill(os.getpid(), getattr(signal, end))
        time.sleep(60)

gated = Flow("gated", tasks=[wait], overlap="allow")
"""

GREEDY = """
from tidemill import task

@task
def greedy():
    held = []
    while True:
        held.append(bytearray(b"x" * (8 << 20)))
"""

SCHEDULED = """
import os
import time
from tidemill import every, flow

@flow(schedule=every(seconds=1), catchup="{catchup}")
def {catchup}():
    while os.environ.get("STAYS"):
        time.sleep(0.05)
"""

AT_BOOT = """
from tidemill import cron, flow

@flow(schedule=cron("@reboot"))
def at_boot():
    pass
"""


def start_gated(daemon, *ends):
    daemon.drop("gated.py", GATED)
    daemon.until_flow("gated")
    runs = [daemon.cli("run", "gated", "-p", f"end={end}").stdout.split()[-1] for end in ends]
    for run in runs:
        daemon.until(lambda run=run: "under way" in daemon.cli("logs", run).stdout, f"{run} is under way")
    return runs


def history(daemon):
    return sqlite3.connect(f"file:{daemon.state}/history.db?mode=ro", uri=True)


def pid_of(daemon, run):
    with closing(history(daemon)) as connection:
        return connection.execute("SELECT pid FROM runs WHERE uid = ?", (run,)).fetchone()[0]


def seconds_until_crashed(daemon, runs):
    """Return how long it takes from now until all of *runs* are shown as crashed to whoever reads the history."""
    began = time.monotonic()
    marks = ", ".join("?" * len(runs))
    while time.monotonic() - began < 10 * SHOWN:
        with closing(history(daemon)) as connection:
            found = connection.execute(f"SELECT count(*) FROM runs WHERE state = 'crashed' AND uid IN ({marks})", runs)
            if found.fetchone()[0] == len(runs):
                break
        time.sleep(0.01)
    return time.monotonic() - began


ENDS = {
    "exit": "exited with code 3",
    "SIGKILL": "signal 9 (SIGKILL)",
    "SIGSEGV": "signal 11 (SIGSEGV)",
    "SIGABRT": "signal 6 (SIGABRT)",
}


@pytest.mark.parametrize("adopted", [False, True], ids=["of this daemon", "of the daemon before"])
def test_a_crash_is_shown_within_two_seconds_with_its_signal_or_exit_code(daemon, adopted):
    daemon.start()
    runs = start_gated(daemon, *ENDS)
    if adopted:
        daemon.kill()
        daemon.start()
    (daemon.flows / "go").touch()
    assert seconds_until_crashed(daemon, runs) < SHOWN
    for run, told in zip(runs, ENDS.values(), strict=True):
        assert told in daemon.json("show", run)["error"]


def test_who_died_while_no_daemon_was_there_is_shown_within_two_seconds_of_the_next(daemon):
    daemon.start()
    runs = start_gated(daemon, *ENDS)
    daemon.kill()
    (daemon.flows / "go").touch()
    pids = [pid_of(daemon, run) for run in runs]
    daemon.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "they are dead")
    daemon.start()
    assert seconds_until_crashed(daemon, runs) < SHOWN
    for run, told in zip(runs, ENDS.values(), strict=True):
        assert told in daemon.json("show", run)["error"]


def memory_group(limit):
    """Make a memory control group that allows *limit* bytes, and return its folder and the file that takes pids in."""
    own = {line.split(":")[1]: line.split(":", 2)[2] for line in Path("/proc/self/cgroup").read_text().splitlines()}
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup" and "memory" in options.split(","):
            folder, file = Path(place) / own["memory"].lstrip("/"), "memory.limit_in_bytes"
        elif kind == "cgroup2" and "memory" in (Path(place) / "cgroup.controllers").read_text().split():
            folder, file = Path(place) / own[""].lstrip("/"), "memory.max"
        else:
            continue
        group = folder / f"tidemill-test-{os.getpid()}"
        with suppress(OSError):
            group.mkdir()
            (group / file).write_text(str(limit))
            return group
    return None


def test_a_run_that_the_kernel_killed_for_lack_of_memory_is_told_so(daemon):
    group = memory_group(300 << 20)
    if group is None:
        pytest.skip("a lack of memory was NOT tried: no memory control group can be made here")
    daemon.prefix = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
    try:
        daemon.start()
        (live, killed) = start_gated(daemon, "", "")
        daemon.drop("greedy.py", GREEDY)
        daemon.until_flow("greedy")
        starved = daemon.run("greedy", check=1)
        assert starved["state"] == "crashed"
        assert "the kernel killed" in starved["error"]
        assert "for lack of memory" in starved["error"]
        assert "signal 9 (SIGKILL)" in starved["error"]
        time.sleep(2.5)  # what is counted is looked at every second
        os.kill(pid_of(daemon, killed), signal.SIGKILL)
        assert seconds_until_crashed(daemon, [killed]) < SHOWN
        assert "for lack of memory" not in daemon.json("show", killed)["error"]
        (daemon.flows / "go").touch()
        assert daemon.until_run("gated", "crashed", "completed")
        daemon.until(lambda: daemon.json("show", live)["state"] == "completed", "the other run goes on to its end")
        daemon.terminate()
    finally:
        daemon.sweep()
        daemon.until(lambda: not (group / "cgroup.procs").read_text(), "the control group is empty")
        group.rmdir()


# A machine that went down and came up again: every process is gone, and the boot has another name.


def reboot(daemon, folder):
    """Let nothing live, and give the next daemon another boot id to read, in a mount namespace of its own."""
    daemon.sweep()
    named = folder / "boot_id"
    named.write_text(f"{uuid.uuid4()}\n")
    place = "/proc/sys/kernel/random/boot_id"
    daemon.prefix = ["unshare", "--mount", "sh", "-c", f'mount --bind {named} {place} && exec "$@"', "sh"]


needs_mounts = pytest.mark.skipif(
    subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0,
    reason="a reboot was NOT tried: nothing can be mounted here over the kernel's name of the boot",
)


@needs_mounts
def test_runs_that_went_down_with_the_machine_are_told_so_and_catch_up_decides_what_is_next(daemon, tmp_path):
    daemon.environment["STAYS"] = "1"
    policies = ("latest", "all", "none")
    for policy in policies:
        daemon.drop(f"{policy}.py", SCHEDULED.format(catchup=policy))
    daemon.drop("at_boot.py", AT_BOOT)
    daemon.start()
    before = {policy: daemon.until_run(policy, "running")["id"] for policy in policies}
    daemon.until_run("at_boot", "completed")
    (by_hand,) = start_gated(daemon, "")
    reboot(daemon, tmp_path)
    time.sleep(3.2)
    del daemon.environment["STAYS"]
    daemon.start()

    for run in (*before.values(), by_hand):
        known = daemon.until(lambda run=run: (s := daemon.json("show", run))["finished_at"] and s, f"{run} has an end")
        assert known["state"] == "crashed"
        assert "the machine was rebooted" in known["error"]
    daemon.until(lambda: daemon.json("runs", "--flow", "latest", "-n", "1")[0]["state"] == "completed", "it goes on")
    daemon.until(lambda: len(daemon.json("runs", "--flow", "at_boot")) == 2, "the flow of the boot ran once more")
    daemon.terminate()
    with closing(history(daemon)) as connection:
        outcomes = {
            policy: [
                outcome
                for (outcome,) in connection.execute(
                    "SELECT o.outcome FROM occurrences o JOIN schedules s ON s.id = o.schedule_id"
                    " JOIN flows f ON f.id = s.flow_id WHERE f.name = ? ORDER BY o.moment",
                    (policy,),
                )
            ]
            for policy in policies
        }
    assert outcomes["latest"].count("coalesced") >= 2
    assert "coalesced" not in outcomes["all"]
    assert outcomes["all"].count("late") >= 1
    assert outcomes["none"].count("missed") >= 2
