"""Times, durations and sizes in a person's words."""

from datetime import datetime
from typing import Final

_HOUR: Final = 3600
_UNITS: Final = ((86400 * 365, "y"), (86400, "d"), (_HOUR, "h"), (60, "min"), (1, "s"))
_SIZES: Final = ("bytes", "kB", "MB", "GB", "TB")


def moment(text: str | None) -> datetime | None:
    """Return the moment that an ISO 8601 *text* names."""
    return None if text is None else datetime.fromisoformat(text)


def relative(then: datetime | None, now: datetime) -> str:
    """Return how far *then* is from *now*: ``3 min ago``, ``in 2 h``."""
    if then is None:
        return ""
    seconds = (then - now).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"in {rough(seconds)}" if seconds > 0 else f"{rough(-seconds)} ago"


def rough(seconds: float) -> str:
    """Return *seconds* in one unit, two where the first is large and few: ``45 s``, ``1 h 20 min``, ``3 d``."""
    whole = int(seconds)
    for place, (size, unit) in enumerate(_UNITS):
        count, rest = divmod(whole, size)
        if count == 0:
            continue
        if count < 3 and size >= _HOUR:
            smaller, name = _UNITS[place + 1]
            if rest // smaller:
                return f"{count} {unit} {rest // smaller} {name}"
        return f"{count} {unit}"
    return "0 s"


def duration(seconds: float | None) -> str:
    """Return a measured time: ``12 ms``, ``3.4 s``, ``2 min 5 s``, ``1 h 3 min``."""
    if seconds is None:
        return ""
    if round(seconds, 3) < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def absolute(then: datetime | None, now: datetime) -> str:
    """Return *then* on the local clock, as short as *now* allows: the time today, else with the date."""
    if then is None:
        return ""
    here, today = then.astimezone(), now.astimezone()
    if here.date() == today.date():
        return here.strftime("%H:%M:%S")
    if here.year == today.year:
        return here.strftime("%a %d %b %H:%M")
    return here.strftime("%Y-%m-%d %H:%M")


def both(then: datetime | None, now: datetime) -> str:
    """Return *then* on the clock and how far it is away."""
    return "" if then is None else f"{absolute(then, now)} ({relative(then, now)})"


def exact(then: datetime | None, now: datetime) -> str:
    """Return *then* with date, seconds and offset, and how far it is away."""
    return "" if then is None else f"{then.astimezone():%Y-%m-%d %H:%M:%S %z} ({relative(then, now)})"


def size(count: int) -> str:
    """Return *count* bytes: ``812 bytes``, ``1.5 MB``."""
    amount, place = float(count), 0
    while amount >= 1000 and place < len(_SIZES) - 1:
        amount, place = amount / 1000, place + 1
    if place == 0:
        return "1 byte" if count == 1 else f"{count} bytes"
    return f"{amount:.1f} {_SIZES[place]}"


def counted(count: int, noun: str) -> str:
    """Return *count* with its noun: ``1 flow``, ``2 flows``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def without_password(url: str) -> str:
    """Return the URL of a database with stars in place of its password; a path as it is."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    place, slash, behind = rest.partition("/")
    who, at, host = place.rpartition("@")
    name, colon, _ = who.partition(":")
    return f"{scheme}://{name}:***@{host}{slash}{behind}" if at and colon else url
