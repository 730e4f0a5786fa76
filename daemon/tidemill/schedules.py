"""Schedules under the names of Prefect's: ``from tidemill.schedules import Cron, Interval``."""

from datetime import datetime, timedelta
from typing import Any

from tidemill.authoring.unsupported import missing_from
from tidemill.domain.errors import ScheduleError
from tidemill.domain.schedules import ScheduleSpec, at, cron, every

__all__ = ["Cron", "Interval", "RRule", "at", "cron", "every"]

__getattr__ = missing_from(__name__)


def Cron(expression: str, /, timezone: str | None = None, **options: Any) -> ScheduleSpec:  # noqa: N802
    """Return ``cron(expression, timezone=…)``."""
    return cron(expression, timezone=timezone, **_supported(options))


def Interval(  # noqa: N802
    interval: timedelta | float, /, anchor_date: datetime | None = None, **options: Any
) -> ScheduleSpec:
    """Return ``every(seconds=…, anchor=…)``."""
    seconds = interval.total_seconds() if isinstance(interval, timedelta) else interval
    return every(seconds=seconds, anchor=anchor_date, **_supported(options))


def RRule(*_: Any, **__: Any) -> ScheduleSpec:  # noqa: N802
    """Refuse: calendars' rules are not read here."""
    raise ScheduleError("RRule schedules are not supported: write the same as cron(…), every(…) or several at(…)")


def _supported(options: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {name: options.pop(name) for name in ("parameters", "jitter") if name in options}
    for name, value in options.items():
        if value is not None and name not in ("active", "slug", "timezone", "day_or"):
            raise ScheduleError(f"a schedule has no option {name!r} here")
        if name == "active" and value is False:
            raise ScheduleError("a schedule is not switched off in its file: use tidemill pause FLOW")
        if name == "day_or" and value is False:
            raise ScheduleError("day_or=False is not supported: cron(…) has Debian cron's meaning")
    return known
