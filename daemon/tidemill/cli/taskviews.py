"""The tasks of a run for a person's eyes: a line each, or one for all of a name where those are many."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from tidemill.cli.errorviews import OWN_FAILURES, error_line, states_told
from tidemill.cli.fields import print_heading
from tidemill.cli.phrasing import absolute, duration, moment
from tidemill.cli.states import LIVE, NAMES, state_cell
from tidemill.cli.tables import Cell, Column, print_table
from tidemill.cli.terminal import say
from tidemill.domain.naming import base_name, mapped_among

Record = dict[str, Any]
Row = list[Cell | str | None]

COLUMNS: Final = (
    Column("#", right=True),
    Column("task"),
    Column("state"),
    Column("tries", right=True),
    Column("started", spare=True),
    Column("took", right=True),
    Column("result or error", gives=True),
)
MANY: Final = 10
"""Task runs of one name beyond which they share a line."""
MOST_LINES: Final = 100
"""Lines of one table; a run may have ten thousand tasks."""
MOST_FAILED: Final = 20
"""Tasks that failed and are listed one by one above a summary."""
_RANKS: Final = {
    **dict.fromkeys(OWN_FAILURES, -2),
    "cancelled": -1,
    **dict.fromkeys(LIVE, -1),
    "upstream_failed": 0,
}
"""What is listed first where not all can be."""


def choose(tasks: Iterable[Record], name: str | None, states: Sequence[str]) -> list[Record]:
    """Return the task runs of *name* (a task, one item of it, or a number) that are in one of *states*."""
    return [
        task
        for task in tasks
        if (name is None or name in (task["name"], base_name(task["name"]), task["run_name"], str(task["index"])))
        and (not states or task["state"] in states)
    ]


def without_mapped(tasks: Sequence[Record]) -> list[Record]:
    """Return the task runs without those of mapped tasks whose items are there too: they only sum those up."""
    mapped = mapped_among(task["name"] for task in tasks)
    return [task for task in tasks if task["name"] not in mapped]


def print_summary(run: Record, now: datetime) -> None:
    """Print the tasks of a run: all that a person can read, else those that failed and one line for each name."""
    tasks = run["tasks"]
    groups: dict[str, list[Record]] = {}
    for task in tasks:
        groups.setdefault(base_name(task["name"]), []).append(task)
    crowds = {name: own for name, group in groups.items() if len(own := without_mapped(group)) > MANY}
    failed = [task for crowd in crowds.values() for task in crowd if task["state"] in OWN_FAILURES]
    _print_failed(run["id"], failed, now)
    print_heading("tasks")
    if crowds or len(tasks) > MOST_LINES:
        _print_counts(tasks)
    lines: list[tuple[int, Row]] = []
    for name, group in groups.items():
        if name in crowds:
            row = _crowd_row(name, crowds[name], group[0]["index"], now)
            lines.append((_rank(min(crowds[name], key=_rank)), row))
        else:
            lines += [(_rank(task), task_row(task, now)) for task in group]
    _print_lines(lines, f"tidemill show {run['id']} --all")


def print_listing(run: Record, tasks: Sequence[Record], now: datetime, *, everything: bool) -> None:
    """Print *tasks* of the run one by one; unless *everything* is wanted, no more than a person can read."""
    print_heading("tasks")
    if not tasks:
        say("no such tasks")
        return
    if len(tasks) > 1:
        _print_counts(tasks)
    lines = [(_rank(task), task_row(task, now)) for task in tasks]
    _print_lines(lines, "add --all", len(lines) if everything else MOST_LINES)


def task_row(task: Record, now: datetime) -> Row:
    """Return the row of a task in a table of COLUMNS."""
    return [
        str(task["index"]),
        _named(task),
        state_cell(task["state"]),
        str(task["attempts"]) if task["attempts"] else "",
        absolute(moment(task["started_at"]), now),
        duration(task["duration"]),
        outcome_cell(task),
    ]


def _named(task: Record) -> str:
    """Return by what a task run is known: its names, and the run of the flow that it stands for."""
    name = f"{task['name']}: {task['run_name']}" if task["run_name"] else str(task["name"])
    return f"{name} (run {task['subflow']})" if task["subflow"] else name


def outcome_cell(task: Record) -> Cell | str:
    """Return what a task came to in one line: its error, else the preview of its result."""
    if task.get("error"):
        return Cell(error_line(task["error"]), "red")
    result = task.get("result") or {}
    preview = " ".join(str(result.get("preview") or "").split())
    return "" if preview in ("null", "None") else preview[:200]


def counted(tasks: Iterable[Record]) -> dict[str, int]:
    """Return how many of *tasks* are in which state."""
    found: dict[str, int] = {}
    for task in tasks:
        found[task["state"]] = found.get(task["state"], 0) + 1
    return found


def told_counts(found: Mapping[str, int]) -> str:
    """Return the numbers of tasks in each state as a person reads them: what went wrong comes first."""
    return ", ".join(f"{found[state]} {state}" for state in sorted(found, key=_order))


def _print_counts(tasks: Sequence[Record]) -> None:
    own = without_mapped(tasks)
    say(f"{len(own)}: {told_counts(counted(own))}")


def _print_failed(uid: str, failed: Sequence[Record], now: datetime) -> None:
    """Print those that failed among the many."""
    if failed:
        print_heading("failed")
        print_table(COLUMNS, [task_row(task, now) for task in failed[:MOST_FAILED]])
    if len(failed) > MOST_FAILED:
        hint = f"tidemill show {uid} {states_told(failed)}--all"
        say(f"and {len(failed) - MOST_FAILED} more; all of them: {hint}")


def _print_lines(lines: Sequence[tuple[int, Row]], hint: str, most: int = MOST_LINES) -> None:
    """Print rows, in their order if there are few, else those of the first ranks."""
    # Stable: within a rank they stay in the order of the run.
    shown = sorted(lines, key=lambda line: line[0])[:most] if len(lines) > most else lines
    print_table(COLUMNS, [row for _, row in shown])
    if len(shown) < len(lines):
        say(f"and {len(lines) - len(shown)} more; all of them: {hint}")


def _crowd_row(name: str, crowd: Sequence[Record], index: int, now: datetime) -> Row:
    """Return the row for all task runs of one name: when the first began, and until the last had ended."""
    begun = moment(min((task["started_at"] for task in crowd if task["started_at"]), default=None))
    live = next((task["state"] for task in crowd if task["state"] in LIVE), None)
    ended = moment(None if live else max((task["finished_at"] for task in crowd if task["finished_at"]), default=None))
    found = counted(crowd)
    return [
        str(index),
        f"{name} ({len(crowd)})",
        state_cell(live or min(found, key=_order)),
        "",
        absolute(begun, now),
        duration((ended - begun).total_seconds()) if begun and ended else "",
        told_counts(found),
    ]


def _order(state: str) -> tuple[int, int]:
    """Return where *state* stands when several are told: what went wrong first, what was taken over last."""
    return _RANKS.get(state, 1), NAMES.index(state) if state in NAMES else 0


def _rank(task: Record) -> int:
    return _RANKS.get(task["state"], 1)
