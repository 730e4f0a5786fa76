"""A flow for a person's eyes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tidemill.cli.fields import print_fields, print_heading
from tidemill.cli.phrasing import both, counted, duration, exact, moment
from tidemill.cli.states import state_cell
from tidemill.cli.tables import Cell, Column, print_table

Record = dict[str, Any]

_PARAMETERS = (Column("parameter"), Column("type"), Column("default", gives=True))
_RUNS = (
    Column("run", whole=True),
    Column("state"),
    Column("started"),
    Column("took", right=True, spare=True),
    Column("trigger", spare=True),
    Column("error", gives=True),
)


def print_flow(flow: Record, schedules: Sequence[str], runs: Sequence[Record], now: datetime) -> None:
    """Print what a flow is, when it is due, what it takes, and its newest runs."""
    print_fields(_facts(flow, schedules, now))
    if flow["parameters"]:
        print_heading("parameters")
        print_table(_PARAMETERS, [_parameter_row(parameter) for parameter in flow["parameters"]])
    if runs:
        print_heading("newest runs")
        print_table(_RUNS, [_run_row(run, now) for run in runs])


def _facts(flow: Record, schedules: Sequence[str], now: datetime) -> list[tuple[str, Cell | str | None]]:
    manifest = flow.get("manifest") or {}
    where = f"{flow['file']}:{manifest['line']}" if flow["file"] and manifest.get("line") else flow["file"]
    tasks = manifest.get("tasks") or ()
    run_it = f"; run it with: tidemill run {flow['name']}"
    return [
        ("flow", Cell(flow["name"], "bold")),
        ("about", flow["description"]),
        ("file", where),
        ("error", Cell(str(flow["error"]), "red") if flow["error"] else None),
        ("tags", ", ".join(flow["tags"] or ())),
        ("schedule", "\n".join(schedules) or ("none" + run_it if flow["active"] else None)),
        ("next", _next(flow, now)),
        ("policies", _policies(manifest)),
        ("tasks", f"{counted(len(tasks), 'task')}; see them with: tidemill graph {flow['name']}" if tasks else None),
    ]


def _next(flow: Record, now: datetime) -> Cell | str:
    if not flow["active"] and not flow["file"]:
        return Cell("never by itself: no file in the folder of flows declares it, other flows call it", "yellow")
    if not flow["active"]:
        return Cell("never: its file is not in the folder of flows", "yellow")
    if flow["paused"]:
        return Cell(f"paused; let it run again with: tidemill resume {flow['name']}", "yellow")
    return exact(moment(flow["next_run_at"]), now)


def _policies(manifest: Record) -> str:
    """Return the policies that say something, each with its value."""
    spans = ("grace", "timeout")
    names = ("catchup", "grace", "overlap", "max_active_runs", "timeout", "priority", "max_workers")
    return ", ".join(
        f"{name} {duration(manifest[name]) if name in spans else manifest[name]}"
        for name in names
        if manifest.get(name)
    )


def _parameter_row(parameter: Record) -> list[Cell | str | None]:
    default = Cell("required", "yellow") if parameter["required"] else repr(parameter["default"])
    return [parameter["name"], parameter["type"], default]


def _run_row(run: Record, now: datetime) -> list[Cell | str | None]:
    begun = moment(run["started_at"] or run["queued_at"])
    took = duration(run["duration"])
    return [run["id"], state_cell(run["state"]), both(begun, now), took, run["trigger"], run["error"]]
