"""What is killed, filled up, taken away or changed under a daemon that has work to do."""

import os
import platform
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

GATED = """
import os
import time
from pathlib import Path
from tidemill import Flow, task

@task
def wait(end=0):
    print("under way")
    while not Path("go").exists():
        time.sleep(0.02)
    if end:
        os._exit(end)

gated = Flow("gated", tasks=[wait], overlap="allow")
"""

TICKING = """
from tidemill import flow, every

@flow(schedule=every(seconds=1), overlap="allow", catchup="all")
def ticking():
    pass
"""

QUICK = "from tidemill import task\n\n@task\ndef quick():\n    print('done')\n"


KERNEL = tuple(int(part) for part in platform.release().split(".")[:2])


def rows(daemon, sql):
    connection = sqlite3.connect(f"file:{daemon.state}/history.db?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def forkservers(daemon):
    """Return the pids of this world's fork servers; their runs share the command line, but lead no session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
                if b"tidemill.forkserver" in line and str(daemon.state).encode() in line:
                    found += [int(entry.name)] if os.getsid(int(entry.name)) == int(entry.name) else []
            except OSError:
                continue
    return found


def start_gated(daemon, *ends):
    """Start runs that wait for the gate, and return their ids once all are under way."""
    daemon.drop("gated.py", GATED)
    daemon.until_flow("gated")
    runs = [daemon.cli("run", "gated", "-p", f"end={end}").stdout.split()[-1] for end in ends]
    for run in runs:
        daemon.until(lambda run=run: "under way" in daemon.cli("logs", run).stdout, f"{run} is under way")
    return runs


def states(daemon, runs):
    by_id = {run["id"]: run for run in daemon.json("runs", "-n", "100")}
    return [by_id[run]["state"] for run in runs]


def until_over(daemon, runs):
    daemon.until(lambda: not {"pending", "running", "cancelling"} & set(states(daemon, runs)), f"{runs} are over")
    return states(daemon, runs)


def test_every_moment_has_one_row_and_one_run_whatever_is_killed(daemon):
    daemon.drop("ticking.py", TICKING)
    daemon.start()
    for pause in (1.3, 0.4, 1.6, 0.8):
        time.sleep(pause)
        for pid in forkservers(daemon) if pause < 1 else ():
            os.kill(pid, signal.SIGKILL)
        daemon.kill()
        daemon.start()
    time.sleep(1.5)
    assert daemon.terminate() == 0

    moments = [moment // 1_000_000 for (moment,) in rows(daemon, "SELECT moment FROM occurrences ORDER BY moment")]
    assert len(moments) > 6
    assert moments == list(range(moments[0], moments[-1] + 1))
    made = Counter(moment for (moment,) in rows(daemon, "SELECT scheduled_for FROM runs"))
    assert set(made.values()) == {1}
    assert not rows(daemon, "SELECT 1 FROM runs WHERE state = 'crashed'")


@pytest.mark.parametrize("what", ["the fork server", "both", "the daemon, and its environment changes"])
def test_live_runs_end_with_their_own_verdict_when_it_is_killed(daemon, what):
    daemon.start()
    runs = start_gated(daemon, 0, 7)

    if what != "the daemon, and its environment changes":
        for pid in forkservers(daemon):
            os.kill(pid, signal.SIGKILL)
    if what != "the fork server":
        daemon.kill()
        daemon.environment["A_SETTING_OF_ALL_RUNS"] = "changed"
        daemon.start()
    assert daemon.status()["active_runs"] == 2
    (daemon.flows / "go").touch()

    assert until_over(daemon, runs) == ["completed", "crashed"]
    if what != "both" or KERNEL >= (6, 15):  # earlier kernels tell an exit code to the parent alone, which is dead
        assert "code 7" in daemon.json("show", runs[1])["error"]
    daemon.until(lambda: daemon.status()["active_runs"] == 0, "no slot is taken any more")
    assert daemon.run("gated")["state"] == "completed"


def test_a_fork_server_that_is_told_to_end_costs_no_run(daemon):
    daemon.start()
    runs = start_gated(daemon, 0)
    (pid,) = forkservers(daemon)
    os.kill(pid, signal.SIGTERM)
    runs.append(daemon.cli("run", "gated").stdout.split()[-1])
    daemon.until(lambda: len(forkservers(daemon)) == 2, "another one serves beside it")
    (daemon.flows / "go").touch()
    assert until_over(daemon, runs) == ["completed", "completed"]
    daemon.until(lambda: pid not in forkservers(daemon), "the first has left with its last run")


def test_a_daemon_killed_while_it_starts_leaves_everything_to_the_next(daemon):
    daemon.start()
    runs = start_gated(daemon, 0, 0)
    daemon.kill()
    for pause in (0.1, 0.25, 0.4):
        daemon.start(wait=False)
        time.sleep(pause)
        daemon.kill()
    (daemon.flows / "go").touch()
    daemon.start()
    assert until_over(daemon, runs) == ["completed", "completed"]
    assert len(daemon.json("runs")) == 2


def test_of_many_daemons_started_at_once_one_serves(daemon):
    others = [
        subprocess.Popen(
            [sys.executable, "-P", "-m", "tidemill.service"],
            env=daemon.environment,
            cwd=daemon.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    daemon.until(lambda: sum(other.poll() is None for other in others) == 1, "four are refused")
    daemon.until(lambda: daemon.status().get("running"), "one serves")
    serving = next(other for other in others if other.poll() is None)
    try:
        for other in others:
            if other is not serving:
                assert other.returncode == 6
                assert str(serving.pid) in other.stderr.read()
        assert daemon.status()["pid"] == serving.pid
    finally:
        for other in others:
            other.terminate()
            other.wait(10)
            other.stderr.close()


def test_stale_files_of_a_dead_daemon_hold_nobody_up(daemon):
    daemon.start()
    daemon.kill()
    (daemon.state / "daemon.pid").write_text("1\n")
    assert (daemon.state / "control.sock").exists()
    daemon.start()
    assert daemon.status()["pid"] == daemon.process.pid
    (daemon.state / "control.sock").unlink()
    daemon.until(lambda: daemon.status().get("running"), "the socket is made again")


def test_a_detached_daemon_reloads_the_settings_it_was_started_with(daemon):
    settings = daemon.folder / "settings.toml"
    settings.write_text("[dispatch]\nmax_runs = 1\n")
    daemon.drop("gated.py", GATED)

    def active():
        status = daemon.status()
        return status["active_runs"], status["queued_runs"], status["pid"]

    # It goes elsewhere once it is detached, and must find the relative file again.
    daemon.cli("--config", "settings.toml", "start")
    try:
        pid = daemon.status()["pid"]
        for _ in range(2):
            daemon.cli("run", "gated")
        daemon.until(lambda: active() == (1, 1, pid), "one run lives and one waits")

        settings.write_text("[dispatch]\nmax_runs = many\n")
        refused = daemon.cli("reload", check=None)
        assert refused.returncode in (1, 5)
        assert f"{settings}:2" in refused.stderr
        assert active() == (1, 1, pid)

        settings.write_text("[dispatch]\nmax_runs = 2\n")
        daemon.cli("reload")
        daemon.until(lambda: active() == (2, 0, pid), "both live")
    finally:
        (daemon.flows / "go").touch()
        daemon.cli("stop", "--drain")


def test_stopping_with_cancel_and_with_drain(daemon):
    daemon.start()
    (run,) = start_gated(daemon, 0)
    daemon.cli("stop", "--cancel")
    assert daemon.process.wait(20) == 0
    assert states(daemon, [run]) == ["cancelled"]

    daemon.start()
    (run,) = start_gated(daemon, 0)
    drain = subprocess.Popen(
        [sys.executable, "-P", "-m", "tidemill", "stop", "--drain"], env=daemon.environment, cwd=daemon.folder
    )
    time.sleep(0.5)
    assert daemon.process.poll() is None
    (daemon.flows / "go").touch()
    assert drain.wait(20) == 0
    assert daemon.process.wait(20) == 0
    assert states(daemon, [run]) == ["completed"]


def test_a_daemon_that_is_killed_while_it_drains_leaves_its_runs_to_the_next(daemon):
    daemon.start()
    (run,) = start_gated(daemon, 0)
    command = [sys.executable, "-P", "-m", "tidemill", "stop", "--drain"]
    drain = subprocess.Popen(command, env=daemon.environment, cwd=daemon.folder, stdout=subprocess.DEVNULL)
    daemon.until(lambda: "INFO    stopping" in daemon.log.read_text(), "the drain has begun")
    waiting = daemon.cli("run", "gated").stdout.split()[-1]
    assert states(daemon, [run, waiting]) == ["running", "pending"]
    daemon.kill()
    assert drain.wait(20) == 0
    daemon.start()
    daemon.until(lambda: daemon.status()["active_runs"] == 2, "one lives on, and the one that waited has begun")
    (daemon.flows / "go").touch()
    assert until_over(daemon, [run, waiting]) == ["completed", "completed"]


def test_an_acknowledged_cancel_survives_a_killed_daemon(daemon):
    (daemon.folder / "tidemill.toml").write_text("[dispatch]\nmax_runs = 1\n")
    daemon.start("--config", "tidemill.toml")
    (live,) = start_gated(daemon, 0)
    waiting = daemon.cli("run", "gated").stdout.split()[-1]
    for run in (waiting, live):
        daemon.cli("cancel", run)
    daemon.kill()
    daemon.start("--config", "tidemill.toml")
    assert until_over(daemon, [live, waiting]) == ["cancelled", "cancelled"]
    assert daemon.json("show", waiting)["started_at"] is None


def test_a_second_signal_ends_the_waiting_for_runs(daemon):
    (daemon.folder / "tidemill.toml").write_text("[dispatch]\nstop_grace = 600\n")
    daemon.start("--config", "tidemill.toml")
    (run,) = start_gated(daemon, 0)
    daemon.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert daemon.process.poll() is None
    daemon.process.send_signal(signal.SIGINT)
    assert daemon.process.wait(10) == 0
    (daemon.flows / "go").touch()
    daemon.start("--config", "tidemill.toml")
    assert until_over(daemon, [run]) == ["completed"]


def test_a_daemon_that_was_held_up_accounts_for_every_moment_once(daemon):
    daemon.drop("ticking.py", TICKING)
    daemon.start()
    daemon.until_flow("ticking")
    daemon.process.send_signal(signal.SIGSTOP)
    time.sleep(3.2)
    daemon.process.send_signal(signal.SIGCONT)
    time.sleep(1.2)
    daemon.terminate()
    moments = [moment // 1_000_000 for (moment,) in rows(daemon, "SELECT moment FROM occurrences ORDER BY moment")]
    assert moments == list(range(moments[0], moments[-1] + 1))
    assert len(moments) >= 4


def test_the_flows_folder_may_go_and_come_back(daemon):
    daemon.drop("quick.py", QUICK)
    daemon.start()
    daemon.until_flow("quick")
    away = daemon.flows.rename(daemon.folder / "away")
    daemon.until(lambda: not daemon.json("flows"), "the flows are gone with their folder")
    away.rename(daemon.flows)
    daemon.until_flow("quick")
    assert daemon.run("quick")["state"] == "completed"


def test_a_daemon_ends_with_its_state_directory(daemon):
    daemon.start()
    daemon.state.rename(daemon.folder / "away")
    assert daemon.process.wait(15) == 1
    assert "was removed or replaced" in daemon.log.read_text()
    assert "Traceback" not in daemon.log.read_text()


def test_a_state_directory_with_spaces_and_a_long_name(daemon):
    daemon.state = daemon.folder / "a state directory, with a name längér than a socket's address may be" / ("x" * 90)
    daemon.environment["TIDEMILL_STATE_DIR"] = str(daemon.state)
    daemon.drop("quick.py", QUICK)
    daemon.start()
    assert daemon.run("quick")["state"] == "completed"
    assert daemon.terminate() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="a full disk was NOT tried: it takes root to mount a small one")
def test_a_full_disk_is_told_and_nothing_is_lost_when_there_is_room_again(daemon):
    daemon.state.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", daemon.state], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a full disk was NOT tried: nothing can be mounted here")
    try:
        daemon.drop("quick.py", QUICK)
        daemon.drop("ticking.py", TICKING)
        daemon.start()
        ballast = daemon.state / "ballast"

        def is_refused_while_full():
            """Take what room there is, for the history makes itself some by tidying up."""
            with ballast.open("ab", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(b"\0" * 4096)
            asked = daemon.cli("run", "quick", check=None)  # which may be the one that finds out
            if asked.returncode == 0:
                return False
            assert asked.returncode == 6
            assert re.search("full|space", asked.stderr)
            assert "was not taken" in asked.stderr or "is done when the history can be written again" in asked.stderr
            return "was not taken" in asked.stderr

        daemon.until(is_refused_while_full, "the full disk is told")
        ballast.unlink()
        daemon.until(lambda: daemon.status()["problem"] is None, "all is well again")
        assert daemon.run("quick")["state"] == "completed"
        assert daemon.terminate() == 0
        moments = [moment // 1_000_000 for (moment,) in rows(daemon, "SELECT moment FROM occurrences ORDER BY moment")]
        assert moments == list(range(moments[0], moments[-1] + 1))
    finally:
        daemon.sweep()
        subprocess.run(["umount", "-l", daemon.state], check=False)
