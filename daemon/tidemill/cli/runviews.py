"""A run for a person's eyes."""

from datetime import datetime
from typing import Any, NamedTuple

from tidemill.cli.errorviews import MOST_ERRORS, print_errors, print_traceback
from tidemill.cli.fields import print_fields, print_heading
from tidemill.cli.phrasing import absolute, duration, exact, moment
from tidemill.cli.states import state_cell, state_text
from tidemill.cli.tables import Cell
from tidemill.cli.taskviews import choose, print_listing, print_summary
from tidemill.cli.terminal import neutral, say

Record = dict[str, Any]


class Wanted(NamedTuple):
    """Which of a run's tasks a person asked for."""

    task: str | None = None
    states: tuple[str, ...] = ()
    everything: bool = False

    @property
    def is_some(self) -> bool:
        """Tell whether not every task is wanted."""
        return bool(self.task or self.states)


def print_run(run: Record, now: datetime, wanted: Wanted) -> None:
    """Print everything about a run: what it was, its tasks, what happened, and its errors at the end."""
    print_fields(_facts(run, now))
    tasks = choose(run["tasks"], wanted.task, wanted.states)
    if wanted.is_some or wanted.everything:
        print_listing(run, tasks, now, everything=wanted.everything)
    elif tasks:
        print_summary(run, now)
    if run["events"] and not wanted.is_some:
        print_heading("events")
        for event in run["events"]:
            note = f"  {neutral(event['note'])}" if event["note"] else ""
            say(f"{absolute(moment(event['at']), now):>16}  {state_text(event['state'] or 'noted')}{note}")
    print_errors(run, tasks, None if wanted.everything else MOST_ERRORS)
    if not wanted.is_some and not any(task["error"] for task in tasks):
        print_traceback(run["flow"], run.get("failure"))


def _facts(run: Record, now: datetime) -> list[tuple[str, Cell | str | None]]:
    """Return what stands on top."""
    parameters = ", ".join(f"{name}={value!r}" for name, value in (run["parameters"] or {}).items())
    return [
        ("run", Cell(run["id"], "bold")),
        ("name", run["name"]),
        ("flow", run["flow"]),
        ("state", state_cell(run["state"])),
        ("error", Cell(run["error"], "red") if run["error"] else None),
        ("note", run.get("note")),
        ("waits", run.get("waiting")),
        ("trigger", run["trigger"] + _origin(run)),
        ("attempt", _attempt(run)),
        ("retried", f"by {run['retried_by']}" if run.get("retried_by") else None),
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


def _attempt(run: Record) -> str | None:
    """Return which attempt of the flow this is, where it was tried again within the run."""
    is_retry = run["parent"] and not run["root"]
    return str(run["attempt"]) if run["attempt"] > 1 and not is_retry else None


def _origin(run: Record) -> str:
    """Return what a run came from, where that was another run."""
    if not run["parent"]:
        return ""
    if not run["root"]:
        return f" of {run['parent']}, attempt {run['attempt']}"
    within = f", within the run {run['root']}" if run["root"] != run["parent"] else ""
    return f" of {run['parent']}, which called it as its task {run['parent_task']}{within}"
