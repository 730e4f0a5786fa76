"""Why: from the ledger's row of a moment, or from the lack of one, to a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from tidemill.cli.invocation import Invocation
from tidemill.cli.lifecycle import is_running
from tidemill.cli.moments import parse_moment
from tidemill.cli.phrasing import moment, relative
from tidemill.cli.planning import is_held_back, specs_of
from tidemill.domain.duetimes import instant_of
from tidemill.domain.explaining import explain_not_due
from tidemill.domain.specs import ScheduleSpec
from tidemill.domain.times import from_micros
from tidemill.domain.zones import local_zone, zone_name, zone_named

_LEADS = {
    "ran": "ran at {at}",
    "late": "ran late for {at}",
    "coalesced": "did not run for {at} by itself",
    "missed": "missed {at}",
    "skipped": "skipped {at}",
    "paused": "did not run at {at}",
    "broken": "could not run at {at}",
}
_WITH_RUN = frozenset({"ran", "late"})
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


def about_broken_file(file: Mapping[str, Any]) -> Answer:
    """Return why the flow of a file that was never good does not run."""
    return Answer(
        None, "broken", "cannot run", f"its file is broken and no good version of it is known: {file['error']}"
    )


def about_moment(invocation: Invocation, flow: Mapping[str, Any], text: str) -> Answer:
    """Return what became, or will become, of the moment that *text* names on the clock of the flow's schedule."""
    now, default = invocation.now(), invocation.schedule_zone
    specs = specs_of(flow, default)
    zones = {zone_name(zone): zone for zone in (spec.zone() for spec in specs)}
    # A wall's time is the first schedule's; where that has no such moment, any other's that has it.
    answers = []
    for zone in zones.values() or [zone_named(default) if default else local_zone()]:
        answer = _about(invocation, flow, specs, parse_moment(text, now, zone), zone)
        if answer.outcome != "not_due":
            return answer
        answers.append(answer)
    return answers[0]


def _about(
    invocation: Invocation, flow: Mapping[str, Any], specs: Sequence[ScheduleSpec], given: datetime, zone: tzinfo
) -> Answer:
    """Return what became of *given* on the clock of *zone*."""
    now = invocation.now()
    # In UTC: datetimes of one zone compare by the wall, which shows some times twice and others never.
    at = given.astimezone(UTC) if given.tzinfo else from_micros(instant_of(given, zone))
    shown = at.astimezone(zone)
    row = invocation.reader.occurrence(flow["name"], at)
    if row is not None:
        answer = _of_row(row, shown)
    elif at in _due_at(specs, at):
        answer = _ahead(invocation, flow, shown, now) if at > now else _unjudged(invocation, flow, shown)
    else:
        # A wall's time is handed on as it is: only then can one that did not exist be explained.
        asked = given if given.tzinfo is None else at
        lead = f"{'was' if at <= now else 'is'} not due"
        reason = explain_not_due(specs, asked, zone_name(zone)) if specs else _unscheduled(flow)
        return Answer(shown, "not_due", lead if _is_shifted(given, shown) else f"{lead} at {_shown(shown)}", reason)
    return _with_gap(answer, explain_not_due(specs, given, zone_name(zone))) if _is_shifted(given, shown) else answer


def about_latest(invocation: Invocation, flow: Mapping[str, Any]) -> Answer:
    """Return what became of the flow's latest moment, and when the next one is."""
    now, default = invocation.now(), invocation.schedule_zone
    specs = specs_of(flow, default)
    zone = specs[0].zone() if specs else local_zone()
    following, latest = _following(specs, now), _latest(specs, now)
    upcoming = following.astimezone(zone) if following else None
    passed = [row for row in invocation.reader.occurrences(flow["name"], now) if _end(row) <= now]
    row = max(passed, key=_end, default=None)
    if row is not None and (latest is None or _end(row) >= latest):
        return _with_next(_of_row(row, _end(row).astimezone(zone)), flow, upcoming)
    since = _known_since(invocation, flow)
    if latest is not None and since is not None and since <= latest and not is_held_back(flow):
        return _with_next(_unjudged(invocation, flow, latest.astimezone(zone)), flow, upcoming)
    if upcoming is not None:
        return _ahead(invocation, flow, upcoming, now)
    if specs:
        return Answer(None, "not_due", "is not due", explain_not_due(specs, now, default))
    return Answer(None, "not_due", "is never due", _unscheduled(flow))


def _unscheduled(flow: Mapping[str, Any]) -> str:
    """Return why a flow without a schedule does not run by itself, and how it is run."""
    if not flow.get("active", True):
        return "its file is not in the folder of flows"
    return f"it has no schedule, so it never runs by itself; run it with: tidemill run {flow['name']}"


def _of_row(row: Mapping[str, Any], at: datetime) -> Answer:
    """Return what the ledger says; its reasons are whole."""
    outcome, reason = str(row["outcome"]), str(row["reason"] or "")
    if outcome in _WITH_RUN and row["run"] is None:
        reason += f"{'; ' if reason else ''}its run was removed since, as old runs are (retention in the settings)"
    return Answer(at, outcome, _LEADS.get(outcome, f"{outcome} {{at}}").format(at=_shown(at)), reason, row["run"])


def _ahead(invocation: Invocation, flow: Mapping[str, Any], at: datetime, now: datetime) -> Answer:
    if not flow.get("active", True):
        return Answer(at, "upcoming", f"will not run at {_shown(at)}", "its file has left the folder")
    if flow.get("paused"):
        reason = f"it is paused; let it run again with: tidemill resume {flow['name']}"
        return Answer(at, "upcoming", f"will not run at {_shown(at)}", reason)
    reason = f"the moment comes {relative(at, now)}"
    if flow.get("error"):
        reason += f", and its last good version runs, for its file is broken now ({flow['error']})"
    if is_running(invocation):
        return Answer(at, "upcoming", f"will run at {_shown(at)}", reason)
    return Answer(
        at,
        "upcoming",
        f"is due at {_shown(at)}",
        f"{reason}; the daemon is not running, start it with: tidemill start",
    )


def _unjudged(invocation: Invocation, flow: Mapping[str, Any], at: datetime) -> Answer:
    """Return why a moment that passed has no row in the ledger."""
    since = _known_since(invocation, flow)
    if since is None or at < since:
        known = f"known only since {_shown(since.astimezone(at.tzinfo))}" if since else "not on record"
        return Answer(at, "not_due", f"did not run at {_shown(at)}", f"its schedule is {known}")
    if all(at <= seen for seen in _accounted_for(invocation, flow)):
        reason = "its schedule was away then, or what became of it was removed since (retention in the settings)"
        return Answer(at, "not_due", f"did not run at {_shown(at)}", reason)
    if is_running(invocation):
        return Answer(at, "upcoming", f"has not run yet for {_shown(at)}", "the daemon is deciding about it right now")
    manifest = flow.get("manifest") or {}
    reason = (
        "the daemon is not running; the moment will be judged when it starts"
        f" (catchup is {manifest.get('catchup', 'latest')})"
    )
    return Answer(at, "missed", f"has not run for {_shown(at)}", reason)


def _with_next(answer: Answer, flow: Mapping[str, Any], upcoming: datetime | None) -> Answer:
    return answer if is_held_back(flow) else replace(answer, next=upcoming)


def _is_shifted(given: datetime, shown: datetime) -> bool:
    """Tell whether the wall's time that was asked for never showed."""
    return given.tzinfo is None and shown.replace(tzinfo=None, fold=0) != given


def _with_gap(answer: Answer, gap: str) -> Answer:
    """Return the answer with the reason why its moment is not the one that was asked for."""
    return replace(answer, reason=f"{answer.reason}; {gap}" if answer.reason else gap)


def _known_since(invocation: Invocation, flow: Mapping[str, Any]) -> datetime | None:
    """Return since when the ledger accounts for the flow's moments; None if it does for none."""
    known = invocation.reader.schedules(flow["name"])
    begun = [moment(schedule["created_at"]) for schedule in known if schedule["removed_at"] is None]
    return min((at for at in begun if at is not None), default=None)


def _accounted_for(invocation: Invocation, flow: Mapping[str, Any]) -> list[datetime]:
    """Return up to when each schedule that the flow has is accounted for."""
    known = invocation.reader.schedules(flow["name"])
    until = [moment(schedule["accounted_until"]) for schedule in known if schedule["removed_at"] is None]
    return [at for at in until if at is not None]


def _due_at(specs: Sequence[ScheduleSpec], at: datetime) -> set[datetime]:
    """Return the schedules' first moments that are not before *at*, in UTC."""
    return {found.astimezone(UTC) for spec in specs if (found := spec.next_after(at - _INSTANT)) is not None}


def _following(specs: Sequence[ScheduleSpec], now: datetime) -> datetime | None:
    found = [at.astimezone(UTC) for spec in specs if (at := spec.next_after(now)) is not None]
    return min(found, default=None)


def _latest(specs: Sequence[ScheduleSpec], now: datetime) -> datetime | None:
    found = [at.astimezone(UTC) for spec in specs if (at := spec.previous_before(now + _INSTANT)) is not None]
    return max(found, default=None)


def _end(row: Mapping[str, Any]) -> datetime:
    """Return the last moment a row stands for."""
    return datetime.fromisoformat(row["until"] or row["at"])


def _shown(at: datetime) -> str:
    return at.strftime("%a %Y-%m-%d %H:%M:%S %Z" if at.second else "%a %Y-%m-%d %H:%M %Z")
