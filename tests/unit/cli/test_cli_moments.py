from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tidemill.cli.moments import parse_moment, parse_since, parse_span
from tidemill.control.answers import UsageError

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30min", 1800),
        ("30m", 1800),
        ("2h", 7200),
        ("1h30m", 5400),
        ("3 days", 259200),
        ("1w", 604800),
        ("1.5h", 5400),
    ],
)
def test_lengths_of_time(text, seconds):
    assert parse_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "2", "2x", "h", "2h later", "-2h", "9" * 400 + "w"])
def test_what_is_no_length_of_time_is_refused_with_examples(text):
    with pytest.raises(UsageError, match=r"no length of time|longer than time"):
        parse_span(text)


@pytest.mark.parametrize(
    ("text", "naive"),
    [
        ("02:00", datetime(2026, 11, 22, 2, 0)),
        ("9:00", datetime(2026, 11, 22, 9, 0)),  # the clock in Berlin shows 09:00 now
        ("23:30", datetime(2026, 11, 21, 23, 30)),
        ("yesterday 02:00", datetime(2026, 11, 21, 2, 0)),
        ("tomorrow 02:00:30", datetime(2026, 11, 23, 2, 0, 30)),
        ("today", datetime(2026, 11, 22)),
        ("2026-03-29T02:30", datetime(2026, 3, 29, 2, 30)),
    ],
)
def test_what_a_clock_shows_stays_naive(text, naive):
    assert parse_moment(text, NOW, BERLIN) == naive


@pytest.mark.parametrize(
    ("text", "aware"),
    [
        ("now", NOW),
        ("2h ago", NOW - timedelta(hours=2)),
        ("in 30min", NOW + timedelta(minutes=30)),
        ("2026-11-22T02:00+01:00", datetime(2026, 11, 22, 1, 0, tzinfo=UTC)),
        ("2026-11-22T02:00Z", datetime(2026, 11, 22, 2, 0, tzinfo=UTC)),
    ],
)
def test_what_names_an_instant_is_one(text, aware):
    assert parse_moment(text, NOW, BERLIN) == aware


@pytest.mark.parametrize("text", ["", "noon", "25:00", "02:60", "2026-13-01", "99999999999w ago", "yesterday noon"])
def test_what_is_no_moment_is_refused_with_examples(text):
    with pytest.raises(UsageError):
        parse_moment(text, NOW)


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31T23:59Z", "900000d ago", "in 400000d"])
def test_what_lies_beyond_all_schedules_is_refused(text):
    with pytest.raises(UsageError, match="lies outside of time"):
        parse_moment(text, NOW, BERLIN)


def test_a_listing_begins_within_time():
    with pytest.raises(UsageError):
        parse_since("900000d", NOW)


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("2h ago", NOW - timedelta(hours=2)),
        ("2026-11-01T00:00Z", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("yesterday", datetime(2026, 11, 21, tzinfo=UTC)),
        ("02:00", datetime(2026, 11, 22, 2, 0, tzinfo=UTC)),
    ],
)
def test_where_a_listing_begins(text, begin):
    assert parse_since(text, NOW) == begin
