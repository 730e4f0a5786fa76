"""The fields of a cron expression: which values each may hold, and how lists, ranges and steps are written."""

import re
from typing import Final, NamedTuple

from tidemill.domain.errors import ScheduleError

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class Field(NamedTuple):
    """One field: its name, its values and their names."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


FIELDS: Final = (
    Field("second", 0, 59),
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day-of-month", 1, 31),
    Field("month", 1, 12, _MONTHS),
    Field("day-of-week", 0, 7, _WEEKDAYS),
)
_PART: Final = re.compile(r"(?:(?P<star>\*)|(?P<first>[a-z0-9]+)(?:-(?P<last>[a-z0-9]+))?)(?:/(?P<step>[0-9]+))?", re.A)


def read(expression: str, field: Field, text: str) -> frozenset[int]:
    """Return the values that the *text* of a field allows; *expression* is the whole, for the refusal."""
    values: set[int] = set()
    for part in text.split(","):
        values.update(_read_part(f"cron({expression!r}): {field.name} field {text!r}", field, part))
    return frozenset(values)


def _read_part(where: str, field: Field, part: str) -> range:
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


def _number(where: str, field: Field, word: str) -> int:
    if word in field.names:
        return field.names.index(word) + field.low
    if not word.isdigit():
        known = f"; names are {', '.join(field.names)}" if field.names else ""
        raise ScheduleError(f"{where}: {word!r} is not a number{known}")
    if len(word) > 9 or not field.low <= int(word) <= field.high:
        raise ScheduleError(f"{where}: {word} is outside {field.low}-{field.high}")
    return int(word)
