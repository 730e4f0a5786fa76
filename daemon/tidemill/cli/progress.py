"""The live view of a run: a few lines that stay in place while it goes on. rich is imported here and only now."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from tidemill.cli.awaiting import Awaited
from tidemill.cli.finding import Record
from tidemill.cli.invocation import Invocation
from tidemill.cli.pace import Pace, ended, told
from tidemill.cli.phrasing import duration, moment
from tidemill.cli.states import LIVE, state_cell
from tidemill.cli.terminal import neutral, neutral_lines

MOST_LINES: Final = 10
"""Tasks that are shown below the run."""
_LOOK_EVERY: Final = 0.1
_AT_ONCE: Final = 1000
"""Lines of a log that are printed together."""


class View:
    """What a person sees of the run while it goes on; *lines* tasks below it, *expected* in all where that is known."""

    def __init__(self, invocation: Invocation, awaited: Awaited, live: Live, *, expected: int, lines: int) -> None:
        self._invocation = invocation
        self._awaited = awaited
        self._live = live
        self._expected = expected
        self._lines = lines
        self._pace = Pace()
        self._due = 0.0
        self._log: list[str] = []

    def renew(self) -> float:
        """Bring the view up to date if it is time, and return the seconds until it is again."""
        begun = time.monotonic()
        if begun < self._due:
            return self._due - begun
        run = self._awaited.progress(max(self._lines, 1))
        rate = self._pace.see(ended(run), begun)
        now = self._invocation.now()
        head = Text.assemble(
            (f"{run['id']} ", "bold"), neutral(run["flow"]), " ", _state(run["state"]),
            *(f" · {part}" for part in told(run, self._expected, rate)), _took(run, now),
        )  # fmt: skip
        tasks = run["tasks"][-self._lines :] if self._lines else ()
        self._live.update(Group(head, *(_task_line(task, now) for task in tasks)), refresh=True)
        # A run of ten thousand tasks takes a while to read: never more than a fifth of the time goes into it.
        pause = max(_LOOK_EVERY, 4 * (time.monotonic() - begun))
        self._due = time.monotonic() + pause
        return pause

    def print(self, line: str) -> None:
        """Print a line of the run's log above the view, with those that come right behind it."""
        self._log.append(neutral_lines(line))
        if len(self._log) >= _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Print the lines that wait."""
        if self._log:
            self._live.console.print(Text("\n".join(self._log)), soft_wrap=True)
            self._log.clear()


@contextmanager
def view(invocation: Invocation, awaited: Awaited, *, expected: int, lines: int = MOST_LINES) -> Iterator[View]:
    """Show the run for as long as the block lasts."""
    with Live(
        console=Console(stderr=True), auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as live:
        shown = View(invocation, awaited, live, expected=expected, lines=lines)
        yield shown
        shown.flush()


def watch(invocation: Invocation, awaited: Awaited, expected: int) -> None:
    """Show the run until it has ended; *expected* tasks, or 0 where only the run itself knows."""
    with view(invocation, awaited, expected=expected) as shown:
        pause = _LOOK_EVERY
        while not awaited.look(pause):
            pause = shown.renew()


def _task_line(task: Record, now: datetime) -> RenderableType:
    tries = f" (try {task['attempts']})" if (task["attempts"] or 0) > 1 else ""
    return Text.assemble("  ", _state(task["state"]), f" {neutral(task['name'])}{tries}", _took(task, now))


def _state(state: str) -> Text:
    cell = state_cell(state)
    return Text(cell.text, style=cell.style)


def _took(timed: dict[str, Any], now: datetime) -> Text:
    seconds = timed["duration"]
    begun = moment(timed["started_at"])
    if seconds is None and begun is not None and timed["state"] in LIVE:
        seconds = max((now - begun).total_seconds(), 0.0)
    return Text(f" · {duration(seconds)}" if seconds is not None else "", style="dim")
