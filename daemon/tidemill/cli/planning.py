"""What lies ahead of a flow: its schedules as values, with the zone they are read in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidemill.cli.invocation import Invocation
from tidemill.domain.specs import ScheduleSpec


@dataclass(frozen=True, slots=True)
class Ahead:
    """A moment that comes."""

    at: datetime
    """In the schedule's zone."""
    flow: str
    spec: ScheduleSpec


def specs_of(flow: Mapping[str, Any], default_zone: str | None) -> list[ScheduleSpec]:
    """Return the schedules that the flow's manifest declares."""
    manifest = flow.get("manifest") or {}
    return [ScheduleSpec(**fields).in_zone(default_zone) for fields in manifest.get("schedules") or ()]


def is_held_back(flow: Mapping[str, Any]) -> bool:
    """Tell whether the flow's schedules start nothing now: it is paused, or its file has left the folder."""
    return bool(flow.get("paused")) or not flow.get("active", True)


def moments_ahead(spec: ScheduleSpec, flow: str, now: datetime) -> Iterator[Ahead]:
    """Give the schedule's moments after *now*, without end; a merged listing takes as many as it shows."""
    moment = spec.next_after(now)
    while moment is not None:
        yield Ahead(moment, flow, spec)
        moment = spec.next_after(moment)


def fill_in_next(invocation: Invocation, flow: dict[str, Any]) -> None:
    """Write into the record when each schedule and the flow itself are due next; never, while it is paused."""
    now = invocation.now()
    specs = [] if is_held_back(flow) else specs_of(flow, invocation.schedule_zone)
    upcoming = [spec.next_after(now) for spec in specs]
    for schedule, moment in zip(flow.get("schedules") or (), upcoming, strict=False):
        schedule["next"] = _utc(moment)
    flow["next_run_at"] = min((text for text in map(_utc, upcoming) if text is not None), default=None)


def _utc(moment: datetime | None) -> str | None:
    from datetime import UTC

    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")
