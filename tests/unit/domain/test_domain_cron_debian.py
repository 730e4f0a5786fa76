"""Every due time is compared with a minute-by-minute simulation of Debian's cron (cron.c, find_jobs and main loop)."""

import itertools
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.domain.schedules import cron
from tidemill.domain.zones import span_at

RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
EPOCH = date(1970, 1, 1).toordinal()

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


def read(expression: str) -> tuple[list[set[int]], bool, bool]:
    """Read plain numbers, ranges, steps: the oracle's own few lines, so that a fault in ours is not repeated."""
    fields = expression.split()
    values = []
    for text, (low, high) in zip(fields, RANGES, strict=True):
        field: set[int] = set()
        for part in text.split(","):
            span, _, step = part.partition("/")
            first, last = (low, high) if span == "*" else ([*map(int, span.split("-"))] * 2)[:2]
            field |= set(range(first, last + 1, int(step or 1)))
        values.append(field)
    values[4] = {day % 7 for day in values[4]}
    star = fields[2][0] == "*" or fields[4][0] == "*"
    return values, star, fields[0][0] == "*" or fields[1][0] == "*"


@cache
def broken_down(minute: int) -> tuple[int, int, int, int, int]:
    day, rest = divmod(minute, 1440)
    on = date.fromordinal(day + EPOCH)
    return rest % 60, rest // 60, on.day, on.month, (day + 4) % 7


def simulate(zone: ZoneInfo, start: int, end: int) -> list[tuple[int, list[int], list[int]]]:
    """Run cron's loop: for every real minute, the walls whose wild and whose fixed entries it looks up."""
    looked: list[tuple[int, list[int], list[int]]] = []
    virtual: int | None = None
    for instant in range(start - start % 60, end, 60):
        offset = datetime.fromtimestamp(instant, zone).utcoffset()
        clock = (instant + int(offset.total_seconds())) // 60
        virtual = clock - 1 if virtual is None else virtual
        diff = clock - virtual
        if diff > 180 or diff <= -180:
            virtual = clock
            looked.append((instant, [clock], [clock]))
        elif diff > 5:
            looked.append((instant, [clock], list(range(virtual + 1, clock + 1))))
            virtual = clock
        elif diff > 0:
            passed = list(range(virtual + 1, clock + 1))
            looked.append((instant, passed, passed))
            virtual = clock
        else:
            looked.append((instant, [clock], []))
    return looked


def due_in(looked: list[tuple[int, list[int], list[int]]], expression: str) -> list[int]:
    (minutes, hours, days, months, weekdays), star, wild = read(expression)

    def matches(wall: int) -> bool:
        minute, hour, day, month, weekday = broken_down(wall)
        if minute not in minutes or hour not in hours or month not in months:
            return False
        return (day in days and weekday in weekdays) if star else (day in days or weekday in weekdays)

    return [instant for instant, wilds, fixed in looked if any(map(matches, wilds if wild else fixed))]


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
