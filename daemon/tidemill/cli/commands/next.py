"""``tidemill next``: the moments that come, on the wall and in UTC."""

from datetime import UTC, tzinfo
from heapq import merge
from itertools import islice

from tidemill.cli.documents import print_document
from tidemill.cli.finding import find_flow
from tidemill.cli.invocation import Invocation
from tidemill.cli.phrasing import relative
from tidemill.cli.planning import Ahead, is_held_back, moments_ahead, specs_of
from tidemill.cli.tables import Column, print_table
from tidemill.cli.terminal import say
from tidemill.cli.verb import JSON, Number, argument, option, verb
from tidemill.domain.explaining import mark

_COLUMNS = (
    Column("flow"),
    Column("on the wall"),
    Column("utc", spare=True),
    Column("in"),
    Column("clock change", gives=True),
    Column("schedule", gives=True, spare=True),
)


@verb(
    "next",
    argument("flow", required=False, offers="flow"),
    option("-n", "count", kind=Number(1, 10_000), default=10, help="How many moments."),
    option("--tz", "zone_name", metavar="ZONE", help="The clock to show, as an IANA name or UTC."),
    JSON,
    examples=[
        ("tidemill next", "what comes next, over all flows"),
        ("tidemill next nightly -n 20", "twenty moments of one flow"),
        ("tidemill next nightly --tz Asia/Tokyo", "on another clock"),
    ],
)
def command(invocation: Invocation, flow: str | None, count: int, zone_name: str | None, as_json: bool) -> None:
    """List the moments that come next.

    Times are shown on the clock of each schedule's own zone unless --tz names another. Moments of paused flows
    are not listed: nothing would run.
    """
    shown_zone = _zone(zone_name) if zone_name else None
    flows = [find_flow(invocation, flow)] if flow else invocation.reader.flows()
    now, default = invocation.now(), invocation.settings.schedule.timezone
    streams = [
        moments_ahead(spec, found["name"], now)
        for found in flows
        if not is_held_back(found)
        for spec in specs_of(found, default)
    ]
    moments = list(islice(merge(*streams, key=lambda ahead: ahead.at.timestamp()), count))
    if as_json:
        print_document(
            [
                {
                    "flow": ahead.flow,
                    "schedule": ahead.spec.describe(),
                    "at": ahead.at.astimezone(UTC).isoformat(timespec="microseconds"),
                }
                for ahead in moments
            ]
        )
    elif moments:
        print_table(_COLUMNS, [_row(ahead, invocation, shown_zone) for ahead in moments])
    elif flow and flows[0].get("paused"):
        say(f"{flow} is paused; let it run again with: tidemill resume {flow}")
    elif flow:
        say(f"{flow} has no schedule that comes again; run it with: tidemill run {flow}")
    else:
        say("nothing is scheduled")


def _row(ahead: Ahead, invocation: Invocation, shown_zone: tzinfo | None) -> list[str]:
    wall = ahead.at.astimezone(shown_zone) if shown_zone else ahead.at
    return [
        ahead.flow,
        wall.strftime("%a %Y-%m-%d %H:%M:%S %Z"),
        ahead.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ"),
        relative(ahead.at, invocation.now()).removeprefix("in "),
        mark(ahead.spec, ahead.at),
        ahead.spec.describe(),
    ]


def _zone(name: str) -> tzinfo:
    from tidemill.domain.zones import zone_named

    return UTC if name.upper() == "UTC" else zone_named(name)
