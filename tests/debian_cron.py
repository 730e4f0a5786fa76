"""Debian's cron, minute by minute (cron.c, find_jobs and main loop): an oracle that shares no code with the product."""

from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from zoneinfo import ZoneInfo

RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
EPOCH = date(1970, 1, 1).toordinal()


def read(expression: str) -> tuple[list[set[int]], bool, bool]:
    """Read plain numbers, ranges, steps: the oracle's own few lines, so that a fault in ours is not repeated."""
    fields = expression.split()
    values = []
    for text, (low, high) in zip(fields, RANGES, strict=True):
        field: set[int] = set()
        for part in text.split(","):
            span, _, step = part.partition("/")
            first, last = (low, high) if span == "*" else ([*map(int, span.split("-"))] * 2)[:2]
            field |= set(range(first, last + 1, int(step or 1)))
        values.append(field)
    values[4] = {day % 7 for day in values[4]}
    star = fields[2][0] == "*" or fields[4][0] == "*"
    return values, star, fields[0][0] == "*" or fields[1][0] == "*"


@cache
def broken_down(minute: int) -> tuple[int, int, int, int, int]:
    day, rest = divmod(minute, 1440)
    on = date.fromordinal(day + EPOCH)
    return rest % 60, rest // 60, on.day, on.month, (day + 4) % 7


def simulate(zone: ZoneInfo, start: int, end: int) -> list[tuple[int, list[int], list[int]]]:
    """Run cron's loop: for every real minute, the walls whose wild and whose fixed entries it looks up."""
    looked: list[tuple[int, list[int], list[int]]] = []
    virtual: int | None = None
    for instant in range(start - start % 60, end, 60):
        offset = datetime.fromtimestamp(instant, zone).utcoffset()
        clock = (instant + int(offset.total_seconds())) // 60
        virtual = clock - 1 if virtual is None else virtual
        diff = clock - virtual
        if diff > 180 or diff <= -180:
            virtual = clock
            looked.append((instant, [clock], [clock]))
        elif diff > 5:
            looked.append((instant, [clock], list(range(virtual + 1, clock + 1))))
            virtual = clock
        elif diff > 0:
            passed = list(range(virtual + 1, clock + 1))
            looked.append((instant, passed, passed))
            virtual = clock
        else:
            looked.append((instant, [clock], []))
    return looked


def matcher(expression: str) -> tuple[Callable[[int], bool], bool]:
    """Return what tells whether a wall, in minutes, matches, and whether the entry is a wild one."""
    (minutes, hours, days, months, weekdays), star, wild = read(expression)

    def matches(wall: int) -> bool:
        minute, hour, day, month, weekday = broken_down(wall)
        if minute not in minutes or hour not in hours or month not in months:
            return False
        return (day in days and weekday in weekdays) if star else (day in days or weekday in weekdays)

    return matches, wild


def due_in(looked: list[tuple[int, list[int], list[int]]], expression: str) -> list[int]:
    matches, wild = matcher(expression)
    return [instant for instant, wilds, fixed in looked if any(map(matches, wilds if wild else fixed))]
