"""Why: from the ledger's row of a moment, or from the lack of one, to a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tidemill.cli.invocation import Invocation
from tidemill.cli.moments import parse_moment
from tidemill.cli.phrasing import moment, relative
from tidemill.cli.planning import specs_of
from tidemill.domain.errors import DaemonNotRunning
from tidemill.domain.explaining import explain_not_due
from tidemill.domain.specs import ScheduleSpec, instant_of
from tidemill.domain.times import from_micros
from tidemill.domain.zones import local_zone, zone_named

_LEADS = {
    "ran": "ran at {at}",
    "late": "ran late for {at}",
    "coalesced": "did not run for {at} by itself",
    "missed": "missed {at}",
    "skipped": "skipped {at}",
    "paused": "did not run at {at}",
    "broken": "could not run at {at}",
}
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one moment, or will."""

    at: datetime | None
    """In the schedule's zone; None where no moment is meant."""
    outcome: str
    lead: str
    """The sentence's beginning, behind the flow's name."""
    reason: str
    run: str | None = None
    next: datetime | None = None
    """The moment that comes after now, where it was asked about the latest."""

    def document(self, flow: str) -> dict[str, Any]:
        """Return the fields of the contract."""
        return {
            "flow": flow,
            "at": None if self.at is None else self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "outcome": self.outcome,
            "run": self.run,
            "reason": self.reason,
        }

    def sentence(self, flow: str) -> str:
        """Return the sentence for a person."""
        run = f" (run {self.run})" if self.run else ""
        reason = f": {self.reason}" if self.reason else ""
        upcoming = f"; next at {_shown(self.next)}" if self.next else ""
        return f"{flow} {self.lead}{run}{reason}{upcoming}" if self.lead else f"{flow}{reason}{upcoming}"


def about_moment(invocation: Invocation, flow: Mapping[str, Any], text: str) -> Answer:
    """Return what became, or will become, of the moment that *text* names on the clock of the flow's schedule."""
    now, default = invocation.now(), invocation.settings.schedule.timezone
    specs = specs_of(flow, default)
    zone = specs[0].zone() if specs else zone_named(default) if default else local_zone()
    given = parse_moment(text, now, zone)
    at = given if given.tzinfo else from_micros(instant_of(given, zone)).astimezone(zone)
    row = invocation.reader.occurrence(flow["name"], at)
    if row is not None:
        return _of_row(row, at)
    due = next((spec for spec in specs if spec.next_after(at - _INSTANT) == at), None)
    if due is None:
        # A naive moment is handed on as it is: only then can a time that did not exist be explained.
        return Answer(at, "not_due", f"was not due at {_shown(at)}" if at <= now else f"is not due at {_shown(at)}",
                      explain_not_due(specs, given if given.tzinfo is None else at, default))  # fmt: skip
    return _ahead(flow, at, now) if at > now else _unjudged(invocation, flow, at)


def about_latest(invocation: Invocation, flow: Mapping[str, Any]) -> Answer:
    """Return what became of the flow's latest moment, and when the next one is."""
    now = invocation.now()
    specs = specs_of(flow, invocation.settings.schedule.timezone)
    following = _first(specs, now)
    known = invocation.reader.occurrences(flow["name"], now)
    latest = _last_before(specs, now)
    passed = [row for row in known if _at(row) <= now]
    row = max(passed, key=_end, default=None)
    if row is not None and (latest is None or _end(row) >= latest):
        shown = _end(row).astimezone(specs[0].zone()) if specs else _end(row)
        answer = _of_row(row, shown)
        return _with_next(answer, flow, following)
    if latest is not None and _known_since(invocation, flow) <= latest:
        return _with_next(_unjudged(invocation, flow, latest), flow, following)
    if following is not None:
        return _ahead(flow, following, now)
    if specs:
        return Answer(None, "not_due", "", explain_not_due(specs, now, invocation.settings.schedule.timezone))
    return Answer(
        None, "not_due", "", f"it has no schedule, so it never runs by itself; run it with: tidemill run {flow['name']}"
    )


def _of_row(row: Mapping[str, Any], at: datetime) -> Answer:
    """Return what the ledger says; its reasons are whole."""
    outcome = str(row["outcome"])
    return Answer(
        at,
        outcome,
        _LEADS.get(outcome, f"{outcome} {{at}}").format(at=_shown(at)),
        str(row["reason"] or ""),
        row["run"],
    )


def _ahead(flow: Mapping[str, Any], at: datetime, now: datetime) -> Answer:
    if flow.get("paused"):
        reason = f"it is paused; let it run again with: tidemill resume {flow['name']}"
        return Answer(at, "upcoming", f"will not run at {_shown(at)}", reason)
    return Answer(at, "upcoming", f"will run at {_shown(at)}", f"the moment comes {relative(at, now)}")


def _unjudged(invocation: Invocation, flow: Mapping[str, Any], at: datetime) -> Answer:
    """Return why a moment that passed has no row in the ledger."""
    since = _known_since(invocation, flow)
    if at < since:
        return Answer(at, "not_due", f"did not run at {_shown(at)}",
                      f"its schedule is known only since {_shown(since.astimezone(at.tzinfo))}")  # fmt: skip
    try:
        invocation.client.request("ping")
    except DaemonNotRunning:
        manifest = flow.get("manifest") or {}
        reason = (
            "the daemon is not running; the moment will be judged when it starts"
            f" (catchup is {manifest.get('catchup', 'latest')})"
        )
        return Answer(at, "missed", f"has not run for {_shown(at)}", reason)
    return Answer(at, "upcoming", f"has not run yet for {_shown(at)}", "the daemon is deciding about it right now")


def _with_next(answer: Answer, flow: Mapping[str, Any], following: datetime | None) -> Answer:
    from dataclasses import replace

    return answer if flow.get("paused") else replace(answer, next=following)


def _known_since(invocation: Invocation, flow: Mapping[str, Any]) -> datetime:
    """Return since when the ledger accounts for the flow's moments."""
    begun = [moment(schedule["created_at"]) for schedule in invocation.reader.schedules(flow["name"])]
    return min((at for at in begun if at is not None), default=datetime.max.replace(tzinfo=UTC))


def _first(specs: Sequence[ScheduleSpec], now: datetime) -> datetime | None:
    found = [at for spec in specs if (at := spec.next_after(now)) is not None]
    return min(found, default=None)


def _last_before(specs: Sequence[ScheduleSpec], now: datetime) -> datetime | None:
    found = [at for spec in specs if (at := spec.previous_before(now + _INSTANT)) is not None]
    return max(found, default=None)


def _at(row: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(row["at"])


def _end(row: Mapping[str, Any]) -> datetime:
    """Return the last moment a row stands for."""
    return datetime.fromisoformat(row["until"] or row["at"])


def _shown(at: datetime) -> str:
    return at.strftime("%a %Y-%m-%d %H:%M:%S %Z" if at.second else "%a %Y-%m-%d %H:%M %Z")
