"""Why a time is no due moment, and what the clocks' changes do to one that is: sentences for ``why`` and ``next``."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from tidemill.domain.specs import ScheduleSpec
from tidemill.domain.times import from_micros, to_micros
from tidemill.domain.zones import LARGE_JUMP, Span, local_zone, place, span_at, zone_name, zone_named

AFTER_GAP = "after a DST gap"
FIRST = "first of a repeated hour"
SECOND = "second of a repeated hour"


def mark(spec: ScheduleSpec, moment: datetime) -> str:
    """Say what a change of the clocks did to the due *moment*; empty when it did nothing."""
    zone, instant = spec.zone(), _seconds(moment)
    span = span_at(zone, instant)
    if 0 < span.shift < LARGE_JUMP and instant == span.start and spec.names(instant + span.offset) is False:
        return AFTER_GAP
    return _repetition(zone, instant)


def explain_not_due(specs: Sequence[ScheduleSpec], at: datetime, default_zone: str | None = None) -> str:
    """Say in one sentence why no schedule among *specs* has the moment *at*; a naive one is a wall's time.

    Pass a naive *at* where a person gave one: only then can a time inside a gap be explained.
    """
    zone = zone_named(default_zone) if default_zone else local_zone()
    timed = [spec.in_zone(default_zone) for spec in specs if spec.kind != "reboot"]
    if not timed:
        return _without_times(specs)
    if at.tzinfo is None:
        instant, gap = place(zone, to_micros(at.replace(tzinfo=UTC)) // 1_000_000)
        if gap:
            return _in_gap(at, from_micros(instant * 1_000_000).astimezone(zone), timed)
        at = from_micros(instant * 1_000_000 + at.microsecond).astimezone(zone)
    for spec in timed:
        repeated = _second_time(spec, at)
        if repeated:
            return repeated
    return _between(timed, at)


def _without_times(specs: Sequence[ScheduleSpec]) -> str:
    if specs:
        return "it is due only when the machine boots, at no time of day"
    return "the flow has no schedule, so it is never due by itself"


def _in_gap(at: datetime, resumed: datetime, specs: Sequence[ScheduleSpec]) -> str:
    """Explain a wall time that was skipped."""
    zone = zone_name(resumed.tzinfo) or "the machine's zone"
    sentence = f"{at:%Y-%m-%d %H:%M} did not exist in {zone}: the clocks went forward to {resumed:%H:%M}"
    due = [spec for spec in specs if mark(spec, resumed) == AFTER_GAP and _follows(spec, resumed)]
    if due:
        return f"{sentence}, and {due[0].describe()} was due once right then, at {_shown(resumed)}"
    return f"{sentence}, and no schedule of the flow makes up for it"


def _second_time(spec: ScheduleSpec, at: datetime) -> str | None:
    """Explain a fixed time that comes round a second time in the repeated hour."""
    zone, instant = spec.zone(), _seconds(at)
    span = span_at(zone, instant)
    if not _is_repeated(span, instant) or not spec.names(instant + span.offset):
        return None
    first = from_micros((instant + span.offset - span.before) * 1_000_000).astimezone(zone)
    where = zone_name(zone) or "the machine's zone"
    return (
        f"{first:%H:%M} came twice on {first:%Y-%m-%d} in {where}, when the clocks went back; "
        f"{spec.describe()} has a fixed time and was due at the first, {_shown(first)}"
    )


def _between(specs: Sequence[ScheduleSpec], at: datetime) -> str:
    """Name the moments on both sides of *at*."""
    before = [(moment, spec) for spec in specs if (moment := spec.previous_before(at)) is not None]
    behind = [(moment, spec) for spec in specs if (moment := spec.next_after(at)) is not None]
    sentence = "no schedule of the flow has this moment"
    parts = []
    if before:
        moment, spec = max(before, key=lambda pair: pair[0].astimezone(UTC))
        parts.append(f"the last before it is {_shown(moment)} ({spec.describe()})")
    if behind:
        moment, spec = min(behind, key=lambda pair: pair[0].astimezone(UTC))
        parts.append(f"the next after it is {_shown(moment)} ({spec.describe()})")
    return f"{sentence}; " + (", ".join(parts) if parts else "none of them has any moment")


def _follows(spec: ScheduleSpec, moment: datetime) -> bool:
    """Tell whether the schedule is due at *moment*."""
    return spec.next_micros(to_micros(moment) - 1, spec.zone()) == to_micros(moment)


def _repetition(zone: tzinfo, instant: int) -> str:
    span = span_at(zone, instant)
    if _is_repeated(span, instant):
        return SECOND
    following = span_at(zone, span.end)
    if following.shift < 0 and instant + span.offset >= span.end + following.offset:
        return FIRST
    return ""


def _is_repeated(span: Span, instant: int) -> bool:
    return span.shift < 0 and instant + span.offset < span.start + span.before


def _seconds(moment: datetime) -> int:
    return to_micros(moment) // 1_000_000


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S %Z" if moment.second else "%Y-%m-%d %H:%M %Z")
