"""Time zones as spans of one offset: what cron's arithmetic needs, and zoneinfo does not tell.

Instants are whole seconds since 1970 in UTC; a *wall* is what the clock on the wall shows, as seconds
since 1970-01-01 00:00 on that same wall. Offsets lead from one to the other: ``wall = instant + offset``.
"""

import os
from bisect import bisect_right
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from tidemill.domain.errors import ScheduleError

LARGE_JUMP: Final = 3 * 3600
"""Debian cron follows a jump forward of this many seconds, or back of more, without making up for anything."""

EARLIEST: Final = -62_000_000_000
LATEST: Final = 253_000_000_000
"""Instants this module can place: inside the years of a datetime, with a margin."""

_SECOND: Final = timedelta(seconds=1)
_LOCALTIME: Final = Path("/etc/localtime")
_WINDOW_BITS: Final = 25
"""Offsets are looked up by windows of 2**25 seconds, a little more than a year."""
_PROBE: Final = 12 * 3600
"""No zone has changed its offset and back within this many seconds; a test compares it with the whole database."""
_MARGIN: Final = 4 * 3600
"""How far a window looks back, so that a change just before its edge is still known as the start of its span."""


class Span(NamedTuple):
    """A stretch of time in which a zone keeps one offset, cut at window edges."""

    start: int
    end: int
    offset: int
    before: int
    """The offset just before *start*; equal to *offset* where only a window begins."""

    @property
    def shift(self) -> int:
        """Seconds the wall clock jumped at *start*: forward when positive."""
        return self.offset - self.before


@lru_cache(maxsize=1024)
def zone_named(name: str) -> tzinfo:
    """Return the zone with the IANA *name*, or refuse it with the nearest name that exists."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        import difflib

        known = {zone.lower(): zone for zone in available_timezones()}
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean {known[near[0]]!r}?" if near else "use an IANA name such as 'Europe/Berlin'"
        raise ScheduleError(f"there is no time zone {name!r}; {hint}") from None


def local_zone() -> tzinfo:
    """Return the machine's zone: what TZ names, else what /etc/localtime is."""
    return _local_zone(os.environ.get("TZ"))


@lru_cache(maxsize=16)
def _local_zone(variable: str | None) -> tzinfo:
    if variable:
        try:
            return zone_named(variable.removeprefix(":"))
        except ScheduleError:
            hint = "set it to a name such as 'Europe/Berlin'"
            raise ScheduleError(f"TZ={variable!r} is not an IANA time zone; {hint}") from None
    target = str(_LOCALTIME.resolve())
    if "/zoneinfo/" in target:
        return zone_named(target.split("/zoneinfo/", 1)[1].removeprefix("posix/"))
    if variable == "" or not _LOCALTIME.exists():
        return UTC  # as the C library reads it
    with _LOCALTIME.open("rb") as file:
        return ZoneInfo.from_file(file, key="localtime")


def zone_name(zone: tzinfo | None) -> str | None:
    """Return the IANA name of *zone*; None for a mere offset."""
    return "UTC" if zone is UTC else getattr(zone, "key", None)


def span_at(zone: tzinfo, instant: int) -> Span:
    """Return the span of *zone* that holds *instant*."""
    starts, spans = _window(zone, instant >> _WINDOW_BITS)
    return spans[bisect_right(starts, instant) - 1]


def place(zone: tzinfo, wall: int) -> tuple[int, int]:
    """Return the first instant at which the clock of *zone* shows *wall*, and the size of the gap that swallowed it.

    A wall inside a gap never shows; its instant is the first one after the gap. Elsewhere the size is 0.
    """
    span = span_at(zone, wall - 26 * 3600)
    while wall >= span.end + span.offset:
        span = span_at(zone, span.end)
    if wall < span.start + span.offset:
        return span.start, span.shift
    return wall - span.offset, 0


@lru_cache(maxsize=4096)
def _window(zone: tzinfo, index: int) -> tuple[tuple[int, ...], tuple[Span, ...]]:
    """Find all changes of offset in one window by probing, since a tzinfo lists none."""
    first, end = (index << _WINDOW_BITS) - _MARGIN, (index + 1) << _WINDOW_BITS
    spans: list[Span] = []
    start, before, offset = first, _offset(zone, first), _offset(zone, first)
    for low in range(first, end, _PROBE):
        high = min(low + _PROBE, end - 1)
        if _offset(zone, high) != offset:
            change = _change(zone, low, high)
            spans.append(Span(start, change, offset, before))
            start, before, offset = change, offset, _offset(zone, high)
    spans.append(Span(start, end, offset, before))
    return tuple(span.start for span in spans), tuple(spans)


def _change(zone: tzinfo, low: int, high: int) -> int:
    """Return the first instant in (low, high] with the offset of *high*."""
    new = _offset(zone, high)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == new:
            high = middle
        else:
            low = middle
    return high


def _offset(zone: tzinfo, instant: int) -> int:
    moment = datetime.fromtimestamp(min(max(instant, EARLIEST), LATEST), zone)
    return (moment.utcoffset() or timedelta()) // _SECOND
