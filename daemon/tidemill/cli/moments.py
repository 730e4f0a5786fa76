"""The times that people type: ``2h``, ``02:00``, ``yesterday 02:00``, ``2h ago``, ISO 8601."""

import re
from datetime import datetime, time, timedelta, tzinfo
from typing import Final

from tidemill.control.answers import UsageError

_UNITS: Final = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_PART: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(sec|min|[smhdw])[a-z]*\s*", re.IGNORECASE)
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_DAYS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}
_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 2999
_ADVICE: Final = "write it as 02:00, 'yesterday 02:00', '2h ago' or 2026-11-22T02:00"


def parse_span(text: str) -> timedelta:
    """Return the length of time that *text* names: ``90s``, ``2h``, ``1h30m``, ``3 days``."""
    seconds, place = 0.0, 0
    while place < len(text):
        part = _PART.match(text, place)
        if part is None:
            break
        seconds += float(part[1]) * _UNITS[part[2].lower()]
        place = part.end()
    if place == 0 or place < len(text):
        raise UsageError(f"{text!r} is no length of time; write it as 90s, 30min, 2h, 1h30m, 3d or 1w")
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise UsageError(f"{text!r} is longer than time itself") from None


def parse_moment(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """Return the moment that *text* names; naive where it names what a clock in *zone* (None: the machine's) shows.

    A time of day alone is its latest occurrence that has passed, for people ask about what happened.
    """
    words = text.strip().lower()
    try:
        found = _relative(words, now) or _on_the_clock(words, now.astimezone(zone).replace(tzinfo=None)) or _iso(text)
    except OverflowError:
        found = None
    # Near the ends of what a date can hold, a change of zone falls off them; and no schedule is asked there.
    if found is None or not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise UsageError(f"{text!r} lies outside of time; {_ADVICE}")
    return found


def parse_since(text: str, now: datetime) -> datetime:
    """Return where a listing begins: a length of time ago, or a moment."""
    words = text.strip()
    if _PART.match(words) and not _CLOCK.search(words) and "-" not in words and not words.endswith("ago"):
        words += " ago"
    moment = parse_moment(words, now)
    return moment if moment.tzinfo else moment.astimezone()


def _relative(words: str, now: datetime) -> datetime | None:
    if words == "now":
        return now
    if words.endswith(" ago"):
        return now - parse_span(words.removesuffix(" ago"))
    if words.startswith("in "):
        return now + parse_span(words.removeprefix("in "))
    return None


def _on_the_clock(words: str, here: datetime) -> datetime | None:
    """Return the wall time of ``02:00`` and ``yesterday 02:00``, or None where *words* are neither."""
    day, _, rest = words.partition(" ")
    if day in _DAYS:
        clock = _clock(rest.strip()) if rest.strip() else time()
        return None if clock is None else datetime.combine(here.date() + timedelta(days=_DAYS[day]), clock)
    clock = _clock(words)
    if clock is None:
        return None
    today = datetime.combine(here.date(), clock)
    return today if today <= here else today - timedelta(days=1)


def _clock(words: str) -> time | None:
    match = _CLOCK.fullmatch(words)
    if match is None:
        return None
    try:
        return time(int(match[1]), int(match[2]), int(match[3] or 0))
    except ValueError:
        raise UsageError(f"{words!r} is no time of day") from None


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"{text!r} is no moment; {_ADVICE}") from None
