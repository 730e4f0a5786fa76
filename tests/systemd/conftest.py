"""What the checks of the units share: the units as shipped, copies to verify anywhere, a machine that has one."""

from pathlib import Path

import pytest

from systemd_machine import Machine, why_not_here

ON_A_MACHINE = ("test_systemd_real.py", "test_systemd_survival.py")
collect_ignore = [*ON_A_MACHINE] if why_not_here() else []
SHIPPED = Path(__file__).parents[2] / "systemd"
PROGRAMS = ("/opt/tidemill/bin/tidemill", "%h/.local/bin/tidemill")


@pytest.fixture
def copy_of(tmp_path):
    """Copy a unit so that its program exists here: verify complains about absent ones."""

    def copy(unit: str, drop_in: str | None = None) -> Path:
        text = (SHIPPED / unit).read_text()
        for program in PROGRAMS:
            text = text.replace(program, "/bin/true")
        path = tmp_path / "tidemill.service"
        path.write_text(text)
        if drop_in is not None:
            folder = tmp_path / "tidemill.service.d"
            folder.mkdir()
            (folder / drop_in).write_text((SHIPPED / "drop-ins" / drop_in).read_text())
        return path

    return copy


@pytest.fixture(scope="session")
def machine():
    with Machine() as installed:
        yield installed


@pytest.fixture
def service(machine):
    """The service, started and with no memory of earlier tests."""
    machine.systemctl("stop", "tidemill")
    machine.systemctl("reset-failed", "tidemill", check=False)
    machine.systemctl("start", "tidemill")
    yield machine
    for gate in ("started", "go"):
        machine.gate(gate).unlink(missing_ok=True)
    for name in ("watchdog", "end-runs", "patience", "scarce"):
        machine.drop_in(name, None)
    machine.show_journal()
