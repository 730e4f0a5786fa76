"""Microseconds since 1970 in UTC, which the journal and the history hold, and datetimes, which people see."""

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Return an aware *moment* as microseconds since 1970 in UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the UTC datetime *micros* microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=micros)


def iso(micros: int | None) -> str | None:
    """Return the moment as ISO 8601 with offset, as every JSON output writes it; None stays None."""
    return None if micros is None else from_micros(micros).isoformat(timespec="microseconds")
