"""Every due time is compared with a minute-by-minute simulation of Debian's cron (cron.c, find_jobs and main loop)."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debian_cron import due_in, simulate
from tidemill.domain.schedules import cron
from tidemill.domain.zones import span_at

EXPRESSIONS = (
    "30 2 * * *",
    "0,30 0-3 * * *",
    "15 23,0,1 * * *",
    "0 0 * * *",
    "*/20 * * * *",
    "*/15 1-2 * * *",
    "10 */2 * * *",
    "0 * * * *",
    "5 1 */2 * 0-3",
    "45 0-4 1,13,29 * 0,6,7",
)

ZONES = (
    "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Africa/Cairo",
    "Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kwajalein", "Pacific/Chatham", "Asia/Tehran",
    "Asia/Pyongyang", "Asia/Kathmandu", "America/Caracas", "America/Godthab", "Antarctica/Troll", "Antarctica/Casey",
    "Antarctica/Vostok", "Europe/Dublin", "Asia/Gaza", "America/Scoresbysund", "Pacific/Enderbury", "Asia/Amman",
)  # fmt: skip
"""Half hours, two hours, three hours back, skipped days, changes at midnight, negative DST, Ramadan."""


def ours(expression: str, zone: str, start: int, end: int) -> list[int]:
    spec, found = cron(expression, timezone=zone), []
    moment = datetime.fromtimestamp(start - 1, UTC)
    while (due := spec.next_after(moment)) is not None and due.timestamp() < end:
        found.append(int(due.timestamp()))
        moment = due
    return found


def changes(zone: str, since: int, until: int) -> list[int]:
    found, span = [], span_at(ZoneInfo(zone), since)
    while span.end < until:
        span = span_at(ZoneInfo(zone), span.end)
        if span.shift:
            found.append(span.start)
    return found


def assert_same(zone: str, change: int, expressions: tuple[str, ...], hours: int = 14) -> None:
    start, end = change - hours * 3600, change + hours * 3600
    looked = simulate(ZoneInfo(zone), start, end)
    for expression in expressions:
        expected = due_in(looked, expression)
        shown = [datetime.fromtimestamp(at, ZoneInfo(zone)).isoformat() for at in expected]
        assert ours(expression, zone, start, end) == expected, (zone, expression, shown)


@pytest.mark.parametrize("zone", ZONES)
def test_due_times_are_debians_around_every_kind_of_change(zone):
    seen = set()
    for change in changes(zone, 300_000_000, 1_900_000_000):
        span = span_at(ZoneInfo(zone), change)
        kind = (span.shift, (change + span.before) % 86400, change >> 29)
        if kind not in seen:
            seen.add(kind)
            assert_same(zone, change, EXPRESSIONS)
    assert seen


numbers = st.integers


def field(low: int, high: int) -> st.SearchStrategy[str]:
    pair = st.tuples(numbers(low, high), numbers(low, high)).map(sorted)
    part = st.one_of(
        numbers(low, high).map(str),
        pair.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        st.tuples(pair, numbers(1, 20)).map(lambda both: f"{both[0][0]}-{both[0][1]}/{both[1]}"),
        numbers(1, 20).map(lambda step: f"*/{step}"),
        st.just("*"),
    )
    return st.lists(part, min_size=1, max_size=3).map(",".join)


expressions = st.tuples(field(0, 59), field(0, 23), field(1, 28), st.just("*"), field(0, 7)).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(expression=expressions, zone=st.sampled_from(ZONES), place=st.floats(0, 1))
def test_any_expression_is_due_when_debians_cron_runs_it(expression, zone, place):
    around = changes(zone, 300_000_000, 1_900_000_000)
    assert_same(zone, around[int(place * (len(around) - 1))], (expression,), hours=8)


@settings(max_examples=150, deadline=None)
@given(
    expression=expressions,
    zone=st.sampled_from(sorted(available_timezones())),
    after=st.datetimes(datetime(1975, 1, 1), datetime(2090, 1, 1)),
)
def test_moments_are_aware_later_ascending_and_independent_of_where_one_asks(expression, zone, after):
    spec = cron(expression, timezone=zone)
    after = after.replace(tzinfo=UTC)
    moments = [moment.astimezone(UTC) for moment in spec.upcoming(after, 5)]
    assert len(moments) == 5
    assert moments == sorted(set(moments))
    assert moments[0] > after
    for earlier, later in itertools.pairwise(moments):
        assert spec.next_after(later - timedelta(microseconds=1)).astimezone(UTC) == later
        assert spec.next_after(earlier).astimezone(UTC) == later
        assert spec.previous_before(later).astimezone(UTC) == earlier
