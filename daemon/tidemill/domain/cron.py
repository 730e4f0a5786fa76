"""Cron expressions, with the meaning that Debian's cron gives them (entry.c and find_jobs in cron.c).

Two things to know. A day field that *begins* with ``*`` (``*/2`` too) must match together with the other
day field; only when neither does is it enough that one of them matches. And an expression whose minute or
hour (or second) field begins with ``*`` is *wild*: it follows the wall clock through gaps and repeated
hours, while a fixed one is due exactly once.
"""

import difflib
import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

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

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY: Final = 86400


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day-of-month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day-of-week", 0, 7, _WEEKDAYS),
)
_PART: Final = re.compile(r"(?:(?P<star>\*)|(?P<first>[a-z0-9]+)(?:-(?P<last>[a-z0-9]+))?)(?:/(?P<step>[0-9]+))?", re.A)


@dataclass(frozen=True, slots=True)
class CronExpression:
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
        _read(expression, field, text) for field, text in zip(_FIELDS, fields, strict=True)
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


def _read(expression: str, field: _Field, text: str) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        values.update(_read_part(f"cron({expression!r}): {field.name} field {text!r}", field, part))
    return frozenset(values)


def _read_part(where: str, field: _Field, part: str) -> range:
    match = _PART.fullmatch(part)
    if match is None:
        allowed = f"{field.low}-{field.high}" + (f" or {field.names[0]}-{field.names[-1]}" if field.names else "")
        raise ScheduleError(f"{where}: {part!r} is none of a value, a-b, a-b/n, * or */n with values {allowed}")
    step = int(match["step"] or 1)
    if step == 0:
        raise ScheduleError(f"{where}: a step of 0 never moves; write 1 or more")
    if match["star"]:
        return range(field.low, field.high + 1, step)
    first = _number(where, field, match["first"])
    if match["last"] is None:
        if match["step"]:
            raise ScheduleError(f"{where}: a step needs a range; for {part!r} write {first}-{field.high}/{step}")
        return range(first, first + 1)
    last = _number(where, field, match["last"])
    if field.names is _WEEKDAYS and match["last"] == "sun" and first > 0:
        last = 7
    if last < first:
        raise ScheduleError(
            f"{where}: the range {part!r} runs backwards; write it in two, such as "
            f"{first}-{field.high},{field.low}-{last}"
        )
    return range(first, last + 1, step)


def _number(where: str, field: _Field, word: str) -> int:
    if word in field.names:
        return field.names.index(word) + field.low
    if not word.isdigit():
        known = f"; names are {', '.join(field.names)}" if field.names else ""
        raise ScheduleError(f"{where}: {word!r} is not a number{known}")
    if len(word) > 9 or not field.low <= int(word) <= field.high:
        raise ScheduleError(f"{where}: {word} is outside {field.low}-{field.high}")
    return int(word)


def _table(values: frozenset[int], size: int) -> tuple[int, ...]:
    return tuple(min((value for value in values if value >= place), default=-1) for place in range(size + 1))


def _month_length(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return _LONGEST[month - 1]
