"""``tidemill flows``: the flows, when they run next and how they last ended."""

from typing import Any

from tidemill.cli.documents import print_document
from tidemill.cli.invocation import Invocation
from tidemill.cli.phrasing import both, counted, duration, moment, relative
from tidemill.cli.planning import fill_in_next, specs_of
from tidemill.cli.states import state_cell
from tidemill.cli.tables import Cell, Column, print_table
from tidemill.cli.terminal import neutral, say, style
from tidemill.cli.verb import JSON, verb

_COLUMNS = (
    Column("flow"),
    Column("next"),
    Column("last run"),
    Column("when", spare=True),
    Column("took", right=True, spare=True),
    Column("schedule", gives=True, spare=True),
    Column("file", gives=True, spare=True),
)


@verb(
    "flows",
    JSON,
    examples=[
        ("tidemill flows", "all of them"),
        ("tidemill flows --json", "for a script: next_run_at, last_run, error and more"),
    ],
)
def command(invocation: Invocation, as_json: bool) -> None:
    """List the flows."""
    flows = [dict(flow) for flow in invocation.reader.flows()]
    for flow in flows:
        fill_in_next(invocation, flow)
    if as_json:
        print_document([{name: value for name, value in flow.items() if name != "manifest"} for flow in flows])
        return
    if not flows:
        say(f"there are no flows yet: drop a Python file into {invocation.settings.places.flows_dir}")
        return
    print_table(_COLUMNS, [_row(invocation, flow) for flow in flows])
    _print_errors(flows)


def _row(invocation: Invocation, flow: dict[str, Any]) -> list[Cell | str | None]:
    now, last = invocation.now(), flow.get("last_run") or {}
    return [
        Cell(flow["name"], "bold") if flow["name"] else Cell(f"({flow['file']})", "dim"),
        _next(invocation, flow),
        state_cell(last["state"]) if last else Cell("never" if flow["name"] else "", "dim"),
        relative(moment(last.get("started_at")), now),
        duration(last.get("duration")),
        _schedules(invocation, flow),
        Cell(str(flow.get("file") or ""), "dim"),
    ]


def _next(invocation: Invocation, flow: dict[str, Any]) -> Cell | str:
    if not flow.get("manifest"):
        return Cell("broken", "red")
    if flow.get("paused"):
        return Cell("paused", "yellow")
    return both(moment(flow.get("next_run_at")), invocation.now())


def _schedules(invocation: Invocation, flow: dict[str, Any]) -> str | Cell:
    specs = specs_of(flow, None)
    if specs:
        return ", ".join(spec.describe() for spec in specs)
    return Cell(f"none; tidemill run {flow['name']}", "dim") if flow.get("manifest") else ""


def _print_errors(flows: list[dict[str, Any]]) -> None:
    """Print what is wrong with broken files, each once."""
    errors = list(dict.fromkeys(str(flow["error"]) for flow in flows if flow.get("error")))
    if errors:
        say(f"\n{style(counted(len(errors), 'error'), 'red')}")
    for error in errors:
        say(f"  {neutral(error)}")
