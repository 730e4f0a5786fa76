"""The daemon's rooms under simulated faults; ``make chaos`` has campaigns of the same."""

import pytest

from chaos.simulation.exploring import explore, walk
from chaos.simulation.faults import COMMIT_POINTS


@pytest.mark.parametrize("first", [1, 101, 201, 301])
def test_no_promise_breaks_whatever_is_killed(first):
    findings = explore(range(first, first + 4), rounds=25)

    assert not findings.violations
    assert findings.total > 60
    assert findings.lives > 60
    assert findings.stats["moments"] > 500


@pytest.mark.parametrize("point", [*COMMIT_POINTS, "order before", "order after", "append middle"])
def test_a_kill_at_each_point_of_a_life_breaks_no_promise(point):
    assert walk(1, point, steps=150) > 0
