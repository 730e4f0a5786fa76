"""A stretch of time as a schedule sees it."""

from datetime import UTC, datetime

import pytest

from tidemill.domain.schedules import at, cron, every
from tidemill.domain.stretches import MOST_COUNTED, Stretch, stretch
from tidemill.domain.times import to_micros

NOON = to_micros(datetime(2026, 3, 28, 12, tzinfo=UTC))
SECOND = 1_000_000
DAY = 86400 * SECOND


def test_its_end_belongs_to_it_and_its_beginning_does_not():
    assert stretch(every(minutes=1), NOON, NOON + 120 * SECOND) == Stretch(NOON + 60 * SECOND, NOON + 120 * SECOND, 2)


@pytest.mark.parametrize("spec", [at(datetime(2030, 1, 1, tzinfo=UTC)), cron("@reboot")])
def test_nothing_is_due_where_nothing_is(spec):
    assert stretch(spec, NOON, NOON + 30 * DAY) is None


def test_more_than_can_be_counted_end_where_they_end():
    assert stretch(every(seconds=1), NOON, NOON + DAY + 1) == Stretch(NOON + SECOND, NOON + DAY, MOST_COUNTED)


def test_a_gap_of_the_clock_holds_the_moment_that_follows_it():
    berlin = cron("30 2 * * *", timezone="Europe/Berlin")
    after_the_gap = to_micros(datetime(2026, 3, 29, 1, tzinfo=UTC))
    assert stretch(berlin, NOON, NOON + DAY) == Stretch(after_the_gap, after_the_gap, 1)
