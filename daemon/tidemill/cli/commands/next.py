"""``tidemill next``: the moments that come, on the wall and in UTC."""

from collections.abc import Iterator, Mapping
from datetime import UTC, tzinfo
from heapq import merge
from itertools import islice
from typing import Any

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
    option("-n", "count", kind=Number(1, 10_000), help="How many moments. [default: 10 of a flow, else one of each]"),
    option("--tz", "zone_name", metavar="ZONE", help="The clock to show, as an IANA name or UTC."),
    JSON,
    examples=[
        ("tidemill next", "the next moment of every flow"),
        ("tidemill next -n 20", "the next twenty moments, over all flows"),
        ("tidemill next nightly -n 20", "twenty moments of one flow"),
        ("tidemill next nightly --tz Asia/Tokyo", "on another clock"),
    ],
)
def command(invocation: Invocation, flow: str | None, count: int | None, zone_name: str | None, as_json: bool) -> None:
    """List the moments that come next.

    Without FLOW and -n it is the next moment of every flow, so that none is crowded out by one that runs often.
    Times are shown on the clock of each schedule's own zone unless --tz names another. Moments of paused flows
    are not listed: nothing would run.
    """
    shown_zone = _zone(zone_name) if zone_name else None
    flows = [find_flow(invocation, flow)] if flow else invocation.reader.flows()
    streams = [_ahead(invocation, found) for found in flows if not is_held_back(found)]
    if flow is None and count is None:
        moments = sorted((first for stream in streams for first in islice(stream, 1)), key=_when)
    else:
        moments = list(islice(merge(*streams, key=_when), count or 10))
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
    elif flow and not flows[0].get("active", True):
        say(f"the file of {flow} is not in the folder of flows; nothing of it is scheduled")
    elif flow:
        say(f"{flow} has no schedule that comes again; run it with: tidemill run {flow}")
    else:
        say("nothing is scheduled")


def _ahead(invocation: Invocation, flow: Mapping[str, Any]) -> Iterator[Ahead]:
    """Give the moments of all schedules of a flow in their order."""
    specs = specs_of(flow, invocation.schedule_zone)
    return merge(*(moments_ahead(spec, flow["name"], invocation.now()) for spec in specs), key=_when)


def _when(ahead: Ahead) -> float:
    return ahead.at.timestamp()


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
