"""A delay that somebody asks for, however it is said."""

from datetime import UTC, datetime, timedelta


def seconds_asked(delay: float | timedelta | str) -> float:
    """Return a delay in seconds: a number, a timedelta, or the text of an HTTP ``Retry-After`` (seconds or a date).

    A date that has passed means now. Raises ValueError for what is no delay.
    """
    said: object = delay
    if isinstance(delay, str):
        said = float(delay) if delay.strip().isdecimal() else _until(delay)
    elif isinstance(delay, timedelta):
        said = delay.total_seconds()
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said < float("inf"):
        raise ValueError(f"a delay must be a number of seconds, a timedelta or a Retry-After header, not {delay!r}")
    return float(said)


def _until(date: str) -> float | None:
    # email costs milliseconds, and hardly anybody is told a date.
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    # A date without a zone is in UTC, as all dates of HTTP are.
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
