"""What lives while the service is drained, cancelled, killed, upgraded or starved under a real systemd.

Collected only where the unit can be installed (see conftest).
"""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from chaos.upgrading.other_version import patch_release, version_of
from systemd_machine import OPT

GREEDY = """
from tidemill import task

@task
def greedy():
    held = []
    while True:
        held.append(bytearray(b"x" * (8 << 20)))
"""


@pytest.fixture
def live(service):
    """A run that waits for its gate."""
    return gated(service)


def gated(service):
    run = service.start_run("gated")
    service.wait_for(lambda: service.gate("started").exists(), "the run to start")
    return run


def still_runs(service, run):
    """Tell whether the daemon believes it after it has had time to look for the process, and for its exit."""
    time.sleep(4)
    return service.json("show", run)["state"] == "running"


def processes(service):
    """Return the pids in the unit's control group, whatever the layout of groups."""
    group = service.shown("ControlGroup")
    for place in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"):
        told = Path(place + group) / "cgroup.procs"
        if told.exists():
            return [int(pid) for pid in told.read_text().split()]
    return []


def draining(service):
    """Ask the daemon to drain, as a person does, and return the command that waits."""
    command = subprocess.Popen([OPT / "bin" / "tidemill", "stop", "--drain"], cwd="/")
    service.wait_for(lambda: "draining" in service.shown("StatusText"), "the drain to begin")
    return command


def test_a_drain_lasts_as_long_as_its_runs_do(service, live):
    service.drop_in("patience", "[Service]\nTimeoutStopSec=2\nWatchdogSec=2\n")
    service.systemctl("restart", "tidemill")
    before = service.pid
    command = draining(service)
    time.sleep(20)  # systemd and the watchdog would have had enough of a service that stands still
    assert (service.pid, command.poll()) == (before, None)
    assert still_runs(service, live)
    service.gate("go").touch()
    assert command.wait(30) == 0
    service.wait_for(lambda: service.shown("ActiveState") == "inactive", "the service to be down")
    assert (service.shown("Result"), service.shown("NRestarts")) == ("success", "0")
    assert service.json("show", live)["state"] == "completed"


def test_a_daemon_killed_while_it_drains_leaves_its_runs_to_the_next(service, live):
    command = draining(service)
    before = service.pid
    os.kill(before, 9)
    assert command.wait(30) == 0
    service.wait_for(lambda: service.pid not in (0, before) and service.is_active(), "another daemon")
    assert still_runs(service, live)
    service.gate("go").touch()
    service.wait_for_state(live, "completed")


def test_systemctl_stop_ends_a_drain_and_leaves_its_runs(service, live):
    command = draining(service)
    began = time.monotonic()
    service.systemctl("stop", "tidemill")
    assert time.monotonic() - began < 15
    assert command.wait(30) == 0
    assert service.shown("Result") == "success"
    service.systemctl("start", "tidemill")
    service.gate("go").touch()
    service.wait_for_state(live, "completed")


def test_a_grace_of_stopping_outlasts_systemds_patience(service, live):
    service.drop_in("patience", "[Service]\nTimeoutStopSec=2\n")
    service.configure("[dispatch]\nstop_grace = 60\n")
    service.systemctl("restart", "tidemill")
    command = subprocess.Popen(["systemctl", "stop", "tidemill"])
    time.sleep(5)
    assert command.poll() is None
    service.gate("go").touch()
    assert command.wait(30) == 0
    service.configure("")
    assert service.shown("Result") == "success"
    assert service.json("show", live)["state"] == "completed"


def test_a_stop_that_cancels_leaves_no_run(service, live):
    told = next(Path("/var/lib/tidemill/journals").glob(f"??/{live}.journal")).read_text()
    pid = json.loads(told.splitlines()[0])[2]
    assert service.tidemill("stop", "--cancel").returncode == 0
    service.wait_for(lambda: service.shown("ActiveState") == "inactive", "the service to be down")
    assert service.shown("Result") == "success"
    assert service.json("show", live)["state"] == "cancelled"
    service.wait_for(lambda: not Path(f"/proc/{pid}").exists(), "its process to be gone")


def test_runs_live_through_restart_after_restart_and_through_an_upgrade(service, live, tmp_path):
    before = service.pid
    service.systemctl("restart", "tidemill")
    service.systemctl("restart", "tidemill")
    newer = patch_release(tmp_path)
    kept = OPT / "daemon.before"
    (OPT / "daemon").rename(kept)
    shutil.copytree(newer, OPT / "daemon")
    try:
        service.systemctl("restart", "tidemill")
        assert service.pid != before
        assert service.json("status")["version"] == version_of(newer)
        assert still_runs(service, live)
        service.gate("go").touch()
        service.wait_for_state(live, "completed")
        assert service.tidemill("run", "quick", "--wait").returncode == 0
    finally:
        shutil.rmtree(OPT / "daemon")
        kept.rename(OPT / "daemon")
        service.systemctl("restart", "tidemill")


def test_a_run_lives_on_without_its_fork_server(service, live):
    servers = [pid for pid in processes(service) if b"tidemill.forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    for pid in servers:
        if os.getsid(pid) == pid:
            os.kill(pid, 9)
    assert service.tidemill("run", "quick", "--wait").returncode == 0
    assert still_runs(service, live)
    service.gate("go").touch()
    service.wait_for_state(live, "completed")


def test_a_run_that_takes_too_much_memory_is_told_so_and_dies_alone(service, live):
    if (
        not Path("/sys/fs/cgroup/memory").exists()
        and "memory" not in Path("/sys/fs/cgroup/cgroup.controllers").read_text()
    ):
        pytest.skip("a lack of memory was NOT tried: this machine's systemd has no memory controller")
    service.drop_in("scarce", "[Service]\nMemoryMax=300M\nMemorySwapMax=0\n")
    service.systemctl("restart", "tidemill")
    before = service.pid
    service.write_flow("greedy", GREEDY)
    service.systemctl("reload", "tidemill")
    assert service.tidemill("run", "greedy", "--wait").returncode == 1
    known = service.json("show", "greedy@last")
    assert known["state"] == "crashed"
    assert "signal 9 (SIGKILL)" in known["error"]
    assert "the kernel killed it for lack of memory" in known["error"]
    assert service.pid == before
    assert still_runs(service, live)
    service.gate("go").touch()
    service.wait_for_state(live, "completed")
