"""``tidemill runs``: what ran, the newest first."""

from datetime import datetime
from typing import Any

from tidemill.cli.documents import print_document
from tidemill.cli.invocation import Invocation
from tidemill.cli.phrasing import both, duration, moment
from tidemill.cli.states import LIVE, NAMES, state_cell
from tidemill.cli.tables import Cell, Column, print_table
from tidemill.cli.terminal import say
from tidemill.cli.verb import JSON, Choice, Number, option, verb
from tidemill.cli.waiting import fill_in_waiting

_COLUMNS = (
    Column("run", whole=True),
    Column("flow"),
    Column("name", gives=True),
    Column("state"),
    Column("started"),
    Column("took", right=True, spare=True),
    Column("trigger", spare=True),
    Column("error", gives=True),
)


@verb(
    "runs",
    option("--flow", metavar="FLOW", offers="flow", help="Only runs of this flow."),
    option("--state", "states", many=True, kind=Choice(NAMES), metavar="STATE", help="Only these; may be repeated."),
    option("--since", metavar="TIME", help="Only from here on: 2h, 3d, 02:00, 'yesterday 02:00', ISO 8601."),
    option("--top", is_flag=True, help="Only runs that no other run called."),
    option("-n", "limit", kind=Number(1, 1_000_000), default=20, help="At most so many."),
    JSON,
    examples=[
        ("tidemill runs --since 2h", "what went on lately"),
        ("tidemill runs --state failed --state crashed", "what went wrong"),
        ("tidemill runs --top", "without the sub-flows that runs have called"),
        ("tidemill runs --flow nightly -n 5 --json", "the last five of one flow, for a script"),
    ],
)
def command(
    invocation: Invocation,
    *,
    flow: str | None,
    states: tuple[str, ...],
    since: str | None,
    top: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List runs, the newest first.

    The sub-flows that runs have called are runs too.
    """
    runs = invocation.reader.runs(flow=flow, states=states, since=_begin(invocation, since), limit=limit, top=top)
    if not runs and flow is not None:
        from tidemill.cli.finding import find_flow

        find_flow(invocation, flow)
    fill_in_waiting(invocation, runs)
    if as_json:
        print_document(runs)
    elif runs:
        print_table(_COLUMNS, [_row(invocation, run) for run in runs])
    else:
        say("no such runs" if flow or states or since else "nothing has run yet")


def _begin(invocation: Invocation, since: str | None) -> datetime | None:
    """Return where the listing begins."""
    if since is None:
        return None
    from tidemill.cli.moments import parse_since

    return parse_since(since, invocation.now())


def _row(invocation: Invocation, run: dict[str, Any]) -> list[Cell | str | None]:
    now = invocation.now()
    begun = moment(run["started_at"] or run["queued_at"])
    took = run["duration"]
    if took is None and run["started_at"] and run["state"] in LIVE and begun is not None:
        took = max((now - begun).total_seconds(), 0.0)
    return [
        Cell(run["id"], "bold"),
        run["flow"],
        run["name"],
        state_cell(run["state"]),
        both(begun, now),
        duration(took),
        run["trigger"],
        run["error"] or run["waiting"],
    ]
