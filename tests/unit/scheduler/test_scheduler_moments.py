"""The trigger: each moment once, in order, whatever the clock does."""

from datetime import UTC, datetime, timedelta

from tidemill.domain.schedules import at, cron, every
from tidemill.scheduler.jitter import delay
from tidemill.scheduler.moments import MOST_PASSED, DueMoment, Moments, portions

START = datetime(2026, 11, 22, 9, 0, 0, tzinfo=UTC)
MINUTELY = cron("* * * * *", timezone="UTC")
MINUTE = timedelta(minutes=1)


def ask(moments, now):
    """Ask as APScheduler does for a due job: the times, then the hand-over, then the next time."""
    first = moments.get_next_fire_time(moments.next_start, now)
    taken = moments.take()
    assert moments.get_next_fire_time(None, now) == first
    return taken


def test_a_due_moment_is_taken_once():
    moments = Moments(7, MINUTELY, START)
    assert moments.next_at == START + MINUTE
    assert [(m.schedule_id, m.moment, m.until) for m in ask(moments, START + MINUTE)] == [(7, START + MINUTE, None)]
    assert moments.next_at == START + 2 * MINUTE
    assert ask(moments, START + MINUTE) == []


def test_what_passed_between_two_looks_is_taken_in_order():
    moments = Moments(7, MINUTELY, START)
    taken = ask(moments, START + timedelta(minutes=5, seconds=30))
    assert [m.moment for m in taken] == [START + n * MINUTE for n in range(1, 6)]
    assert moments.next_at == START + 6 * MINUTE


def test_a_clock_set_back_repeats_nothing():
    moments = Moments(7, MINUTELY, START)
    ask(moments, START + 5 * MINUTE)
    assert ask(moments, START + 2 * MINUTE) == []
    assert moments.next_at == START + 6 * MINUTE


def test_a_leap_of_a_year_is_one_range_and_not_half_a_million_moments():
    moments = Moments(7, MINUTELY, START)
    now = START + timedelta(days=365, seconds=30)
    taken = ask(moments, now)
    assert [m.moment for m in taken[:MOST_PASSED]] == [START + n * MINUTE for n in range(1, MOST_PASSED + 1)]
    (leapt,) = taken[MOST_PASSED:]
    assert leapt.moment == START + (MOST_PASSED + 1) * MINUTE
    assert leapt.until == START + timedelta(days=365)
    assert moments.next_at == START + timedelta(days=365, minutes=1)


def test_a_single_moment_leaves_nothing_behind():
    moments = Moments(7, at(START + MINUTE), START)
    assert len(ask(moments, START + MINUTE)) == 1
    assert moments.next_at is None
    assert moments.next_start is None


def test_portions_are_cut_between_schedules_only():
    moments = [DueMoment(key, START + n * MINUTE) for key, n in [(1, 0), (2, 0), (2, 1), (2, 2), (3, 0), (4, 0)]]
    assert list(portions(moments, 2)) == [moments[:4], moments[4:]]
    assert [len(portion) for portion in portions(moments, 100)] == [6]
    assert list(portions([], 2)) == []


def test_jitter_delays_the_start_and_not_the_moment():
    spec = every(minutes=1, timezone="UTC", jitter=30)
    moments = Moments(7, spec, START)
    assert moments.next_at == START + MINUTE
    start = moments.next_start
    assert START + MINUTE <= start < START + MINUTE + timedelta(seconds=30)
    assert ask(moments, start - timedelta(microseconds=1)) == []
    assert [m.moment for m in ask(moments, start)] == [START + MINUTE]


def test_jitter_longer_than_the_interval_keeps_the_order_and_loses_nothing():
    moments = Moments(7, every(seconds=10, timezone="UTC", jitter=120), START)
    taken, now = [], START
    for _ in range(600):
        now += timedelta(seconds=1)
        taken += [m.moment for m in ask(moments, now)]
    assert taken == [START + timedelta(seconds=10 * n) for n in range(1, len(taken) + 1)]
    assert len(taken) >= 48


def test_jitter_is_drawn_once_for_each_moment_and_spreads():
    drawn = {delay("nightly", moment, 60) for moment in range(0, 200_000_000, 1_000_000)}
    assert len(drawn) == 200
    assert all(0 <= one < 60_000_000 for one in drawn)
    assert max(drawn) > 50_000_000
    assert min(drawn) < 10_000_000
    assert delay("nightly", 5, 60) == delay("nightly", 5, 60)
    assert delay("nightly", 5, 60) != delay("weekly", 5, 60)
    assert delay("nightly", 5, 0) == 0
