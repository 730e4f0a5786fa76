"""A schedule as a value, and the moments at which it is due."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from tidemill.domain import cron as crontab
from tidemill.domain.duetimes import DAY, instant_of, latest_before, next_calendar, next_cron, next_elapsed, wall_of
from tidemill.domain.errors import ScheduleError
from tidemill.domain.times import to_micros
from tidemill.domain.zones import EARLIEST, LATEST, local_zone, zone_named

_MICROSECONDS: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = (("week", 7 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """A schedule as plain data, as manifests and the history hold it."""

    kind: str
    """``cron``, ``every``, ``at`` or ``reboot``."""
    expression: str
    """The cron expression; seconds for ``every``; ISO 8601 for ``at``; empty for ``reboot``."""
    timezone: str | None = None
    """An IANA name; None means the daemon's local zone."""
    anchor: str | None = None
    """ISO 8601, for ``every``."""
    jitter: float = 0.0
    """Seconds over which starts are spread; the moment itself does not move."""
    parameters: dict[str, Any] = field(default_factory=dict)

    def upcoming(self, after: datetime, n: int) -> list[datetime]:
        """Return the next *n* due moments strictly later than *after*, aware, in the schedule's zone."""
        if n < 0:
            raise ScheduleError(f"upcoming() takes a number of moments of 0 or more, not {n}")
        moments: list[datetime] = []
        micros: int | None = _micros(after)
        zone = self.zone()
        while len(moments) < n and micros is not None:
            micros = self.next_micros(micros, zone)
            if micros is not None:
                moments.append(_moment(micros, zone))
        return moments

    def next_after(self, after: datetime) -> datetime | None:
        """Return the first due moment strictly later than *after*; None when there is none."""
        zone = self.zone()
        micros = self.next_micros(_micros(after), zone)
        return None if micros is None else _moment(micros, zone)

    def previous_before(self, moment: datetime) -> datetime | None:
        """Return the last due moment strictly earlier than *moment*; None when there is none within 68 years."""
        zone = self.zone()
        micros = latest_before(lambda after: self.next_micros(after, zone), _micros(moment))
        return None if micros is None else _moment(micros, zone)

    def next_micros(self, after: int, zone: tzinfo) -> int | None:
        """Return the first due instant later than *after*, in microseconds, with *zone* as the schedule's own."""
        if after // _MICROSECONDS >= LATEST:
            return None
        after = max(after, EARLIEST * _MICROSECONDS)
        if self.kind == "cron":
            due = next_cron(crontab.parse(self.expression), zone, after // _MICROSECONDS)
            return None if due is None else due * _MICROSECONDS
        if self.kind == "every":
            return self._next_interval(after, zone)
        if self.kind == "at":
            once = instant_of(datetime.fromisoformat(self.expression), zone)
            return once if once > after else None
        return None

    def between(self, low: int, high: int, most: int) -> list[int]:
        """Return the first due instants later than *low* and up to *high*, *most* of them at most; in microseconds."""
        zone, found = self.zone(), list[int]()
        micros = self.next_micros(low, zone)
        if micros is not None and self.kind == "every" and not self._follows_wall():
            return list(range(micros, high + 1, self._interval())[:most])
        while micros is not None and micros <= high and len(found) < most:
            found.append(micros)
            micros = self.next_micros(micros, zone)
        return found

    def zone(self) -> tzinfo:
        """Return the time zone its walls are read in: its own, else the machine's."""
        return zone_named(self.timezone) if self.timezone else local_zone()

    def in_zone(self, default: str | None) -> "ScheduleSpec":
        """Return the schedule with *default* as its zone, where it names none."""
        return self if self.timezone or default is None else replace(self, timezone=default)

    def key(self) -> str:
        """Return what tells this schedule from the others of its flow, whenever and wherever it is asked.

        Jitter is left out: it moves no moment, so changing it must not begin a new ledger.
        """
        # The daemon asks; a run process never does.
        import json

        return json.dumps(
            [self.kind, self.expression, self.timezone, self.anchor, self.parameters],
            sort_keys=True, separators=(",", ":"),
        )  # fmt: skip

    def describe(self) -> str:
        """Say in a few words when it is due."""
        zone = f" ({self.timezone})" if self.timezone else ""
        if self.kind == "cron":
            return f"cron {self.expression}{zone}"
        if self.kind == "every":
            anchor = f" from {self.anchor}" if self.anchor else ""
            return f"every {_spoken(float(self.expression))}{anchor}{zone}"
        if self.kind == "at":
            return f"once at {self.expression}{zone}"
        return "at every boot of the machine"

    def names(self, wall: int) -> bool | None:
        """Tell whether it names *wall* (see zones), changes of the clocks aside; None if it goes by elapsed time."""
        if self.kind == "cron":
            return crontab.parse(self.expression).matches(wall)
        if self.kind == "every" and self._follows_wall():
            return (wall * _MICROSECONDS - self._anchor_wall(self.zone())) % self._interval() == 0
        return None

    def _next_interval(self, after: int, zone: tzinfo) -> int:
        if self._follows_wall():
            return next_calendar(self._interval(), self._anchor_wall(zone), zone, after)
        anchor = instant_of(datetime.fromisoformat(self.anchor), zone) if self.anchor else 0
        return next_elapsed(self._interval(), anchor, after)

    def _interval(self) -> int:
        return round(float(self.expression) * _MICROSECONDS)

    def _follows_wall(self) -> bool:
        """Whole days keep the wall clock's time, unless the anchor has a mere offset and no zone is named."""
        if self._interval() % DAY != 0:
            return False
        return self.anchor is None or self.timezone is not None or datetime.fromisoformat(self.anchor).tzinfo is None

    def _anchor_wall(self, zone: tzinfo) -> int:
        return wall_of(datetime.fromisoformat(self.anchor) if self.anchor else None, zone)


def _micros(moment: datetime) -> int:
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        raise ScheduleError(
            f"{moment!r} has no time zone, so it names no instant; "
            "give an aware datetime, such as datetime.now(UTC) or datetime(..., tzinfo=ZoneInfo('Europe/Berlin'))"
        )
    return to_micros(moment)


def _moment(micros: int, zone: tzinfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=micros)).astimezone(zone)


def _spoken(seconds: float) -> str:
    for unit, size in _UNITS:
        count = seconds / size
        if count >= 1 and count == int(count):
            return unit if count == 1 else f"{int(count)} {unit}s"
    return f"{seconds:g} seconds"
