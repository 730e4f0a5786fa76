"""What a flow file declares its schedules with: checked at once, in the meaning of crontab(5) as Debian ships it."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from datetime import timezone as fixed_offset
from typing import Any

from tidemill.domain import cron as crontab
from tidemill.domain.duetimes import instant_of
from tidemill.domain.errors import ScheduleError
from tidemill.domain.specs import ScheduleSpec
from tidemill.domain.times import from_micros
from tidemill.domain.zones import zone_name, zone_named

__all__ = ["ScheduleSpec", "at", "cron", "every"]


def cron(
    expression: str,
    *,
    timezone: str | None = None,
    jitter: float | timedelta | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> ScheduleSpec:
    """Be due when *expression* matches, as Debian's cron reads it; six fields begin with seconds."""
    if not isinstance(expression, str):
        raise ScheduleError(f"cron() takes its expression as text, such as '0 2 * * *', not {expression!r}")
    text = " ".join(expression.split())
    common = _common(timezone, jitter, parameters)
    if text.lower() == crontab.REBOOT:
        return ScheduleSpec("reboot", "", **common)
    return ScheduleSpec("cron", crontab.parse(text).text, **common)


def every(
    *,
    weeks: float = 0,
    days: float = 0,
    hours: float = 0,
    minutes: float = 0,
    seconds: float = 0,
    anchor: datetime | None = None,
    timezone: str | None = None,
    jitter: float | timedelta | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> ScheduleSpec:
    """Be due at a steady interval, counted from *anchor*, else from the epoch, so that a restart moves nothing.

    Whole days keep the wall clock's time in the schedule's zone; shorter intervals count elapsed time.
    """
    try:
        interval = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    except (TypeError, ValueError, OverflowError) as error:
        raise ScheduleError(f"every() takes numbers of weeks, days, hours, minutes and seconds: {error}") from None
    if interval < timedelta(seconds=1):
        raise ScheduleError(f"every() needs an interval of at least one second, such as minutes=5, not {interval}")
    if interval > timedelta(days=36525):
        raise ScheduleError("every() takes an interval of a hundred years at most; use at() for a single moment")
    common = _common(timezone, jitter, parameters)
    if anchor is not None:
        _check_moment("every(anchor=)", anchor)
        if common["timezone"] is None and anchor.tzinfo is not None:
            common["timezone"] = zone_name(anchor.tzinfo)
        named = zone_name(anchor.tzinfo)
        if anchor.tzinfo is None or (named is not None and named == common["timezone"]):
            anchor = anchor.replace(tzinfo=None, fold=0)  # what the wall shows is what is meant, in a gap too
        else:
            anchor = _pinned(anchor)
    text = f"{interval.total_seconds():.6f}".rstrip("0").rstrip(".")
    return ScheduleSpec("every", text, anchor=anchor.isoformat() if anchor else None, **common)


def at(moment: datetime, *, timezone: str | None = None, parameters: Mapping[str, Any] | None = None) -> ScheduleSpec:
    """Be due once, at *moment*; a naive one is read in *timezone*, else in the machine's zone."""
    _check_moment("at()", moment)
    common = _common(timezone, None, parameters)
    if common["timezone"] is None and moment.tzinfo is not None:
        common["timezone"] = zone_name(moment.tzinfo)
    if moment.tzinfo is None and common["timezone"] is not None:
        moment = moment.replace(tzinfo=zone_named(common["timezone"]))
    return ScheduleSpec("at", _pinned(moment).isoformat(), **common)


def _common(
    timezone: str | None, jitter: float | timedelta | None, parameters: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Check what all schedules take alike."""
    if timezone is not None:
        if not isinstance(timezone, str):
            timezone = getattr(timezone, "key", None) or str(timezone)
        zone_named(timezone)
    if isinstance(jitter, timedelta):
        jitter = jitter.total_seconds()
    if jitter is not None and (
        isinstance(jitter, bool) or not isinstance(jitter, int | float) or not math.isfinite(jitter) or jitter < 0
    ):
        raise ScheduleError(f"jitter is a number of seconds of 0 or more, not {jitter!r}")
    if parameters is not None and not isinstance(parameters, Mapping):
        raise ScheduleError(
            f"parameters of a schedule are given by name, as in {{'name': 'Alice'}}, not {parameters!r}"
        )
    values = dict(parameters or {})
    for name, value in values.items():
        _check_parameter(name, value)
    return {"timezone": timezone, "jitter": float(jitter or 0), "parameters": values}


def _check_parameter(name: object, value: object) -> None:
    # Few schedules have parameters, and every fork server would hold it.
    import json

    if not isinstance(name, str):
        raise ScheduleError(f"parameters of a schedule are named by text, not {name!r}")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ScheduleError(
            f"the schedule's parameter {name!r} cannot be kept as JSON ({error}); "
            "give numbers, text, lists and dicts, or dates as ISO text"
        ) from None


def _check_moment(where: str, moment: object) -> None:
    if not isinstance(moment, datetime):
        raise ScheduleError(f"{where} takes a datetime, such as datetime(2027, 1, 31, 8, 30), not {moment!r}")


def _pinned(moment: datetime) -> datetime:
    """Give an aware *moment* its plain offset, so that its text names one instant: in a gap, the first after it."""
    if moment.tzinfo is None:
        return moment.replace(fold=0)
    shown = moment.astimezone(UTC).astimezone(moment.tzinfo)
    if shown.replace(tzinfo=None) != moment.replace(tzinfo=None):
        shown = from_micros(instant_of(moment.replace(tzinfo=None), moment.tzinfo)).astimezone(moment.tzinfo)
    return shown.replace(tzinfo=fixed_offset(shown.utcoffset() or timedelta()), fold=0)
