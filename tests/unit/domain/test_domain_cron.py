"""Cron expressions: what they mean, and in which words a wrong one is refused."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from tidemill.domain.cron import MACROS, parse
from tidemill.domain.errors import ScheduleError
from tidemill.domain.schedules import cron

SUNDAY = datetime(2026, 11, 22, 0, 0, tzinfo=UTC)


def days(expression, n=5, after=SUNDAY, zone="UTC"):
    return [f"{moment:%a %d %b}" for moment in cron(expression, timezone=zone).upcoming(after, n)]


def times(expression, n=4, after=SUNDAY, zone="UTC"):
    return [f"{moment:%d %H:%M:%S}" for moment in cron(expression, timezone=zone).upcoming(after, n)]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("0", ["Sun"]),
        ("7", ["Sun"]),
        ("0,7", ["Sun"]),
        ("1", ["Mon"]),
        ("1-5", ["Mon", "Tue", "Wed", "Thu", "Fri"]),
        ("5-7", ["Fri", "Sat", "Sun"]),
        ("fri-sun", ["Fri", "Sat", "Sun"]),
        ("sun-tue", ["Mon", "Tue", "Sun"]),
        ("SAT,Sun", ["Sat", "Sun"]),
        ("mon-fri/2", ["Mon", "Wed", "Fri"]),
        ("*/2", ["Tue", "Thu", "Sat", "Sun"]),
        ("1-7/3", ["Mon", "Thu", "Sun"]),
    ],
)
def test_weekdays_are_numbered_from_sunday(field, expected):
    week = days(f"0 0 * * {field}", 7)
    assert [day[:3] for day in week][: len(expected)] == expected


def test_day_of_month_or_day_of_week_when_neither_begins_with_a_star():
    assert days("0 0 13 * 5", 4, datetime(2026, 11, 1, tzinfo=UTC)) == [
        "Fri 06 Nov",
        "Fri 13 Nov",
        "Fri 20 Nov",
        "Fri 27 Nov",
    ]
    assert days("0 0 1,15 * mon", 4) == ["Mon 23 Nov", "Mon 30 Nov", "Tue 01 Dec", "Mon 07 Dec"]
    assert days("0 0 1-31 * 1", 3) == ["Mon 23 Nov", "Tue 24 Nov", "Wed 25 Nov"]


def test_both_days_must_match_when_one_begins_with_a_star():
    assert days("0 0 */2 * 1", 3) == ["Mon 23 Nov", "Mon 07 Dec", "Mon 21 Dec"]
    assert days("0 0 13 * */2", 2) == ["Sun 13 Dec", "Sat 13 Feb"]
    assert days("0 0 *,5 * 1", 2) == ["Mon 23 Nov", "Mon 30 Nov"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/20 1 * * *", ["22 01:00:00", "22 01:20:00", "22 01:40:00", "23 01:00:00"]),
        ("10-40/15 1 * * *", ["22 01:10:00", "22 01:25:00", "22 01:40:00", "23 01:10:00"]),
        ("*/90 */13 * * *", ["22 13:00:00", "23 00:00:00", "23 13:00:00", "24 00:00:00"]),
        ("5,3,5 007 * * *", ["22 07:03:00", "22 07:05:00", "23 07:03:00", "23 07:05:00"]),
        ("  0\t8  *  *  *  ", ["22 08:00:00", "23 08:00:00", "24 08:00:00", "25 08:00:00"]),
        ("59 23 * * *", ["22 23:59:00", "23 23:59:00", "24 23:59:00", "25 23:59:00"]),
    ],
)
def test_ranges_lists_and_steps(expression, expected):
    assert times(expression) == expected


def test_six_fields_begin_with_seconds():
    assert times("*/20 * * * * *") == ["22 00:00:20", "22 00:00:40", "22 00:01:00", "22 00:01:20"]
    assert times("15,45 30 6 * * *") == ["22 06:30:15", "22 06:30:45", "23 06:30:15", "23 06:30:45"]
    assert times("30 * * * * *", 1, SUNDAY.replace(second=30)) == ["22 00:01:30"]


@pytest.mark.parametrize("macro", MACROS)
def test_names_for_whole_expressions(macro):
    assert cron(macro, timezone="UTC").upcoming(SUNDAY, 3) == cron(MACROS[macro], timezone="UTC").upcoming(SUNDAY, 3)


def test_reboot_is_due_at_no_time():
    spec = cron("@reboot")
    assert spec.kind == "reboot"
    assert spec.upcoming(SUNDAY, 3) == []
    assert spec.next_after(SUNDAY) is None
    assert spec.previous_before(SUNDAY) is None


def test_leap_day_is_found_over_the_century_that_has_none():
    assert [m.year for m in cron("0 0 29 2 *", timezone="UTC").upcoming(datetime(2094, 1, 1, tzinfo=UTC), 3)] == [
        2096,
        2104,
        2108,
    ]
    monday_leap_days = cron("0 0 29 2 */7", timezone="UTC").upcoming(datetime(2070, 1, 1, tzinfo=UTC), 2)
    assert [f"{m:%Y-%m-%d %a}" for m in monday_leap_days] == ["2088-02-29 Sun", "2128-02-29 Sun"]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("* * * *", "has 4 fields; it takes five"),
        ("* * * * * * *", "has 7 fields"),
        ("", "has 0 fields"),
        ("60 * * * *", "minute field '60': 60 is outside 0-59"),
        ("* 24 * * *", "hour field '24': 24 is outside 0-23"),
        ("* * 0 * *", "day-of-month field '0': 0 is outside 1-31"),
        ("* * * 13 *", "month field '13': 13 is outside 1-12"),
        ("* * * * 8", "day-of-week field '8': 8 is outside 0-7"),
        ("61 * * * * *", "second field '61': 61 is outside 0-59"),
        ("5-64/30 * * * *", "64 is outside 0-59"),
        ("5/15 * * * *", "a step needs a range; for '5/15' write 5-59/15"),
        ("*/0 * * * *", "a step of 0 never moves"),
        ("30-10 * * * *", "runs backwards; write it in two, such as 30-59,0-10"),
        ("0 0 * * fri-mon", "runs backwards; write it in two, such as 5-7,0-1"),
        ("0 0 * * mond", "'mond' is not a number; names are sun, mon"),
        ("0 0 * mon *", "'mon' is not a number; names are jan, feb"),
        ("0 0 L * *", "day-of-month field 'l': 'l' is not a number"),
        ("0 0 ? * *", "'?' is none of a value, a-b, a-b/n, * or */n"),
        ("0 0 * * 5#2", "'5#2' is none of"),
        ("1, * * * *", "'' is none of"),
        ("-5 * * * *", "'-5' is none of"),
        ("*5 * * * *", "'*5' is none of"),
        ("\u0661 * * * *", "is none of"),
        ("99999999999999999999 * * * *", "is outside 0-59"),
        ("0 0 30 2 *", "is never due: no month of field '2' has a day 30"),
        ("0 0 31 feb,apr,jun */2", "is never due"),
        ("@dialy", "did you mean @daily?"),
        ("@never", "there is no @never; known are @reboot and @yearly"),
    ],
)
def test_wrong_expressions_are_refused_with_what_is_allowed(expression, says):
    with pytest.raises(ScheduleError) as refusal:
        cron(expression)
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_expression_that_is_no_text_is_refused():
    with pytest.raises(ScheduleError, match="takes its expression as text"):
        cron(5)


def test_an_impossible_date_is_allowed_where_the_weekday_is_enough():
    assert days("0 0 30 2 1", 2, datetime(2027, 1, 30, tzinfo=UTC)) == ["Mon 01 Feb", "Mon 08 Feb"]


def test_wild_is_what_begins_with_a_star_in_minute_or_hour():
    assert parse("* 3 * * *").wild
    assert parse("0 */2 * * *").wild
    assert parse("@hourly").wild
    assert parse("*/10 0 3 * * *").wild
    assert not parse("0-59 3 * * *").wild
    assert not parse("@daily").wild


ORACLE = (
    "*/5 * * * *", "0 9 * * 1-5", "0 0 13 * 5", "30 2 * * *", "15 */6 1,15 * *", "0 0 29 2 *",
    "7,37 8-18 * mar-oct mon", "0 12 1-7 * */7", "45 23 31 * *", "0 4 8-14 * 6,0", "*/7 3 * 1-12/5 *",
)  # fmt: skip


@pytest.mark.parametrize("expression", ORACLE)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
def test_agrees_with_cronsim_where_cronsim_is_right(expression, zone):
    after = datetime(2026, 1, 17, 5, 30, tzinfo=ZoneInfo(zone))
    theirs = CronSim(expression, after)
    assert cron(expression, timezone=zone).upcoming(after, 200) == [next(theirs) for _ in range(200)]


@pytest.mark.parametrize(
    ("expression", "zone", "after", "right"),
    [
        # Asked from inside the repeated hour, a fixed time has been.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10Z", "2026-10-26T02:30:00+01:00"),
        # A skipped day, or three hours, are followed and not made up for.
        ("30 12 * * *", "Pacific/Apia", "2011-12-30T09:00Z", "2011-12-31T12:30:00+14:00"),
        ("30 2 * * *", "Antarctica/Casey", "2009-10-17T13:00Z", "2009-10-19T02:30:00+11:00"),
        # A gap hides the wild times inside it and no others; steps of hours meet the new hours at once.
        ("*/30 1-2 * * *", "Asia/Gaza", "2010-03-26T21:59Z", "2010-03-27T01:30:00+03:00"),
        ("*/15 1-2 * * *", "Asia/Kathmandu", "1985-12-31T19:14Z", "1986-01-01T01:00:00+05:45"),
        ("10 */2 * * *", "Australia/Lord_Howe", "1986-03-15T15:20Z", "1986-03-16T02:10:00+10:30"),
        ("0 * * * *", "Asia/Pyongyang", "2018-05-04T14:45Z", "2018-05-05T00:00:00+09:00"),
    ],
)
def test_disagrees_with_cronsim_where_cronsim_is_not_debians_cron(expression, zone, after, right):
    asked = datetime.fromisoformat(after).astimezone(ZoneInfo(zone))
    assert cron(expression, timezone=zone).upcoming(asked, 1)[0].isoformat() == right


def test_a_backward_range_of_names_is_refused_and_not_silently_empty():
    with pytest.raises(ScheduleError, match="backwards"):
        cron("0 0 * * sat-fri")
