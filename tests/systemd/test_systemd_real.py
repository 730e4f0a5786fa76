"""The system unit under a real systemd; collected only where it can be installed (see conftest)."""

import json
import os
from pathlib import Path

import pytest

from systemd_machine import SOURCE


def test_start_returns_when_runs_can_be_asked_for(service):
    status = service.json("status")
    assert status["running"] is True
    assert status["pid"] == service.pid
    assert status["state_dir"] == "/var/lib/tidemill"
    assert status["flows_dir"] == "/var/lib/tidemill/flows"
    assert service.shown("StatusText")
    assert service.tidemill("run", "quick", "--wait").returncode == 0


def test_the_state_is_the_services_alone(service):
    for path in ("/var/lib/tidemill", "/var/lib/tidemill/history.db", "/var/lib/tidemill/control.sock"):
        facts = Path(path).stat()
        assert Path(path).owner() == "tidemill"
        assert facts.st_mode & 0o077 == 0, path
    assert Path("/etc/tidemill").owner() == "root"


def test_reload_waits_and_keeps_the_daemon(service):
    before = service.pid
    service.write_flow("fresh", "from tidemill import task\n\n@task\ndef fresh():\n    pass\n")
    service.systemctl("reload", "tidemill")
    assert "fresh" in {flow["name"] for flow in service.json("flows")}
    assert service.pid == before


def test_a_run_sees_nothing_of_the_services_conversation(service):
    assert service.tidemill("run", "environment", "--wait").returncode == 0
    log = service.tidemill("logs", "environment@last").stdout
    assert "sees: []" in log


def test_stop_is_orderly(service):
    service.systemctl("stop", "tidemill")
    assert service.shown("ActiveState") == "inactive"
    assert service.shown("Result") == "success"
    assert service.tidemill("run", "quick").returncode == 3


@pytest.mark.parametrize("end", ["restart", "kill"])
def test_a_live_run_outlives_the_daemon(service, end):
    run = service.start_run("gated")
    service.wait_for(lambda: service.gate("started").exists(), "the run to start")
    before = service.pid
    if end == "restart":
        service.systemctl("restart", "tidemill")
    else:
        os.kill(before, 9)
    service.wait_for(lambda: service.pid not in (0, before), "another daemon")
    service.wait_for(service.is_active, "the other daemon to be ready")
    assert service.json("show", run)["state"] == "running"
    service.gate("go").touch()
    service.wait_for_state(run, "completed")
    assert service.json("show", run)["attempt"] == 1
    assert service.tidemill("run", "quick", "--wait").returncode == 0


def test_a_hung_daemon_is_ended_and_started_again(service):
    service.drop_in("watchdog", "[Service]\nWatchdogSec=2\nRestartSec=0\n")
    service.systemctl("restart", "tidemill")
    before = service.pid
    os.kill(before, 19)
    service.wait_for(lambda: service.pid not in (0, before), "the watchdog")
    service.wait_for(service.is_active, "the new daemon to be ready")
    assert service.json("status")["running"] is True
    service.drop_in("watchdog", None)


def test_a_wrong_configuration_fails_once(service):
    service.systemctl("stop", "tidemill")
    service.configure("[dispatch]\nmax_run = 3\n")
    assert service.systemctl("start", "tidemill", check=False) != 0
    assert service.shown("ExecMainStatus") == "5"
    assert service.shown("NRestarts") == "0"
    assert "/etc/tidemill/tidemill.toml:2: there is no setting dispatch.max_run" in service.journal()
    service.configure("")


def test_with_the_drop_in_runs_end_with_the_service(service):
    service.drop_in("end-runs", (SOURCE / "systemd" / "drop-ins" / "end-runs.conf").read_text())
    service.systemctl("restart", "tidemill")
    run = service.start_run("gated")
    service.wait_for(lambda: service.gate("started").exists(), "the run to start")
    service.systemctl("stop", "tidemill")
    service.drop_in("end-runs", None)
    service.systemctl("start", "tidemill")
    service.wait_for_state(run, "crashed")


@pytest.mark.skipif(not os.environ.get("TIDEMILL_LAB_INSIDE"), reason="a user is made only in a laboratory")
def test_the_user_unit_serves_a_person(machine):
    home = machine.add_person("mill")
    machine.as_person("mill", "systemctl", "--user", "start", "tidemill")
    run = machine.as_person("mill", f"{home}/.local/bin/tidemill", "run", "quick", "--wait")
    assert run.returncode == 0
    status = json.loads(machine.as_person("mill", f"{home}/.local/bin/tidemill", "status", "--json").stdout)
    assert status["state_dir"] == f"{home}/.local/state/tidemill"
    assert status["flows_dir"] == f"{home}/flows"
    machine.as_person("mill", "systemctl", "--user", "reload", "tidemill")
    machine.as_person("mill", "systemctl", "--user", "stop", "tidemill")
