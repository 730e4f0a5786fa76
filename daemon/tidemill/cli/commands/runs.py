"""``tidemill runs``: what ran, the newest first."""

from typing import Any

import click

from tidemill.cli.completing import complete_flow
from tidemill.cli.documents import print_document
from tidemill.cli.finding import find_flow
from tidemill.cli.invocation import Invocation
from tidemill.cli.moments import parse_since
from tidemill.cli.phrasing import both, duration, moment
from tidemill.cli.states import LIVE, NAMES, state_cell
from tidemill.cli.tables import Cell, Column, print_table
from tidemill.cli.verb import json_option, verb

_COLUMNS = (
    Column("run"),
    Column("flow"),
    Column("state"),
    Column("started"),
    Column("took", right=True),
    Column("trigger"),
    Column("error", gives=True),
)


@verb(
    "runs",
    examples=[
        ("tidemill runs --since 2h", "what went on lately"),
        ("tidemill runs --state failed --state crashed", "what went wrong"),
        ("tidemill runs --flow nightly -n 5 --json", "the last five of one flow, for a script"),
    ],
)
@click.option("--flow", metavar="FLOW", shell_complete=complete_flow, help="Only runs of this flow.")
@click.option(
    "--state", "states", multiple=True, type=click.Choice(NAMES), metavar="STATE", help="Only these; may be repeated."
)
@click.option("--since", metavar="TIME", help="Only from here on: 2h, 3d, 02:00, 'yesterday 02:00', ISO 8601.")
@click.option("-n", "limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
@json_option
def command(
    invocation: Invocation, *, flow: str | None, states: tuple[str, ...], since: str | None, limit: int, as_json: bool
) -> None:
    """List runs, the newest first."""
    begin = parse_since(since, invocation.now()) if since else None
    runs = invocation.reader.runs(flow=flow, states=states, since=begin, limit=limit)
    if not runs and flow is not None:
        find_flow(invocation, flow)
    if as_json:
        print_document(runs)
    elif runs:
        print_table(_COLUMNS, [_row(invocation, run) for run in runs])
    else:
        click.echo("no such runs" if flow or states or since else "nothing has run yet")


def _row(invocation: Invocation, run: dict[str, Any]) -> list[Cell | str | None]:
    now = invocation.now()
    begun = moment(run["started_at"] or run["queued_at"])
    took = run["duration"]
    if took is None and run["started_at"] and run["state"] in LIVE and begun is not None:
        took = max((now - begun).total_seconds(), 0.0)
    return [
        Cell(run["id"], {"bold": True}),
        run["flow"],
        state_cell(run["state"]),
        both(begun, now),
        duration(took),
        run["trigger"],
        run["error"],
    ]
