"""The tester tested: whatever is wrong with the daemon has to be noticed within a few hundred faults."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.elsewhere import CAUGHT_BY
from chaos.simulation.bugs import BUGS
from chaos.simulation.exploring import explore


@pytest.mark.parametrize(("bug", "first"), BUGS.items(), ids=[bug.__name__ for bug in BUGS])
def test_a_seeded_bug_is_caught(bug, first):
    with bug():
        findings = explore(range(first, first + 100), rounds=30, stop_at=0)

    assert findings.violations, f"{findings.total} faults, and nothing was noticed"


@pytest.mark.parametrize(("bug", "test"), CAUGHT_BY.items(), ids=[bug.__name__ for bug in CAUGHT_BY])
def test_a_seeded_bug_is_caught_elsewhere(bug, test):
    folder = Path(__file__).parents[1]
    environment = {
        **os.environ,
        "TIDEMILL_SEEDED_BUG": bug.__name__,
        "PYTHONPATH": os.pathsep.join((str(folder), str(folder.parent / "daemon"))),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "chaos.elsewhere", "-p", "no:cacheprovider"]

    done = subprocess.run(
        [*command, str(folder / test)], env=environment, cwd=folder.parent, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]
    assert "1 failed" in done.stdout
