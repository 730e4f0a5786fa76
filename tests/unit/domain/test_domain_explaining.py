"""Sentences for ``why`` and marks for ``next``."""

from datetime import UTC, datetime

import pytest

from tidemill.domain.explaining import AFTER_GAP, FIRST, SECOND, explain_not_due, mark
from tidemill.domain.schedules import at, cron, every

ZONE = "Europe/Berlin"
SPRING = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
NIGHTLY = cron("30 2 * * *", timezone=ZONE)


def marks(spec, after, n=5):
    return [(moment.strftime("%H:%M"), mark(spec, moment)) for moment in spec.upcoming(after, n)]


@pytest.mark.parametrize(
    ("spec", "after", "expected"),
    [
        (NIGHTLY, SPRING, [("03:00", AFTER_GAP), ("02:30", "")]),
        (cron("0,30 2-3 * * *", timezone=ZONE), SPRING, [("03:00", ""), ("03:30", "")]),
        (cron("0 * * * *", timezone=ZONE), SPRING, [("03:00", ""), ("04:00", "")]),
        (
            every(days=1, anchor=datetime(2026, 1, 1, 2, 30), timezone=ZONE),
            SPRING,
            [("03:00", AFTER_GAP), ("02:30", "")],
        ),
        (every(minutes=30, timezone=ZONE), SPRING, [("03:00", ""), ("03:30", "")]),
        (NIGHTLY, AUTUMN, [("02:30", FIRST), ("02:30", "")]),
        (
            cron("*/30 2 * * *", timezone=ZONE),
            AUTUMN,
            [("02:00", FIRST), ("02:30", FIRST), ("02:00", SECOND), ("02:30", SECOND), ("02:00", "")],
        ),
        (at(datetime(2026, 10, 25, 2, 30, fold=1), timezone=ZONE), AUTUMN, [("02:30", SECOND)]),
    ],
)
def test_moments_that_a_change_of_the_clocks_touched_are_marked(spec, after, expected):
    assert marks(spec, after, len(expected)) == expected


def test_a_followed_jump_is_no_gap():
    spec = cron("0 0 * * *", timezone="Pacific/Apia")
    assert marks(spec, datetime(2011, 12, 30, 1, tzinfo=UTC), 1) == [("00:00", "")]


def test_a_time_in_a_gap_is_explained_with_what_was_due_instead():
    sentence = explain_not_due([NIGHTLY], datetime(2026, 3, 29, 2, 30), ZONE)
    assert sentence == (
        "2026-03-29 02:30 did not exist in Europe/Berlin: the clocks went forward to 03:00, and "
        "cron 30 2 * * * (Europe/Berlin) was due once right then, at 2026-03-29 03:00 CEST"
    )
    wild = explain_not_due([cron("*/30 2 * * *")], datetime(2026, 3, 29, 2, 30), ZONE)
    assert wild.endswith("and no schedule of the flow makes up for it")


def test_the_second_of_two_equal_times_is_explained():
    sentence = explain_not_due([NIGHTLY], datetime(2026, 10, 25, 1, 30, tzinfo=UTC), ZONE)
    assert sentence == (
        "02:30 came twice on 2026-10-25 in Europe/Berlin, when the clocks went back; "
        "cron 30 2 * * * (Europe/Berlin) has a fixed time and was due at the first, 2026-10-25 02:30 CEST"
    )


def test_any_other_time_is_explained_by_its_neighbours():
    sentence = explain_not_due([NIGHTLY, cron("0 12 * * 1")], datetime(2026, 11, 22, 8, 0), ZONE)
    assert sentence == (
        "no schedule of the flow has this moment; the last before it is 2026-11-22 02:30 CET "
        "(cron 30 2 * * * (Europe/Berlin)), the next after it is 2026-11-23 02:30 CET "
        "(cron 30 2 * * * (Europe/Berlin))"
    )


def test_a_schedule_that_is_over_has_no_next():
    sentence = explain_not_due([at(datetime(2026, 1, 1, tzinfo=UTC))], datetime(2026, 11, 22, tzinfo=UTC), ZONE)
    assert "the last before it is 2026-01-01 00:00 UTC" in sentence
    assert "next" not in sentence


def test_flows_without_a_time_say_so():
    assert "has no schedule, so it is never due by itself" in explain_not_due([], AUTUMN, ZONE)
    assert (
        explain_not_due([cron("@reboot")], AUTUMN, ZONE) == "it is due only when the machine boots, at no time of day"
    )
