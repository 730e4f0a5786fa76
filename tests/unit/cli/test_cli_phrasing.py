from datetime import UTC, datetime, timedelta

import pytest

from tidemill.cli.phrasing import absolute, counted, duration, exact, relative, rough, size

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"),
        (0.4, "now"),
        (45, "in 45 s"),
        (-45, "45 s ago"),
        (-95, "1 min ago"),
        (-3 * 60, "3 min ago"),
        (-80 * 60, "1 h 20 min ago"),
        (5 * 3600, "in 5 h"),
        (-26 * 3600, "1 d 2 h ago"),
        (-400 * 86400, "1 y 35 d ago"),
    ],
)
def test_relative(seconds, text):
    assert relative(NOW + timedelta(seconds=seconds), NOW) == text


def test_nothing_has_no_words():
    assert relative(None, NOW) == absolute(None, NOW) == exact(None, NOW) == duration(None) == ""
    assert rough(0.2) == "0 s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0004, "0 ms"), (0.012, "12 ms"), (3.44, "3.4 s"), (59.99, "60.0 s"), (125, "2 min 5 s"), (3780, "1 h 3 min")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_the_date_is_told_only_when_it_is_another():
    assert absolute(NOW - timedelta(hours=6), NOW) == "02:00:00"
    assert absolute(NOW - timedelta(days=1), NOW) == "Sat 21 Nov 08:00"
    assert absolute(NOW - timedelta(days=400), NOW) == "2025-10-18 08:00"


def test_sizes_and_counts():
    assert [size(count) for count in (0, 1, 812, 1500, 2_500_000)] == [
        "0 bytes",
        "1 byte",
        "812 bytes",
        "1.5 kB",
        "2.5 MB",
    ]
    assert [counted(count, "flow") for count in (0, 1, 2)] == ["0 flows", "1 flow", "2 flows"]
