"""The live view of a run: a few lines that stay in place while it goes on. rich is imported here and only now."""

import time
from datetime import datetime
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from tidemill.cli.awaiting import Awaited
from tidemill.cli.finding import Record
from tidemill.cli.invocation import Invocation
from tidemill.cli.phrasing import duration, moment
from tidemill.cli.states import LIVE, state_cell
from tidemill.cli.terminal import neutral

_MOST_LINES: Final = 10
_LOOK_EVERY: Final = 0.1


def watch(invocation: Invocation, awaited: Awaited, expected: int) -> None:
    """Show the run until it has ended; *expected* tasks, or 0 where only the run itself knows."""
    console = Console(stderr=True)
    with Live(
        console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as live:
        pause = _LOOK_EVERY
        while not awaited.look(pause):
            begun = time.monotonic()
            live.update(_view(awaited.detail(), expected, invocation.now()), refresh=True)
            # A run of ten thousand tasks takes a while to read: never more than a fifth of the time goes into it.
            pause = max(_LOOK_EVERY, 4 * (time.monotonic() - begun))


def _view(run: Record, expected: int, now: datetime) -> RenderableType:
    """Return the lines: the run, its live tasks, and those that ended last."""
    tasks: list[dict[str, Any]] = run["tasks"]
    ended = [task for task in tasks if task["state"] not in LIVE]
    going = [task for task in tasks if task["state"] in LIVE]
    total = max(expected, len(tasks))
    count = f" · {len(ended)}/{total} tasks" if total else ""
    head = Text.assemble(
        (f"{run['id']} ", "bold"), neutral(run["flow"]), " ", _state(run["state"]), count, _took(run, now)
    )
    shown = going[:_MOST_LINES]
    if room := _MOST_LINES - len(shown):
        shown = sorted(ended, key=lambda task: task["finished_at"] or "")[-room:] + shown
    return Group(head, *(_task_line(task, now) for task in shown))


def _task_line(task: Record, now: datetime) -> Text:
    tries = f" (try {task['attempts']})" if (task["attempts"] or 0) > 1 else ""
    return Text.assemble("  ", _state(task["state"]), f" {neutral(task['name'])}{tries}", _took(task, now))


def _state(state: str) -> Text:
    cell = state_cell(state)
    return Text(cell.text, style=cell.style)


def _took(timed: Record, now: datetime) -> Text:
    seconds = timed["duration"]
    begun = moment(timed["started_at"])
    if seconds is None and begun is not None:
        seconds = max((now - begun).total_seconds(), 0.0)
    return Text(f" · {duration(seconds)}" if seconds is not None else "", style="dim")
