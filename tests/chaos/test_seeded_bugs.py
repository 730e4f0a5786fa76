"""The tester tested: whatever is wrong with the daemon has to be noticed within a few hundred faults."""

import pytest

from chaos.simulation.bugs import BUGS
from chaos.simulation.exploring import explore


@pytest.mark.parametrize(("bug", "first"), BUGS.items(), ids=[bug.__name__ for bug in BUGS])
def test_a_seeded_bug_is_caught(bug, first):
    with bug():
        findings = explore(range(first, first + 100), rounds=30, stop_at=0)

    assert findings.violations, f"{findings.total} faults, and nothing was noticed"
