"""The clock's own thread, with real time: what is due arrives, once, in order and in slices."""

import threading
import time
from datetime import UTC, datetime, timedelta

import apscheduler.schedulers.base
import pytest

from tidemill.domain.schedules import at, cron, every
from tidemill.scheduler.clock import SLICE, Clock

SECONDLY = cron("* * * * * *", timezone="UTC")


class Receiver:
    """Collects deliveries, and lets a test wait until enough have come."""

    def __init__(self):
        self.slices = []
        self.refusing = False
        self._came = threading.Condition()

    def __call__(self, moments):
        if self.refusing:
            raise RuntimeError("the receiver is not there")
        with self._came:
            self.slices.append(list(moments))
            self._came.notify_all()

    @property
    def moments(self):
        return [moment for portion in self.slices for moment in portion]

    def wait_for(self, count):
        with self._came:
            assert self._came.wait_for(lambda: len(self.moments) >= count, timeout=30), len(self.moments)


class Wall:
    """A wall clock that can be set, for APScheduler and for us."""

    def __init__(self, monkeypatch):
        wall = self
        self.ahead = timedelta()

        class Shifted(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) + wall.ahead

        monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Shifted)

    def __call__(self):
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def running(receiver):
    clock = Clock(receiver)
    clock.start()
    yield clock
    clock.stop()


def test_moments_arrive_once_and_in_order(running, receiver):
    begun = datetime.now(UTC)
    running.set(1, SECONDLY, begun)
    receiver.wait_for(3)
    moments = [due.moment for due in receiver.moments]
    assert moments[0] == begun.replace(microsecond=0) + timedelta(seconds=1)
    assert moments == [moments[0] + timedelta(seconds=n) for n in range(len(moments))]
    assert running.next_at(1) > moments[-1]


def test_what_is_behind_at_the_start_is_delivered_at_once(receiver):
    clock = Clock(receiver)
    past = datetime.now(UTC) - timedelta(seconds=30)
    clock.set(1, every(seconds=10, anchor=past), past)
    assert clock.next_at(1) == past + timedelta(seconds=10)
    clock.start()
    receiver.wait_for(3)
    clock.stop()
    assert [due.moment for due in receiver.moments[:3]] == [past + timedelta(seconds=10 * n) for n in (1, 2, 3)]


def test_thousands_due_at_one_instant_come_in_slices_and_none_is_lost(receiver):
    clock = Clock(receiver)
    due = datetime.now(UTC) + timedelta(seconds=1.5)
    for schedule_id in range(3000):
        clock.set(schedule_id, at(due), due - timedelta(seconds=10))
    clock.start()
    receiver.wait_for(3000)
    clock.stop()
    assert sorted(moment.schedule_id for moment in receiver.moments) == list(range(3000))
    assert {moment.moment for moment in receiver.moments} == {due}
    assert max(map(len, receiver.slices)) == SLICE


def test_changing_schedules_never_waits_for_the_walk_through_due_ones():
    held, release = threading.Event(), threading.Event()

    def hold(moments):
        held.set()
        release.wait(30)

    clock = Clock(hold)
    clock.set(1, at(datetime.now(UTC) - timedelta(seconds=1)), datetime.now(UTC) - timedelta(seconds=2))
    clock.start()
    assert held.wait(30)
    clock.set(2, SECONDLY, datetime.now(UTC))
    clock.remove(1)
    assert clock.next_at(2) is not None
    assert clock.next_at(1) is None
    release.set()
    clock.stop()


def test_a_replaced_schedule_goes_on_as_the_new_one_and_a_removed_one_stops(running, receiver):
    running.set(1, at(datetime.now(UTC) + timedelta(days=1)), datetime.now(UTC))
    running.set(1, SECONDLY, datetime.now(UTC))
    running.set(2, SECONDLY, datetime.now(UTC))
    running.remove(2)
    receiver.wait_for(2)
    assert {due.schedule_id for due in receiver.moments} == {1}
    running.remove(1)
    running.remove(99)
    assert running.next_at(1) is None
    running.set(3, SECONDLY, datetime.now(UTC))
    before = len(receiver.moments)
    receiver.wait_for(before + 2)
    assert {due.schedule_id for due in receiver.moments[before + 1 :]} == {3}


def test_a_refused_delivery_is_kept_and_repeated(running, receiver, caplog):
    receiver.refusing = True
    begun = datetime.now(UTC)
    running.set(1, SECONDLY, begun)
    while "could not be handed over" not in caplog.text:
        time.sleep(0.01)
    receiver.refusing = False
    receiver.wait_for(2)
    first = begun.replace(microsecond=0) + timedelta(seconds=1)
    assert [due.moment for due in receiver.moments[:2]] == [first, first + timedelta(seconds=1)]


def test_a_clock_set_forward_delivers_what_passed(monkeypatch, receiver):
    wall, steps = Wall(monkeypatch), []
    clock = Clock(receiver, now=wall, on_step=steps.append)
    begun = wall()
    clock.start()
    clock.set(1, every(hours=1, anchor=begun - timedelta(minutes=30)), begun)
    wall.ahead = timedelta(hours=3)
    receiver.wait_for(3)
    clock.stop()
    assert [due.moment - begun for due in receiver.moments] == [timedelta(minutes=m) for m in (30, 90, 150)]
    assert steps
    assert abs(steps[0] - 3 * 3600) < 60


def test_a_clock_set_back_a_little_waits_and_repeats_nothing(monkeypatch, receiver):
    wall = Wall(monkeypatch)
    clock = Clock(receiver, now=wall)
    clock.start()
    clock.set(1, SECONDLY, wall())
    receiver.wait_for(2)
    wall.ahead = timedelta(minutes=-30)
    clock.wakeup()
    tick = clock.last_tick
    while clock.last_tick < tick + 2:
        time.sleep(0.02)
    clock.stop()
    moments = [due.moment for due in receiver.moments]
    assert moments == sorted(set(moments))
    assert clock.next_at(1) > wall() + timedelta(minutes=29)


def test_a_clock_set_back_tells_by_how_much_and_goes_on_from_where_it_is_told(monkeypatch, receiver):
    wall, steps = Wall(monkeypatch), []
    wall.ahead = timedelta(days=1000)

    def begin_anew(seconds):
        steps.append(seconds)
        clock.set(1, SECONDLY, wall())

    clock = Clock(receiver, now=wall, on_step=begin_anew)
    clock.set(1, SECONDLY, wall())
    clock.start()
    receiver.wait_for(1)
    wall.ahead = timedelta()
    while receiver.moments[-1].moment > wall() + timedelta(days=1):
        time.sleep(0.02)
    clock.stop()
    assert abs(receiver.moments[-1].moment - wall()) < timedelta(minutes=1)
    assert [round(seconds / 86400) for seconds in steps] == [-1000]


def test_a_step_before_it_was_started_is_noticed(monkeypatch, receiver):
    wall, steps = Wall(monkeypatch), []
    clock = Clock(receiver, now=wall, on_step=steps.append)
    wall.ahead = timedelta(hours=-5)
    clock.start()
    while not steps:
        time.sleep(0.01)
    clock.stop()
    assert [round(seconds) for seconds in steps] == [-5 * 3600]


def test_a_step_to_and_fro_before_it_was_started_is_noticed_by_who_looked_meanwhile(monkeypatch, receiver):
    wall, steps = Wall(monkeypatch), []
    clock = Clock(receiver, now=wall, on_step=steps.append)
    wall.ahead = timedelta(hours=5)
    assert clock.look() > wall() - timedelta(minutes=1)
    wall.ahead = timedelta()
    clock.start()
    while len(steps) < 2:
        time.sleep(0.01)
    clock.stop()
    assert [round(seconds) for seconds in steps] == [5 * 3600, -5 * 3600]


def test_it_ticks_without_schedules_and_stops_for_good(receiver):
    clock = Clock(receiver)
    clock.start()
    tick = clock.last_tick
    while clock.last_tick == tick:
        time.sleep(0.01)
    clock.set(1, SECONDLY, datetime.now(UTC))
    clock.stop()
    delivered = len(receiver.moments)
    clock.wakeup()
    clock.stop()
    assert len(receiver.moments) == delivered
    assert not any(thread.name == "APScheduler" for thread in threading.enumerate())


def test_it_can_be_stopped_in_the_middle_of_a_delivery():
    stopping = threading.Event()

    def stop_now(moments):
        stopping.set()
        time.sleep(0.05)

    for _ in range(5):
        stopping.clear()
        clock = Clock(stop_now)
        past = datetime.now(UTC) - timedelta(seconds=1)
        for schedule_id in range(2 * SLICE):
            clock.set(schedule_id, at(past), past - timedelta(seconds=1))
        clock.start()
        assert stopping.wait(30)
        clock.stop()


def test_two_years_behind_is_a_range_and_not_a_flood(running, receiver):
    running.set(1, SECONDLY, datetime.now(UTC) - timedelta(days=730))
    receiver.wait_for(SLICE + 2)
    ranges = [due for due in receiver.moments if due.until is not None]
    assert len(ranges) == 1
    assert ranges[0].until - ranges[0].moment > timedelta(days=729)
    assert len(receiver.moments) < 2 * SLICE
