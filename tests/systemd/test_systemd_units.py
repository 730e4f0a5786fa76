"""The shipped units, judged by systemd's own tools; needs no running systemd."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SHIPPED = Path(__file__).parents[2] / "systemd"
DROP_INS = sorted(path.name for path in (SHIPPED / "drop-ins").iterdir())
EXPOSED = {"tidemill.service": 22, "user/tidemill.service": 66}
"""Tenths of systemd's exposure points that a unit may have: 96 without any sandbox; 20 and 64 as shipped, on 252."""

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="the units were NOT verified: there is no systemd-analyze here"
)


def analyze(*arguments: str, runtime: Path) -> tuple[int, str]:
    done = subprocess.run(
        ["systemd-analyze", *arguments],
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime), "SYSTEMD_COLORS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_system_unit_verifies(copy_of, tmp_path):
    # verify exits 0 on unknown keys and bad values, so any word of it is a failure.
    assert analyze("verify", str(copy_of("tidemill.service")), runtime=tmp_path) == (0, "")


def test_the_user_unit_verifies(copy_of, tmp_path):
    assert analyze("verify", "--user", str(copy_of("user/tidemill.service")), runtime=tmp_path) == (0, "")


@pytest.mark.parametrize("drop_in", DROP_INS)
def test_every_drop_in_verifies(copy_of, tmp_path, drop_in):
    code, told = analyze("verify", str(copy_of("tidemill.service", drop_in)), runtime=tmp_path)
    # Before systemd 254 the one key is not known, which the drop-in itself says.
    unknown = [line for line in told.splitlines() if "DelegateSubgroup" not in line]
    assert (code, unknown) == (0, [])


@pytest.mark.parametrize("unit", EXPOSED)
def test_no_unit_is_more_exposed_than_is_recorded(copy_of, tmp_path, unit):
    code, told = analyze(
        "security", "--offline=true", f"--threshold={EXPOSED[unit]}", str(copy_of(unit)), runtime=tmp_path
    )
    assert code == 0, told.splitlines()[-1]


def test_what_would_break_flows_or_surviving_runs_is_not_there():
    settings = re.findall(r"^(\w+)=(.*)$", (SHIPPED / "tidemill.service").read_text(), flags=re.MULTILINE)
    names = [name for name, _ in settings]
    values = dict(settings)
    never = {"MemoryDenyWriteExecute", "PrivateNetwork", "PrivateTmp", "PrivateUsers", "Delegate", "DynamicUser"}
    assert not never & set(names)
    assert "@resources" not in values["SystemCallFilter"]
    assert (values["Type"], values["KillMode"], values["OOMPolicy"]) == ("notify", "process", "continue")
    assert values["RemoveIPC"] == "no"


def test_both_units_run_the_daemon_in_the_foreground_and_reload_through_the_cli():
    for unit in ("tidemill.service", "user/tidemill.service"):
        values = dict(re.findall(r"^(\w+)=(.*)$", (SHIPPED / unit).read_text(), flags=re.MULTILINE))
        assert values["ExecStart"].endswith("/bin/tidemill daemon")
        assert values["ExecReload"].endswith("/bin/tidemill reload")
        assert values["RestartPreventExitStatus"] == "5 6"


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="no systemd-sysusers here")
def test_user_and_folders_can_be_made(tmp_path):
    for tool, folder in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
        root = tmp_path / folder
        (root / "etc").mkdir(parents=True)
        (root / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\ntidemill:x:990:990::/var/lib/tidemill:/bin/sh\n")
        (root / "etc" / "group").write_text("root:x:0:\ntidemill:x:990:\n")
        done = subprocess.run(
            [tool, f"--root={root}", *(["--create"] if "tmpfiles" in tool else []), SHIPPED / folder / "tidemill.conf"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
