"""A run and its tasks for a person's eyes."""

from datetime import datetime
from typing import Any, Final

from tidemill.cli.fields import print_fields, print_heading, print_text
from tidemill.cli.phrasing import absolute, duration, exact, moment
from tidemill.cli.states import LIVE, state_cell, state_text
from tidemill.cli.tables import Cell, Column, print_table
from tidemill.cli.terminal import neutral, say

Record = dict[str, Any]

TASK_COLUMNS: Final = (
    Column("#", right=True),
    Column("task"),
    Column("state"),
    Column("tries", right=True),
    Column("started", spare=True),
    Column("took", right=True),
    Column("result or error", gives=True),
)
MOST_TASKS: Final = 100
"""Tasks of one run that are listed for a person; a run may have ten thousand."""
MOST_ERRORS: Final = 10
"""Tasks whose tracebacks are printed."""
_RANKS: Final = {
    **dict.fromkeys(("failed", "timed_out", "crashed"), -2),
    "cancelled": -1,
    **dict.fromkeys(LIVE, -1),
    "upstream_failed": 0,
}
"""What is listed first where not all can be."""
_NO_TRACEBACK: Final = frozenset({"upstream_failed", "skipped", "cancelled"})


def print_run(run: Record, now: datetime) -> None:
    """Print everything about a run: what it was, its tasks, what happened, and its errors at the end."""
    print_fields(_facts(run, now))
    if run["tasks"]:
        _print_tasks(run, now)
    if run["events"]:
        print_heading("events")
        for event in run["events"]:
            note = f"  {neutral(event['note'])}" if event["note"] else ""
            say(f"{absolute(moment(event['at']), now):>16}  {state_text(event['state'] or 'noted')}{note}")
    _print_errors(run)


def _print_tasks(run: Record, now: datetime) -> None:
    """Print the tasks: all that a person can read, else how many ended how, and those to look at."""
    tasks = run["tasks"]
    print_heading("tasks")
    shown = tasks
    if len(tasks) > MOST_TASKS:
        states = [task["state"] for task in tasks]
        counts = sorted(((states.count(state), state) for state in set(states)), reverse=True)
        say(f"{len(tasks)}: " + ", ".join(f"{count} {state_text(state)}" for count, state in counts))
        # Stable: within a rank they stay in the order of the run.
        shown = sorted(tasks, key=lambda task: _RANKS.get(task["state"], 1))[:MOST_TASKS]
    print_table(TASK_COLUMNS, [task_row(task, now) for task in shown])
    if len(shown) < len(tasks):
        say(f"and {len(tasks) - len(shown)} more; all of them: tidemill show {run['id']} --json")


def _print_errors(run: Record) -> None:
    """Print the tracebacks, those of attempts that were tried again in one line each."""
    failed = [task for task in run["tasks"] if task["error"] or task.get("failed_attempts")]
    for task in failed[:MOST_ERRORS]:
        for failed in task.get("failed_attempts") or ():
            say(f"\n{neutral(task['name'])}, try {failed['attempt']}: {neutral(error_line(failed['error']))}")
        if task["state"] not in _NO_TRACEBACK:
            _print_traceback(task["name"], task["error"])
    if len(failed) > MOST_ERRORS:
        say(f"\n{len(failed) - MOST_ERRORS} more tasks have errors; all of them: tidemill show {run['id']} --json")
    if not any(task["error"] for task in run["tasks"]):
        _print_traceback(run["flow"], run.get("failure"))


def _print_traceback(name: str, error: Record | None) -> None:
    if error and error.get("traceback"):
        print_heading(f"{neutral(name)}: {neutral(error['type'])}")
        print_text(error["traceback"], indent="  ")


def error_line(error: Record | None) -> str:
    """Return an error in one line."""
    if not error:
        return ""
    first = str(error.get("message") or "").strip().split("\n", 1)[0]
    return f"{error.get('type')}: {first}" if first else str(error.get("type"))


def _facts(run: Record, now: datetime) -> list[tuple[str, Cell | str | None]]:
    """Return what stands on top."""
    parameters = ", ".join(f"{name}={value!r}" for name, value in (run["parameters"] or {}).items())
    again = f" of {run['parent']}, attempt {run['attempt']}" if run["parent"] else ""
    return [
        ("run", Cell(run["id"], "bold")),
        ("flow", run["flow"]),
        ("state", state_cell(run["state"])),
        ("error", Cell(run["error"], "red") if run["error"] else None),
        ("note", run.get("note")),
        ("trigger", run["trigger"] + again),
        ("parameters", parameters),
        ("due", exact(moment(run["scheduled_for"]), now)),
        ("queued", exact(moment(run["queued_at"]), now)),
        ("started", exact(moment(run["started_at"]), now)),
        ("finished", exact(moment(run["finished_at"]), now)),
        ("took", duration(run["duration"])),
        ("result", " ".join(str(run["result"]["preview"]).split()) if run.get("result") else None),
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
    if task.get("error"):
        return Cell(error_line(task["error"]), "red")
    result = task.get("result") or {}
    preview = " ".join(str(result.get("preview") or "").split())
    return "" if preview in ("null", "None") else preview[:200]
