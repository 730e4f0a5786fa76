"""The tester tested: whatever is wrong with the daemon has to be noticed within a few hundred faults."""

import pytest

from chaos.simulation.bugs import BUGS
from chaos.simulation.exploring import explore


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_seeded_bug_is_caught(bug):
    with bug():
        findings = explore(range(1, 61), rounds=25, stop_at=0)

    assert findings.violations, f"{findings.total} faults, and nothing was noticed"
