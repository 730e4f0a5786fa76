"""What the checks of the units share: the units as they are shipped, and copies that can be verified anywhere."""

from pathlib import Path

import pytest

from systemd_machine import why_not_here

collect_ignore = ["test_systemd_real.py"] if why_not_here() else []
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
