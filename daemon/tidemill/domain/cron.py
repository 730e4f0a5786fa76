"""Cron expressions, with the meaning that Debian's cron gives them (entry.c and find_jobs in cron.c).

Two things to know. A day field that *begins* with ``*`` (``*/2`` too) must match together with the other
day field; only when neither does is it enough that one of them matches. And an expression whose minute or
hour (or second) field begins with ``*`` is *wild*: it follows the wall clock through gaps and repeated
hours, while a fixed one is due exactly once.
"""

from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

from tidemill.domain.cronfields import FIELDS, read
from tidemill.domain.errors import ScheduleError

MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
REBOOT: Final = "@reboot"

_LONGEST: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY: Final = 86400


class CronExpression(NamedTuple):
    """A parsed expression: which walls match. Tables answer "the first allowed value from here on", -1 for none."""

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    both_days: bool
    """Day of month and day of week must both match; else one is enough."""
    wild: bool

    def next_wall(self, wall: int, until: int) -> int | None:
        """Return the first matching wall at or after *wall* and before *until*."""
        day, second = divmod(wall, _DAY)
        if self.matches_day(day):
            time = self._next_time(second)
            if time >= 0:
                found = day * _DAY + time
                return found if found < until else None
        next_day = self._next_day(day + 1, (until - 1) // _DAY)
        if next_day is None:
            return None
        found = next_day * _DAY + self._next_time(0)
        return found if found < until else None

    def matches(self, wall: int) -> bool:
        """Tell whether the clock showing *wall* matches."""
        return self.next_wall(wall, wall + 1) is not None

    def matches_day(self, day: int) -> bool:
        """Tell whether *day*, counted from 1970-01-01, matches month, day of month and day of week."""
        on = date.fromordinal(day + _EPOCH)
        return on.month in self.months and self._matches(on.day, on.toordinal() % 7)

    def _matches(self, day: int, weekday: int) -> bool:
        if self.both_days:
            return day in self.days and weekday in self.weekdays
        return day in self.days or weekday in self.weekdays

    def _next_time(self, second: int) -> int:
        hour, minute, second = second // 3600, second // 60 % 60, second % 60
        if self.hours[hour] == hour:
            if self.minutes[minute] == minute and self.seconds[second] >= 0:
                return hour * 3600 + minute * 60 + self.seconds[second]
            if self.minutes[minute + 1] >= 0:
                return hour * 3600 + self.minutes[minute + 1] * 60 + self.seconds[0]
        if self.hours[hour + 1] >= 0:
            return self.hours[hour + 1] * 3600 + self.minutes[0] * 60 + self.seconds[0]
        return -1

    def _next_day(self, day: int, last: int) -> int | None:
        while day <= last:
            on = date.fromordinal(day + _EPOCH)
            left = _month_length(on.year, on.month) - on.day
            if on.month in self.months:
                weekday = on.toordinal()
                for ahead in range(left + 1):
                    if self._matches(on.day + ahead, (weekday + ahead) % 7):
                        return day + ahead if day + ahead <= last else None
            day += left + 1
        return None


@lru_cache(maxsize=8192)
def parse(expression: str) -> CronExpression:
    """Read a cron expression of five fields, six with seconds first, or one of the @ names but @reboot."""
    text = " ".join(expression.split())
    fields = MACROS.get(text.lower(), text).lower().split()
    if text.startswith("@") and text.lower() not in MACROS:
        import difflib

        near = difflib.get_close_matches(text.lower(), MACROS, n=1)
        hint = f"did you mean {near[0]}?" if near else "known are @reboot and " + ", ".join(MACROS)
        raise ScheduleError(f"cron({expression!r}): there is no {text}; {hint}")
    if len(fields) not in (5, 6):
        raise ScheduleError(
            f"cron({expression!r}) has {len(fields)} field{'s' * (len(fields) != 1)}; it takes five "
            "(minute, hour, day-of-month, month, day-of-week), or six with seconds first"
        )
    if len(fields) == 5:
        fields.insert(0, "0")
    seconds, minutes, hours, days, months, weekdays = (
        read(expression, field, text) for field, text in zip(FIELDS, fields, strict=True)
    )
    both_days = fields[3].startswith("*") or fields[5].startswith("*")
    if both_days and not any(day <= _LONGEST[month - 1] for month in months for day in days):
        raise ScheduleError(
            f"cron({expression!r}) is never due: no month of field {fields[4]!r} has a day {min(days)}; "
            "for the end of a month use day 28, or test the date in the flow"
        )
    return CronExpression(
        text=text,
        seconds=_table(seconds, 60),
        minutes=_table(minutes, 60),
        hours=_table(hours, 24),
        days=days,
        months=months,
        weekdays=frozenset(day % 7 for day in weekdays),
        both_days=both_days,
        wild=any(field.startswith("*") for field in fields[:3]),
    )


def _table(values: frozenset[int], size: int) -> tuple[int, ...]:
    return tuple(min((value for value in values if value >= place), default=-1) for place in range(size + 1))


def _month_length(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return _LONGEST[month - 1]
