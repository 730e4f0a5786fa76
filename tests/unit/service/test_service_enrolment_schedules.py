"""A schedule whose file has changed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tidemill.domain.manifests import FlowManifest
from tidemill.domain.schedules import every
from tidemill.history.records import StoredSchedule
from tidemill.service.enrolment import Enrolment
from tidemill.service.roster import KnownFlow, Roster

COMING = datetime(2026, 5, 5, 12, tzinfo=UTC)


class FakeClock:
    def __init__(self):
        self.told = []

    def next_at(self, schedule_id):
        return COMING

    def set(self, schedule_id, spec, after):
        self.told.append((schedule_id, spec, after))


def enrolled(before, spec):
    """Return what the clock is told of a schedule that it has as *before* and that is *spec* now."""
    roster, clock = Roster(), FakeClock()
    flow = KnownFlow(FlowManifest("f", "graph"), "/f.py", {}, "v")
    roster.put(flow)
    roster.schedule("f", {1: before})
    enrolment = Enrolment(
        roster, None, None, None, clock, sources=None, flows_dir=Path("/"), timezone=None, paused={}, now=None
    )
    enrolment._schedule(flow, [StoredSchedule(1, spec, 0)])
    return clock.told


def test_a_schedule_that_is_ticking_is_left_alone():
    assert enrolled(every(minutes=1), every(minutes=1)) == []


def test_another_jitter_is_in_force_from_the_next_moment_on():
    jittery = every(minutes=1, jitter=20)
    assert enrolled(every(minutes=1), jittery) == [(1, jittery, COMING - timedelta(microseconds=1))]
