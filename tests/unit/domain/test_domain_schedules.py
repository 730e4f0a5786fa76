"""Schedules as values: intervals, single moments, what they answer and what they refuse."""

import itertools
import math
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.domain.errors import ScheduleError
from tidemill.domain.schedules import ScheduleSpec, at, cron, every

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def utc(moments):
    return [moment.astimezone(UTC) for moment in moments]


def walls(moments):
    return [moment.strftime("%d %H:%M") for moment in moments]


def test_an_interval_without_an_anchor_is_counted_from_the_epoch_so_that_restarts_move_nothing():
    five = every(minutes=5, timezone="UTC")
    for late in range(0, 300, 37):
        assert five.upcoming(NOON + timedelta(seconds=late), 1) == [NOON + timedelta(minutes=5)]


def test_an_interval_with_an_anchor_goes_through_it_in_both_directions():
    anchor = datetime(2030, 1, 1, 0, 7, tzinfo=UTC)
    spec = every(hours=6, anchor=anchor)
    assert utc(spec.upcoming(NOON, 2)) == [
        datetime(2026, 11, 22, 12, 7, tzinfo=UTC),
        datetime(2026, 11, 22, 18, 7, tzinfo=UTC),
    ]
    assert spec.upcoming(anchor - timedelta(seconds=1), 1) == [anchor]


def test_short_intervals_count_elapsed_time_through_a_change_of_the_clocks():
    moments = utc(every(hours=6, timezone="Europe/Berlin").upcoming(datetime(2026, 10, 24, 20, tzinfo=UTC), 4))
    assert {later - earlier for earlier, later in itertools.pairwise(moments)} == {timedelta(hours=6)}


@pytest.mark.parametrize(
    "spec",
    [
        every(days=1, anchor=datetime(2026, 1, 1, 9, 0, tzinfo=BERLIN)),
        every(hours=24, anchor=datetime(2026, 1, 1, 9, 0), timezone="Europe/Berlin"),
        every(days=1, anchor=datetime(2026, 1, 1, 8, 0, tzinfo=UTC), timezone="Europe/Berlin"),
    ],
)
def test_whole_days_keep_the_wall_clocks_time(spec):
    assert spec.timezone == "Europe/Berlin"
    assert walls(spec.upcoming(datetime(2026, 10, 23, 12, tzinfo=UTC), 4)) == [
        "24 09:00",
        "25 09:00",
        "26 09:00",
        "27 09:00",
    ]
    assert walls(spec.upcoming(datetime(2026, 3, 27, 12, tzinfo=UTC), 3)) == ["28 09:00", "29 09:00", "30 09:00"]


def test_a_daily_interval_in_a_gap_comes_right_after_it_and_in_a_repeated_hour_once():
    spec = every(days=1, anchor=datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN))
    assert walls(spec.upcoming(datetime(2026, 3, 28, 12, tzinfo=UTC), 2)) == ["29 03:00", "30 02:30"]
    autumn = spec.upcoming(datetime(2026, 10, 24, 12, tzinfo=UTC), 2)
    assert walls(autumn) == ["25 02:30", "26 02:30"]
    assert autumn[0].utcoffset() == timedelta(hours=2)
    assert walls(spec.upcoming(datetime(2026, 10, 25, 1, 10, tzinfo=UTC), 1)) == ["26 02:30"]


def test_whole_days_without_a_zone_are_local_midnights(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert utc(every(days=1).upcoming(NOON, 1)) == [datetime(2026, 11, 22, 15, 0, tzinfo=UTC)]
    assert every(weeks=1).upcoming(NOON, 1)[0].strftime("%a %H:%M") == "Thu 00:00"


def test_an_anchor_with_a_mere_offset_counts_elapsed_time():
    spec = every(days=1, anchor=datetime(2026, 1, 1, 9, 0, tzinfo=timezone(timedelta(hours=1))))
    assert spec.timezone is None
    assert [m.astimezone(UTC).hour for m in spec.upcoming(datetime(2026, 10, 23, 12, tzinfo=UTC), 4)] == [8, 8, 8, 8]


def test_a_day_that_was_skipped_has_no_moment():
    spec = every(days=1, anchor=datetime(2011, 12, 1, 12, 0), timezone="Pacific/Apia")
    assert walls(spec.upcoming(datetime(2011, 12, 29, 0, 0, tzinfo=UTC), 3)) == ["29 12:00", "31 12:00", "01 12:00"]


def test_fractions_of_a_second_are_kept_exactly():
    moments = every(seconds=1.5, timezone="UTC").upcoming(NOON, 3)
    assert [(m - NOON).total_seconds() for m in moments] == [1.5, 3.0, 4.5]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "at least one second, such as minutes=5, not 0:00:00"),
        ({"minutes": -5}, "at least one second"),
        ({"seconds": 0.2}, "at least one second"),
        ({"minutes": "5"}, "takes numbers of weeks, days, hours, minutes and seconds"),
        ({"hours": math.nan}, "takes numbers"),
        ({"days": 1e12}, "takes numbers"),
        ({"days": 40_000}, "a hundred years at most"),
        ({"minutes": 5, "anchor": "09:00"}, r"every\(anchor=\) takes a datetime"),
        ({"minutes": 5, "timezone": "Mars/Olympus"}, "there is no time zone 'Mars/Olympus'"),
        ({"minutes": 5, "jitter": -1}, "jitter is a number of seconds of 0 or more, not -1"),
        ({"minutes": 5, "jitter": math.inf}, "jitter is a number"),
        ({"minutes": 5, "jitter": "1m"}, "jitter is a number"),
        ({"minutes": 5, "parameters": ["a"]}, "parameters of a schedule are given by name"),
        ({"minutes": 5, "parameters": {1: "a"}}, "named by text, not 1"),
        ({"minutes": 5, "parameters": {"a": {1, 2}}}, "parameter 'a' cannot be kept as JSON"),
        ({"minutes": 5, "parameters": {"a": math.nan}}, "parameter 'a' cannot be kept as JSON"),
    ],
)
def test_wrong_intervals_are_refused_in_one_sentence(arguments, says):
    with pytest.raises(ScheduleError, match=says):
        every(**arguments)


def test_a_single_moment_is_due_once():
    moment = datetime(2027, 1, 31, 8, 30, tzinfo=BERLIN)
    spec = at(moment)
    assert spec.timezone == "Europe/Berlin"
    assert spec.upcoming(NOON, 5) == [moment]
    assert spec.upcoming(moment, 5) == []
    assert spec.previous_before(moment) is None
    assert spec.previous_before(moment + timedelta(days=900)) == moment


def test_a_naive_moment_is_local_and_one_with_a_zone_is_of_that_zone(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert utc(at(datetime(2027, 1, 31, 9, 0)).upcoming(NOON, 1)) == [datetime(2027, 1, 31, 0, 0, tzinfo=UTC)]
    given_zone = at(datetime(2027, 1, 31, 9, 0), timezone="Europe/Berlin")
    assert utc(given_zone.upcoming(NOON, 1)) == [datetime(2027, 1, 31, 8, 0, tzinfo=UTC)]
    assert utc(at(datetime(2027, 1, 31, 9, 0)).in_zone("UTC").upcoming(NOON, 1)) == [
        datetime(2027, 1, 31, 9, 0, tzinfo=UTC)
    ]


def test_a_moment_in_a_gap_is_right_after_it_and_the_second_of_two_can_be_meant():
    for moment, zone in (
        (datetime(2026, 3, 29, 2, 30), "Europe/Berlin"),
        (datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN), None),
    ):
        assert utc(at(moment, timezone=zone).upcoming(datetime(2026, 1, 1, tzinfo=UTC), 1)) == [
            datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
        ]
    for fold, hour in ((0, 0), (1, 1)):
        twice = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=fold)
        assert utc(at(twice).upcoming(datetime(2026, 1, 1, tzinfo=UTC), 1)) == [
            datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
        ]


@pytest.mark.parametrize("moment", ["2027-01-31", date(2027, 1, 31), 5, None])
def test_what_is_no_datetime_is_refused(moment):
    with pytest.raises(ScheduleError, match=r"at\(\) takes a datetime"):
        at(moment)


@pytest.mark.parametrize("spec", [cron("* * * * *"), every(minutes=5), at(NOON), cron("@reboot")])
def test_asking_from_a_naive_time_is_refused_with_the_way_out(spec):
    naive = datetime(2026, 1, 1)
    for ask in (lambda: spec.upcoming(naive, 1), lambda: spec.next_after(naive), lambda: spec.previous_before(naive)):
        with pytest.raises(ScheduleError, match="has no time zone, so it names no instant; give an aware datetime"):
            ask()
    with pytest.raises(ScheduleError, match="0 or more, not -1"):
        spec.upcoming(NOON, -1)
    assert spec.upcoming(NOON, 0) == []


def test_moments_come_in_the_schedules_zone_and_strictly_later():
    moments = cron("0 12 * * *", timezone="Asia/Kolkata").upcoming(datetime(2026, 11, 22, 6, 30, tzinfo=UTC), 1)
    assert moments[0].isoformat() == "2026-11-23T12:00:00+05:30"
    assert moments[0].tzinfo == ZoneInfo("Asia/Kolkata")
    just_before = datetime(2026, 11, 22, 6, 29, 59, 999_999, tzinfo=UTC)
    assert (
        cron("0 12 * * *", timezone="Asia/Kolkata").upcoming(just_before, 1)[0].isoformat()
        == "2026-11-22T12:00:00+05:30"
    )


def test_the_default_zone_fills_in_only_where_none_is_named():
    assert cron("0 2 * * *").in_zone("Asia/Tokyo").timezone == "Asia/Tokyo"
    assert cron("0 2 * * *", timezone="UTC").in_zone("Asia/Tokyo").timezone == "UTC"
    assert cron("0 2 * * *").in_zone(None).timezone is None


def test_the_key_tells_schedules_apart_and_ignores_what_moves_no_moment():
    base = cron("0 2 * * *", timezone="UTC", parameters={"a": 1, "b": [2]})
    assert base.key() == cron("0  2 * * * ", timezone="UTC", parameters={"b": [2], "a": 1}).key()
    assert base.key() == cron("0 2 * * *", timezone="UTC", parameters={"a": 1, "b": [2]}, jitter=30).key()
    others = [
        cron("0 3 * * *", timezone="UTC", parameters={"a": 1, "b": [2]}),
        cron("0 2 * * *", timezone="Asia/Tokyo", parameters={"a": 1, "b": [2]}),
        cron("0 2 * * *", timezone="UTC"),
        every(days=1, timezone="UTC"),
        every(days=1, timezone="UTC", anchor=NOON),
    ]
    assert len({spec.key() for spec in [base, *others]}) == 6


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (cron("0 2 * * *", timezone="Europe/Berlin"), "cron 0 2 * * * (Europe/Berlin)"),
        (every(minutes=5), "every 5 minutes"),
        (every(hours=1), "every hour"),
        (every(days=1.5), "every 36 hours"),
        (every(seconds=1.5), "every 1.5 seconds"),
        (every(weeks=2, anchor=NOON), "every 2 weeks from 2026-11-22T12:00:00 (UTC)"),
        (at(NOON), "once at 2026-11-22T12:00:00+00:00 (UTC)"),
        (cron("@reboot"), "at every boot of the machine"),
    ],
)
def test_schedules_describe_themselves(spec, words):
    assert spec.describe() == words


def test_jitter_takes_seconds_or_a_timedelta():
    assert cron("@daily", jitter=timedelta(minutes=2)).jitter == every(minutes=5, jitter=120).jitter == 120.0


def test_the_ends_of_time_have_no_moments_and_break_nothing():
    for spec in (cron("0 0 1 1 *", timezone="UTC"), every(days=7, timezone="UTC"), every(minutes=7, timezone="UTC")):
        assert spec.upcoming(datetime.max.replace(tzinfo=UTC), 1) == []
        assert spec.upcoming(datetime.min.replace(tzinfo=UTC), 1)[0] > datetime(1, 1, 1, tzinfo=UTC)
    assert isinstance(cron("@daily"), ScheduleSpec)


@settings(max_examples=100, deadline=None)
@given(
    interval=st.integers(1, 40 * 86400),
    zone=st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "UTC"]),
    anchor=st.none() | st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1)),
    after=st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1)),
)
def test_intervals_ascend_and_do_not_depend_on_where_one_asks(interval, zone, anchor, after):
    spec = every(seconds=interval, timezone=zone, anchor=anchor)
    moments = utc(spec.upcoming(after.replace(tzinfo=UTC), 4))
    assert moments == sorted(set(moments))
    assert moments[0] > after.replace(tzinfo=UTC)
    for earlier, later in itertools.pairwise(moments):
        assert spec.next_after(later - timedelta(microseconds=1)).astimezone(UTC) == later
        assert spec.previous_before(later).astimezone(UTC) == earlier
    if interval % 86400:
        assert {b - a for a, b in itertools.pairwise(moments)} == {timedelta(seconds=interval)}
