"""The daemon's rooms under simulated faults; ``make chaos`` has campaigns of the same."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from chaos.simulation.exploring import explore, walk
from chaos.simulation.faults import COMMIT_POINTS
from chaos.simulation.physics import Hours
from chaos.simulation.promises import Looks, promised

HOUR = 3600


@pytest.mark.parametrize("first", [1, 101, 201, 301])
def test_no_promise_breaks_whatever_is_killed(first):
    findings = explore(range(first, first + 4), rounds=25)

    assert not findings.violations
    assert findings.total > 60
    assert findings.lives > 60
    assert findings.stats["moments"] > 500


def test_a_seed_makes_the_same_world_in_whatever_order_sets_are_walked():
    simulate = Path(__file__).with_name("simulate.py")
    command = [sys.executable, "-P", simulate, "--seed", "11000268", "--worlds", "1", "--rounds", "35"]
    processes = [
        subprocess.Popen(command, env={**os.environ, "PYTHONHASHSEED": order}, stdout=subprocess.PIPE)
        for order in "123"
    ]
    worlds = [json.loads(process.communicate(timeout=120)[0]) for process in processes]

    for world in worlds:
        del world["seconds"]
    assert worlds[0]["faults"] > 80
    assert worlds[1:] == worlds[:1] * 2


@pytest.mark.parametrize("point", [*COMMIT_POINTS, "order before", "order after", "append middle"])
def test_a_kill_at_each_point_of_a_life_breaks_no_promise(point):
    assert walk(2, point, steps=150) > 0


@pytest.mark.parametrize("far", [0, 30])
def test_what_a_small_step_back_left_ahead_is_promised_until_the_clock_is_set_back_from_far_ahead(far):
    hours, looks = Hours(1_780_000_000), Looks()

    def look(after):
        hours.pass_by(after)
        looks.note(SimpleNamespace(ticked_at=int(hours.time() * 1000) * 1000 + len(hours.eras) - 1, is_settled=True))
        return looks.last[len(hours.eras) - 1]

    begun = int(hours.time() * 1_000_000)
    hours.jump(2 * HOUR)
    ahead = look(60)
    hours.jump(-2 * HOUR)
    look(60)
    hours.jump(far * HOUR)
    hours.pass_by(60)  # what a daemon decided here, and did not live to look again, reaches so far too
    hours.jump(-far * HOUR)
    now = look(60)

    high = max(end for _, end in promised([(begun, None)], looks, hours, jitter=0))

    assert high == (now if far else ahead)
