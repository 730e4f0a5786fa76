"""What becomes of the moments that passed while nobody was there, told in a bounded number of rows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from tidemill.domain.outcomes import Catchup, Outcome
from tidemill.domain.specs import ScheduleSpec
from tidemill.domain.stretches import stretch
from tidemill.domain.times import from_micros, to_micros
from tidemill.scheduler.judgement import Verdict, spoken

MOST_ROWS: Final = 100
"""Moments without a run of their own that get a row each; the older ones share one, as a range."""

_TICK: Final = timedelta(microseconds=1)


def plan_catchup(
    spec: ScheduleSpec,
    cursor: datetime,
    now: datetime,
    *,
    catchup: str = Catchup.LATEST,
    grace: float | None = None,
    max_catchup: int = 1000,
    paused: bool = False,
    broken: bool = False,
    why: str = "the daemon was not running",
) -> list[Verdict]:
    """Decide about every moment after *cursor* up to *now*, oldest first; each lies in exactly one verdict."""
    cursor, now = cursor.astimezone(UTC), now.astimezone(UTC)
    first = spec.next_after(cursor)
    # At nearly every start nothing has passed, and looking back takes fifty times as long as looking on.
    latest = None if first is None or first > now else _last(spec, now)
    if latest is None or latest <= cursor:
        return []
    if broken:
        return _rows(spec, cursor, now, Outcome.BROKEN, "its file could not be loaded and no good version was left")
    if paused:
        return _rows(spec, cursor, now, Outcome.PAUSED, "the flow was paused")
    if catchup == Catchup.NONE:
        return _rows(spec, cursor, now, Outcome.MISSED, f"{why}, and catchup is none")
    tolerable = cursor if grace is None else max(cursor, now - timedelta(seconds=grace) - _TICK)
    too_late = f"{why}, and its grace of {spoken(grace or 0)} had passed"
    if latest <= tolerable:
        return _rows(spec, cursor, now, Outcome.MISSED, too_late)
    if catchup == Catchup.ALL:
        missed = _rows(spec, cursor, tolerable, Outcome.MISSED, too_late)
        return missed + _newest_runs(spec, tolerable, now, most=max_catchup, why=why)
    shared = f"{why}; it shares the run of the latest moment, because catchup is latest"
    earlier = _rows(spec, cursor, latest - _TICK, Outcome.COALESCED, shared, coalesced_into=latest)
    reason = f"{why} at its moment; made up for {spoken((now - latest).total_seconds())} later"
    return [*earlier, Verdict(latest, Outcome.LATE, reason, starts=True)]


def _newest_runs(spec: ScheduleSpec, low: datetime, now: datetime, *, most: int, why: str) -> list[Verdict]:
    """Make up for the newest *most* moments in (low, now]."""
    verdicts: list[Verdict] = []
    begin = _newest(spec, low, now, most)
    if begin > low:
        reason = f"{why}, and only the newest {most} moments are made up for (schedule.max_catchup)"
        verdicts += _rows(spec, low, begin, Outcome.MISSED, reason)
    for moment in _between(spec, begin, now, most):
        reason = f"{why} at its moment; made up for {spoken((now - moment).total_seconds())} later"
        verdicts.append(Verdict(moment, Outcome.LATE, reason, starts=True, queue=True))
    return verdicts


def _rows(
    spec: ScheduleSpec,
    low: datetime,
    high: datetime,
    outcome: Outcome,
    reason: str,
    *,
    coalesced_into: datetime | None = None,
) -> list[Verdict]:
    """Give the newest moments in (low, high] a verdict each, and all older ones a common one."""
    begin = _newest(spec, low, high, MOST_ROWS)
    verdicts = [
        Verdict(moment, outcome, reason, coalesced_into=coalesced_into)
        for moment in _between(spec, begin, high, MOST_ROWS)
    ]
    older = stretch(spec, to_micros(low), to_micros(begin))
    if older is None:
        return verdicts
    first, last = from_micros(older.first), from_micros(older.last)
    span = Verdict(first, outcome, reason, coalesced_into=coalesced_into, until=last, count=older.moments)
    return [span, *verdicts]


def _last(spec: ScheduleSpec, end: datetime) -> datetime | None:
    """Return the last moment up to and including *end*."""
    last = spec.previous_before(end + _TICK)
    return None if last is None else last.astimezone(UTC)


def _newest(spec: ScheduleSpec, low: datetime, high: datetime, most: int) -> datetime:
    """Return the time after which (to *high*) the newest *most* moments lie; *low* when there are no more."""
    if most <= 0:
        return high

    def holds_more(start: int) -> bool:
        return len(_between(spec, from_micros(start), high, most + 1)) > most

    return from_micros(_last_true(holds_more, to_micros(low), to_micros(high))) if holds_more(to_micros(low)) else low


def _last_true(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the first place in (low, high] where *holds* is no longer true, looking near *high* first."""
    back = 1_000_000
    while high - back > low and not holds(high - back):
        back *= 2
    low, high = max(low, high - back), high - (back // 2 if back > 1_000_000 else 0)
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return high


def _between(spec: ScheduleSpec, low: datetime, high: datetime, most: int) -> list[datetime]:
    """Return the first moments in (low, high], *most* of them at most."""
    return [from_micros(micros) for micros in spec.between(to_micros(low), to_micros(high), most)]
