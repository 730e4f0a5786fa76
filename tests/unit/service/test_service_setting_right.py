from datetime import UTC, datetime

import pytest

from tidemill.domain.manifests import FlowManifest
from tidemill.domain.schedules import every
from tidemill.domain.times import from_micros
from tidemill.history.taking_back import TakenBack
from tidemill.service.roster import KnownFlow, Roster
from tidemill.service.setting_right import SettingRight

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)
SPEC = every(minutes=1)


class FakeRecording:
    def __init__(self):
        self.asked = []

    def submit(self, work, done):
        self.asked.append(done)

    async def perform(self, work):
        return [TakenBack(1, 5, 3)]


class FakeInbox:
    def put(self, listener, fact):
        listener(fact)


class FakeClock:
    def __init__(self):
        self.told = []

    def set(self, schedule_id, spec, after):
        self.told.append((schedule_id, spec, after))


@pytest.fixture
def right():
    roster = Roster()
    roster.put(KnownFlow(FlowManifest("f", "graph"), "/f.py", {}, "v"))
    roster.schedule("f", {1: SPEC})
    made = SettingRight(roster, FakeRecording(), FakeInbox(), FakeClock(), lambda: NOW)
    made.asked, made.told = made._recording.asked, made._clock.told
    return made


def test_a_clock_that_is_set_forward_asks_nothing(right):
    right.stepped(3600)
    assert right.asked == []


def test_schedules_go_on_from_where_the_history_says(right, caplog):
    right.stepped(-4 * 3600)
    right.asked[0]([TakenBack(1, 7_000_000, 12), TakenBack(99, 7_000_000, 1)])
    assert right.told == [(1, SPEC, from_micros(7_000_000))]
    assert "13 moments that had been decided about without a run are due again" in caplog.text


def test_a_small_step_is_followed_without_a_word(right, caplog):
    right.stepped(-60)
    right.asked[0]([TakenBack(1, 7_000_000, 0)])
    assert len(right.told) == 1
    assert caplog.text == ""


def test_a_history_that_cannot_follow_is_told(right, caplog):
    right.stepped(-60)
    right.asked[0](OSError("the disk is gone"))
    assert right.told == []
    assert "could not follow the clock that was set back: the disk is gone" in caplog.text
