"""Seeing a run through to its end, as ``run --wait`` and ``retry --wait`` do."""

import sys

from tidemill.cli import exits
from tidemill.cli.awaiting import Awaited
from tidemill.cli.documents import print_document
from tidemill.cli.finding import Record
from tidemill.cli.invocation import Invocation
from tidemill.cli.logfiles import lines, pieces
from tidemill.cli.phrasing import duration
from tidemill.cli.states import state_text
from tidemill.cli.taskviews import outcome_cell
from tidemill.cli.terminal import cells, cut, is_terminal, neutral, neutral_lines, say, style, width

_SUCCESSES = frozenset({"completed", "cached"})


def see_through(invocation: Invocation, awaited: Awaited, *, follow: bool, as_json: bool) -> int:
    """Show the run until its end, tell how it ended, and return the exit code."""
    try:
        if follow and not as_json:
            _print_log(invocation, awaited)
        elif is_terminal() and sys.stderr.isatty() and not as_json:
            from tidemill.cli.progress import watch

            watch(invocation, awaited, _expected_tasks(invocation, awaited))
        while not awaited.look(1.0):
            pass
    except KeyboardInterrupt:
        say(f"\nthe run goes on; end it with: tidemill cancel {awaited.uid}", err=True)
        raise
    if as_json:
        print_document(awaited.detail())
    else:
        _print_end(awaited)
    return exits.DONE if awaited.state in _SUCCESSES else exits.FAILED


def _print_log(invocation: Invocation, awaited: Awaited) -> None:
    """Print what the run writes as it writes it."""
    arriving = pieces(invocation.paths.log(awaited.uid), follow=lambda: not awaited.look(0))
    for line in lines(arriving):
        say(neutral_lines(line))


def _expected_tasks(invocation: Invocation, awaited: Awaited) -> int:
    """Return how many tasks the run will have, as far as its flow's file tells."""
    flow = invocation.reader.flow(awaited.detail()["flow"])
    return len((flow.get("manifest") or {}).get("tasks") or ())


def _task_line(task: Record) -> str:
    """Return a task's end in one line of the terminal."""
    cell = outcome_cell(task)
    told, look = (cell, "") if isinstance(cell, str) else (cell.text, cell.style)
    begin = f"  {state_text(task['state'])} {neutral(task['name'])}  {duration(task['duration'])}".rstrip()
    room = width()
    told = neutral(told)
    if room is not None:
        told = cut(told, max(room - cells(neutral(begin)) - 2, 20))
    return f"{begin}  {style(told, look)}".rstrip()


def _print_end(awaited: Awaited) -> None:
    """Print the tasks, few enough to read, and how the run ended."""
    run = awaited.detail()
    tasks = run["tasks"]
    bad = [task for task in tasks if task["state"] not in _SUCCESSES]
    for task in tasks if len(tasks) <= 20 else bad[:20]:
        say(_task_line(task))
    error = f": {neutral(run['error'])}" if run["error"] else ""
    say(f"{run['id']} {neutral(run['flow'])} {state_text(str(awaited.state))}{error}")
    if awaited.state not in _SUCCESSES:
        say(f"Look with: tidemill show {run['id']}; tidemill logs {run['id']}", err=True)
