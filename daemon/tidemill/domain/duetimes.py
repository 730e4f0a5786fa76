"""From matching walls to due instants: what happens to a schedule when the clocks change.

Debian's cron keeps a virtual clock. After a jump forward of less than three hours it makes up for the
fixed-time entries of the skipped stretch, at once; after a jump back of up to three hours it runs only the
wild ones until the virtual clock is reached again; larger jumps it simply follows.
"""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Final

from tidemill.domain.cron import CronExpression
from tidemill.domain.times import to_micros
from tidemill.domain.zones import EARLIEST, LARGE_JUMP, LATEST, place, span_at

_GIVE_UP: Final = 100 * 366 * 86400
"""Every possible date comes round within 40 years, 29 February on a given weekday across 2100 included."""
_MICROSECONDS: Final = 1_000_000
_FURTHEST_BACK: Final = 2**31 * _MICROSECONDS
DAY: Final = 86400 * _MICROSECONDS


def next_cron(cron: CronExpression, zone: tzinfo, after: int) -> int | None:
    """Return the first instant later than *after* at which *cron* is due in *zone*."""
    after = max(after, EARLIEST)
    limit = min(after + _GIVE_UP, LATEST)
    while after < limit:
        span = span_at(zone, after + 1)
        wall = after + 1 + span.offset
        if span.shift and not cron.wild:
            if 0 < span.shift < LARGE_JUMP and after + 1 == span.start:
                if cron.next_wall(span.start + span.before, span.start + span.offset) is not None:
                    return span.start
            elif -LARGE_JUMP <= span.shift < 0:
                wall = max(wall, span.start + span.before)
        found = cron.next_wall(wall, span.end + span.offset)
        if found is not None:
            return found - span.offset
        after = span.end - 1
    return None


def next_elapsed(interval: int, anchor: int, after: int) -> int:
    """Return the first instant later than *after* that lies whole intervals from *anchor*; all in microseconds."""
    return anchor + ((after - anchor) // interval + 1) * interval


def next_calendar(interval: int, anchor_wall: int, zone: tzinfo, after: int) -> int:
    """Return the first instant later than *after* whose wall lies whole intervals, of days, from *anchor_wall*.

    In microseconds. Gaps and repeated hours as for a fixed cron time: after the gap, and once.
    """
    seconds, fraction = divmod(after, _MICROSECONDS)
    wall = (seconds + span_at(zone, seconds).offset) * _MICROSECONDS + fraction
    turn = (wall - anchor_wall) // interval - 1
    while True:
        due = calendar_instant(anchor_wall + turn * interval, zone)
        if due is not None and due > after:
            return due
        turn += 1


def calendar_instant(wall: int, zone: tzinfo) -> int | None:
    """Return the instant that *wall* stands for, both in microseconds; None in a jump too large to make up for."""
    seconds, fraction = divmod(wall, _MICROSECONDS)
    instant, gap = place(zone, seconds)
    if gap >= LARGE_JUMP:
        return None
    return instant * _MICROSECONDS + (0 if gap else fraction)


def latest_before(next_after: Callable[[int], int | None], end: int) -> int | None:
    """Return the last due instant earlier than *end*, found with *next_after* alone; None when 68 years hold none."""

    def is_due_since(start: int) -> bool:
        due = next_after(start)
        return due is not None and due < end

    back = _MICROSECONDS
    while not is_due_since(end - back):
        back *= 2
        if back > _FURTHEST_BACK:
            return None
    low, high = end - back, end - 1
    while high - low > 1:  # something is due after low, nothing after high
        middle = (low + high) // 2
        if is_due_since(middle):
            low = middle
        else:
            high = middle
    return next_after(low)


def instant_of(moment: datetime, zone: tzinfo) -> int:
    """Return the instant of *moment*, a naive one read in *zone*: the first one after a gap, the first of two."""
    if moment.tzinfo is not None:
        return to_micros(moment)
    seconds, fraction = divmod(to_micros(moment.replace(tzinfo=UTC)), _MICROSECONDS)
    instant, gap = place(zone, seconds)
    return instant * _MICROSECONDS + (0 if gap else fraction)


def wall_of(anchor: datetime | None, zone: tzinfo) -> int:
    """Return what the clock of *zone* shows at *anchor*, in microseconds; at the epoch's midnight without one."""
    if anchor is None:
        return 0
    if anchor.tzinfo is None:
        return to_micros(anchor.replace(tzinfo=UTC))
    micros = to_micros(anchor)
    return micros + span_at(zone, micros // _MICROSECONDS).offset * _MICROSECONDS
