"""A run and its tasks for a person's eyes."""

from datetime import datetime
from typing import Any, Final

import click

from tidemill.cli.fields import print_fields, print_heading, print_text
from tidemill.cli.phrasing import absolute, duration, exact, moment
from tidemill.cli.states import state_cell, state_text
from tidemill.cli.tables import Cell, Column, print_table
from tidemill.cli.terminal import neutral

Record = dict[str, Any]

TASK_COLUMNS: Final = (
    Column("#", right=True),
    Column("task"),
    Column("state"),
    Column("tries", right=True),
    Column("started"),
    Column("took", right=True),
    Column("result or error", gives=True),
)
_NO_TRACEBACK: Final = frozenset({"upstream_failed", "skipped", "cancelled"})


def print_run(run: Record, now: datetime) -> None:
    """Print everything about a run: what it was, its tasks, what happened, and its errors at the end."""
    print_fields(_facts(run, now))
    if run["tasks"]:
        print_heading("tasks")
        print_table(TASK_COLUMNS, [task_row(task, now) for task in run["tasks"]])
    if run["events"]:
        print_heading("events")
        for event in run["events"]:
            note = f"  {neutral(event['note'])}" if event["note"] else ""
            click.echo(f"{absolute(moment(event['at']), now):>16}  {state_text(event['state'] or 'noted')}{note}")
    for task in run["tasks"]:
        error = task["error"]
        if error and error.get("traceback") and task["state"] not in _NO_TRACEBACK:
            print_heading(f"{neutral(task['name'])}: {neutral(error['type'])}")
            print_text(error["traceback"], indent="  ")


def _facts(run: Record, now: datetime) -> list[tuple[str, Cell | str | None]]:
    """Return what stands on top."""
    parameters = ", ".join(f"{name}={value!r}" for name, value in (run["parameters"] or {}).items())
    again = f" of {run['parent']}, attempt {run['attempt']}" if run["parent"] else ""
    return [
        ("run", Cell(run["id"], {"bold": True})),
        ("flow", run["flow"]),
        ("state", state_cell(run["state"])),
        ("error", Cell(run["error"], {"fg": "red"}) if run["error"] else None),
        ("trigger", run["trigger"] + again),
        ("parameters", parameters),
        ("due", exact(moment(run["scheduled_for"]), now)),
        ("queued", exact(moment(run["queued_at"]), now)),
        ("started", exact(moment(run["started_at"]), now)),
        ("finished", exact(moment(run["finished_at"]), now)),
        ("took", duration(run["duration"])),
        ("version", (run["version"] or "")[:12]),
        ("log", f"tidemill logs {run['id']}"),
    ]


def task_row(task: Record, now: datetime) -> list[Cell | str | None]:
    """Return the row of a task in a table of TASK_COLUMNS."""
    return [
        str(task["index"]),
        task["name"],
        state_cell(task["state"]),
        str(task["attempts"]) if task["attempts"] else "",
        absolute(moment(task["started_at"]), now),
        duration(task["duration"]),
        outcome_cell(task),
    ]


def outcome_cell(task: Record) -> Cell | str:
    """Return what a task came to in one line: its error, else the preview of its result."""
    if error := task.get("error"):
        first = str(error.get("message") or "").strip().split("\n", 1)[0]
        return Cell(f"{error.get('type')}: {first}" if first else str(error.get("type")), {"fg": "red"})
    result = task.get("result") or {}
    preview = " ".join(str(result.get("preview") or "").split())
    return "" if preview in ("null", "None") else preview[:200]
