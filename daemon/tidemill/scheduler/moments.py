"""The moments of one schedule, as the trigger APScheduler asks for times."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from apscheduler.triggers.base import BaseTrigger

from tidemill.domain.specs import ScheduleSpec
from tidemill.domain.times import from_micros, to_micros
from tidemill.scheduler.jitter import delay

MOST_PASSED = 200
"""The most moments of one schedule handed over one by one after the clock leapt; the rest is one range."""


class DueMoment(NamedTuple):
    """A moment of a schedule that has come."""

    schedule_id: int
    moment: datetime
    """In UTC."""
    until: datetime | None = None
    """Not None: this stands for all moments from *moment* to here, too many to name, which passed in a leap."""


def portions(moments: Iterable[DueMoment], most: int) -> Iterator[list[DueMoment]]:
    """Cut *moments* into pieces of *most*, or a little more: those of one schedule stay together.

    Several at once are a leap of time, and what becomes of them is decided for all of them.
    """
    portion: list[DueMoment] = []
    for _, together in groupby(moments, key=attrgetter("schedule_id")):
        portion.extend(together)
        if len(portion) >= most:
            yield portion
            portion = []
    if portion:
        yield portion


class Moments(BaseTrigger):  # type: ignore[misc]  # APScheduler brings no types
    """Walks through a schedule moment by moment, each of them once, whatever the clock does."""

    __slots__ = ("_due", "_jitter", "_key", "_passed", "_range", "_zone", "schedule_id", "spec")

    def __init__(self, schedule_id: int, spec: ScheduleSpec, after: datetime) -> None:
        self.schedule_id = schedule_id
        self.spec = spec
        self._zone = spec.zone()
        self._key = f"{schedule_id} {spec.key()}"
        self._jitter = spec.jitter
        self._due = spec.next_micros(to_micros(after), self._zone)
        self._passed: list[int] = []
        self._range: tuple[int, int] | None = None

    @property
    def next_at(self) -> datetime | None:
        """The moment that comes next; its start may be put off by jitter."""
        return None if self._due is None else from_micros(self._due)

    @property
    def next_start(self) -> datetime | None:
        """When the next moment is to be handed over."""
        return None if self._due is None else from_micros(self._start_of(self._due))

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """Return the first start later than *now*, and keep what has passed until it is taken.

        APScheduler asks twice for every due job, before and after it is handed over: both get the same answer.
        """
        self._pass(to_micros(now))
        return self.next_start

    def take(self) -> list[DueMoment]:
        """Return what has passed since the last time it was taken, in order."""
        passed, self._passed = self._passed, []
        leapt, self._range = self._range, None
        moments = [DueMoment(self.schedule_id, from_micros(moment)) for moment in passed]
        if leapt is not None:
            moments.insert(MOST_PASSED, DueMoment(self.schedule_id, from_micros(leapt[0]), from_micros(leapt[1])))
        return moments

    def _pass(self, now: int) -> None:
        while self._due is not None and self._start_of(self._due) <= now:
            if len(self._passed) == MOST_PASSED and self._range is None and self._leap(self._due, now):
                continue
            self._passed.append(self._due)
            self._due = self.spec.next_micros(self._due, self._zone)

    def _leap(self, first: int, now: int) -> bool:
        """Put everything from *first* to what has surely passed by *now* into one range."""
        horizon = now - int(self._jitter * 1_000_000)
        last = self.spec.previous_before(from_micros(horizon + 1).astimezone(UTC))
        if last is None or to_micros(last) <= first:
            return False
        self._range = (first, to_micros(last))
        self._due = self.spec.next_micros(self._range[1], self._zone)
        return True

    def _start_of(self, moment: int) -> int:
        return moment + delay(self._key, moment, self._jitter)
