"""Zones as spans: every change of offset in the time zone database is found, and walls are placed."""

import itertools
import os
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, _zoneinfo, available_timezones

import pytest

from tidemill.domain.errors import ScheduleError
from tidemill.domain.zones import local_zone, place, span_at, zone_name, zone_named

SINCE, UNTIL = 0, 2_145_916_800  # 1970 to 2038: what the compiled files list one by one


def seconds(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def listed(name):
    """Read the changes of offset that the zone's own file lists."""
    zone = _zoneinfo.ZoneInfo.no_cache(name)
    offsets = [int(info.utcoff.total_seconds()) for info in zone._ttinfos]
    befores = [int((zone._tti_before or zone._ttinfos[0]).utcoff.total_seconds()), *offsets]
    rows = zip(zone._trans_utc, befores, offsets, strict=False)
    return [row for row in rows if SINCE < row[0] < UNTIL and row[1] != row[2]]


def test_no_zone_changes_its_offset_and_back_between_two_probes():
    for name in available_timezones():
        changes = [row[0] for row in listed(name)]
        assert all(later - earlier > 12 * 3600 for earlier, later in itertools.pairwise(changes)), name


@pytest.mark.parametrize(
    "name",
    ["Africa/Casablanca", "Africa/Monrovia", "America/Havana", "America/New_York", "Antarctica/Casey", "Asia/Gaza",
     "Asia/Kathmandu", "Asia/Pyongyang", "Australia/Lord_Howe", "Europe/Lisbon", "Pacific/Apia", "UTC"],
)  # fmt: skip
def test_every_change_in_the_database_is_found(name):
    zone, span = ZoneInfo(name), span_at(ZoneInfo(name), SINCE)
    found = []
    while span.end < UNTIL:
        span = span_at(zone, span.end)
        if span.shift:
            found.append((span.start, span.before, span.offset))
    expected = listed(name)
    assert found[: len(expected)] == expected


def test_a_span_just_behind_the_edge_of_a_window_knows_what_was_before():
    zone = ZoneInfo("Europe/Berlin")
    change = seconds("2026-10-25T01:00")
    for ahead in (0, 1, 3600, 3 * 3600):
        span = span_at(zone, change + ahead)
        assert (span.start, span.before, span.offset) == (change, 7200, 3600)


@pytest.mark.parametrize(
    ("zone", "wall", "instant", "gap"),
    [
        ("Europe/Berlin", "2026-07-01T12:00", "2026-07-01T10:00", 0),
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00", 3600),
        ("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00", 0),
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30", 0),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30", 1800),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00", 86400),
        ("Pacific/Kiritimati", "2026-01-01T00:00", "2025-12-31T10:00", 0),
        ("Etc/GMT+12", "2026-01-01T00:00", "2026-01-01T12:00", 0),
    ],
)
def test_a_wall_is_placed(zone, wall, instant, gap):
    assert place(ZoneInfo(zone), seconds(wall)) == (seconds(instant), gap)


def test_the_name_of_a_zone_that_does_not_exist_is_refused_with_the_nearest():
    with pytest.raises(ScheduleError, match=r"no time zone 'europe/berln'; did you mean 'Europe/Berlin'\?"):
        zone_named("europe/berln")
    for wrong in ("", "../etc/passwd", "/etc/localtime", "Europe", "☃", "\0"):
        with pytest.raises(ScheduleError, match="there is no time zone"):
            zone_named(wrong)


@pytest.mark.parametrize(
    ("variable", "name"), [("Asia/Tokyo", "Asia/Tokyo"), (":Europe/Paris", "Europe/Paris"), ("UTC", "UTC")]
)
def test_the_local_zone_is_what_tz_names(monkeypatch, variable, name):
    monkeypatch.setenv("TZ", variable)
    assert zone_name(local_zone()) == name


def test_a_tz_that_is_no_zone_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("TZ", "CET-1CEST")
    with pytest.raises(ScheduleError, match="TZ='CET-1CEST' is not an IANA time zone"):
        local_zone()


def test_the_local_zone_without_tz_is_the_machines(monkeypatch):
    monkeypatch.delenv("TZ", raising=False)
    now = datetime.now(UTC)
    assert now.astimezone(local_zone()).utcoffset() is not None


def test_a_mere_offset_has_no_name():
    assert zone_name(timezone(timedelta(hours=2))) is None
    assert zone_name(None) is None
    assert "TZ" in os.environ or zone_name(UTC) == "UTC"
