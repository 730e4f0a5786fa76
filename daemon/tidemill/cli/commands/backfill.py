"""``tidemill backfill``: runs for moments of a flow's schedules that have passed."""

from datetime import UTC, datetime, tzinfo
from typing import Any

from tidemill.cli import exits
from tidemill.cli.backfills import Told, see_through
from tidemill.cli.documents import print_document
from tidemill.cli.finding import find_flow
from tidemill.cli.invocation import Invocation
from tidemill.cli.moments import parse_moment
from tidemill.cli.parameters import parse_parameters
from tidemill.cli.phrasing import counted
from tidemill.cli.planning import specs_of
from tidemill.cli.tables import Column, print_table
from tidemill.cli.terminal import is_terminal, say
from tidemill.cli.verb import JSON, Number, argument, option, verb
from tidemill.control.answers import UsageError
from tidemill.domain.duetimes import instant_of
from tidemill.domain.times import from_micros, to_micros
from tidemill.domain.zones import local_zone, zone_named

_COLUMNS = (Column("on the wall"), Column("utc", spare=True), Column("schedule", gives=True))


@verb(
    "backfill",
    argument("flow", offers="flow"),
    option("--from", "begin", metavar="TIME", help="The first moment; in the zone of the flow's first schedule."),
    option("--to", "end", metavar="TIME", help="The moments before this one. [default: now]"),
    option("-p", "--param", "given", many=True, metavar="NAME=VALUE", help="A parameter, above the schedule's own."),
    option("--dry-run", "plan", is_flag=True, help="List the moments; run nothing."),
    option("--again", is_flag=True, help="Also moments for which a run has completed."),
    option("--limit", kind=Number(1), help="At most so many runs, for the oldest moments."),
    option("--yes", "sure", is_flag=True, help="Make more than 1,000 runs."),
    option("--force", is_flag=True, help="Run the flow though it is paused."),
    option("--wait", is_flag=True, help="Return when all have ended, with 1 unless each completed."),
    option("--cancel", is_flag=True, help="End what backfills of the flow have going and waiting."),
    JSON,
    examples=[
        ("tidemill backfill nightly --from 2026-11-01 --to 2026-11-08", "seven nights; the eighth is not included"),
        ("tidemill backfill nightly --from '7d ago' --dry-run", "only list what would run"),
        ("tidemill backfill nightly --from 2026-11-01 -p full=true --again", "also what completed, otherwise"),
        ("tidemill backfill nightly --from 2026-11-01 --wait", "see it through"),
        ("tidemill backfill nightly --cancel", "what waits and what runs of it"),
    ],
)
def command(
    invocation: Invocation,
    *,
    flow: str,
    begin: str | None,
    end: str | None,
    given: tuple[str, ...],
    plan: bool,
    again: bool,
    limit: int | None,
    sure: bool,
    force: bool,
    wait: bool,
    cancel: bool,
    as_json: bool,
) -> int:
    """Run a flow for moments that have passed.

    The first moment is at --from or after it, the last one before --to. Moments for which a run completed, waits or
    is going are left out. The oldest runs first; what is due meanwhile comes before what is still waiting.
    """
    zone = _zone(invocation, flow)
    stretch = _stretch(invocation, begin, end, zone, is_cancel=cancel)
    if cancel:
        if plan or wait or again or given:
            raise UsageError("--cancel ends runs; it goes with --from, --to and --json alone")
        return _cancel(invocation, flow, stretch, as_json=as_json)
    parameters = parse_parameters(given)
    asked: dict[str, Any] = {"parameters": parameters, "again": again, "sure": sure, "force": force, "plan": plan}
    if limit is not None:
        asked["limit"] = limit
    told = Told(invocation.client.request("backfill", flow=flow, **asked, **stretch), zone)
    if plan:
        _print_plan(told, stretch, as_json=as_json)
        return exits.DONE
    if wait:
        return see_through(invocation, told, stretch, as_json=as_json)
    if as_json:
        print_document(told.document(stretch))
        return exits.DONE
    say(told.sentence())
    if told.runs and is_terminal():
        say(f"See them with: tidemill runs --flow {flow}; end them with: tidemill backfill {flow} --cancel", err=True)
    return exits.DONE


def _zone(invocation: Invocation, flow: str) -> tzinfo:
    """Return the zone of the flow's first schedule."""
    default = invocation.schedule_zone
    specs = specs_of(find_flow(invocation, flow), default)
    return specs[0].zone() if specs else zone_named(default) if default else local_zone()


def _stretch(
    invocation: Invocation, begin: str | None, end: str | None, zone: tzinfo, *, is_cancel: bool
) -> dict[str, Any]:
    """Return from which to before which instant, in microseconds; *is_cancel* lets both be missing."""
    now = invocation.now()
    if begin is None and not is_cancel:
        raise UsageError("say where to begin, such as --from 2026-11-01 or --from '7d ago'")
    words = {"low": begin, "high": "now" if end is None and not is_cancel else end}
    stretch = {name: _instant(text, now, zone) for name, text in words.items() if text is not None}
    if not is_cancel and stretch["high"] > to_micros(now):
        raise UsageError(f"--to {end} lies ahead; the schedule itself runs what is due then. Leave it out for now")
    if len(stretch) == 2 and stretch["low"] >= stretch["high"]:
        raise UsageError(f"--from {begin} does not come before --to {end or 'now'}")
    return stretch


def _instant(text: str, now: datetime, zone: tzinfo) -> int:
    return instant_of(parse_moment(text, now, zone), zone)


def _print_plan(told: Told, stretch: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_document(told.document(stretch))
        return
    if told.runs:
        print_table(_COLUMNS, [[told.wall(at), _utc(at), schedule] for _, at, schedule in told.runs])
    say(told.sentence(is_plan=True))


def _utc(at: int) -> str:
    return from_micros(at).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _cancel(invocation: Invocation, flow: str, stretch: dict[str, Any], *, as_json: bool) -> int:
    answer: dict[str, Any] = invocation.client.request("backfill", flow=flow, cancel=True, **stretch)
    if as_json:
        print_document(answer)
    elif answer["cancelled"] or answer["cancelling"]:
        say(f"cancelled {counted(answer['cancelled'], 'run')} that waited, and asked {answer['cancelling']} to stop")
    else:
        say(f"no backfill of {flow} is under way")
    return exits.DONE
