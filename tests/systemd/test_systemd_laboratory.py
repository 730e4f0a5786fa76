"""Where PID 1 is no systemd: boot one with the command that TIDEMILL_SYSTEMD_LAB names, and run the real tests inside.

``COMMAND run FOLDER -- PROGRAM`` must boot a systemd, show it FOLDER as /src, run PROGRAM in it as root, and exit
with PROGRAM's code.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from systemd.conftest import ON_A_MACHINE
from systemd_machine import why_not_here

ROOT = Path(__file__).parents[2]
LAB = os.environ.get("TIDEMILL_SYSTEMD_LAB", "")
OBSTACLE = why_not_here()


@pytest.mark.skipif(OBSTACLE is None, reason="the unit was run by this machine's own systemd: test_systemd_real.py")
@pytest.mark.skipif(not LAB, reason=f"the unit was NOT run: {OBSTACLE}, and TIDEMILL_SYSTEMD_LAB names no laboratory")
@pytest.mark.timeout(420)
def test_the_unit_under_a_booted_systemd(tmp_path):
    # The laboratory has a /tmp of its own, so what lies in this clone is named by where it is shown there.
    venv = Path(sys.prefix)
    venv = Path("/src") / venv.relative_to(ROOT) if venv.is_relative_to(ROOT) else venv
    inner = [f"/src/tests/systemd/{name}" for name in ON_A_MACHINE]
    pytest_inside = [
        str(venv / "bin" / "python"),
        "-P",
        "-B",
        "-m",
        "pytest",
        "-v",
        "--durations=0",
        "-p",
        "no:cacheprovider",
        *inner,
    ]
    settings = ["env", "TIDEMILL_LAB_INSIDE=1", f"TIDEMILL_LAB_VENV={venv}"]
    done = subprocess.run(
        [*shlex.split(LAB), "run", str(ROOT), "--", *settings, *pytest_inside],
        env={**os.environ, "LAB_RO_SRC": "1", "LAB_NAME": f"tidemill-{os.getpid()}", "LAB_STATE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
