"""Seeing a run through to its end, as ``run --wait`` and ``retry --wait`` do."""

import sys
from functools import partial
from typing import Final

from tidemill.cli import exits
from tidemill.cli.awaiting import Awaited
from tidemill.cli.documents import print_document
from tidemill.cli.errorviews import OWN_FAILURES, states_told
from tidemill.cli.finding import Record
from tidemill.cli.invocation import Invocation
from tidemill.cli.logfiles import lines, pieces
from tidemill.cli.phrasing import duration
from tidemill.cli.reports import Reports
from tidemill.cli.states import state_text
from tidemill.cli.taskviews import counted, outcome_cell, told_counts, without_mapped
from tidemill.cli.terminal import cells, cut, is_terminal, neutral, neutral_lines, say, style, width

_SUCCESSES: Final = frozenset({"completed", "cached"})
_MOST_TASKS: Final = 20
"""Tasks that are listed when the run has ended."""


def see_through(invocation: Invocation, awaited: Awaited, *, follow: bool, as_json: bool) -> int:
    """Show the run until its end, tell how it ended, and return the exit code."""
    try:
        if as_json:
            while not awaited.look(1.0):
                pass
        elif is_terminal() and sys.stderr.isatty():
            _watch(invocation, awaited, follow=follow)
        else:
            _report(invocation, awaited, follow=follow)
    except KeyboardInterrupt:
        say(f"\nthe run goes on; end it with: tidemill cancel {awaited.uid}", err=True)
        raise
    if as_json:
        print_document(awaited.detail())
    else:
        _print_end(awaited)
    return exits.DONE if awaited.state in _SUCCESSES else exits.FAILED


def _watch(invocation: Invocation, awaited: Awaited, *, follow: bool) -> None:
    """Show a person how the run gets on, below what it writes if that is wanted."""
    from tidemill.cli.progress import view, watch

    expected = _expected_tasks(invocation, awaited)
    if not follow:
        watch(invocation, awaited, expected)
        return
    with view(invocation, awaited, expected=expected, lines=0) as shown:

        def goes_on() -> bool:
            shown.flush()
            shown.renew()
            return not awaited.look(0)

        for line in lines(pieces(invocation.paths.log(awaited.uid), follow=goes_on)):
            shown.print(line)


def _report(invocation: Invocation, awaited: Awaited, *, follow: bool) -> None:
    """Tell a pipe how the run gets on, beside what it writes if that is wanted."""
    reports = Reports(awaited, partial(_expected_tasks, invocation, awaited))

    def goes_on(patience: float) -> bool:
        reports.renew()
        return not awaited.look(patience)

    if follow:
        for line in lines(pieces(invocation.paths.log(awaited.uid), follow=lambda: goes_on(0))):
            say(neutral_lines(line))
    while goes_on(1.0):
        pass


def _expected_tasks(invocation: Invocation, awaited: Awaited) -> int:
    """Return how many tasks the run will have, as far as its flow's file tells."""
    flow = invocation.reader.flow(awaited.progress(1)["flow"])
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
    if len(tasks) > _MOST_TASKS:
        bad = [task for task in without_mapped(tasks) if task["state"] not in _SUCCESSES]
        bad.sort(key=lambda task: task["state"] not in OWN_FAILURES)
        for task in bad[:_MOST_TASKS]:
            say(_task_line(task))
        if len(bad) > _MOST_TASKS:
            say(f"  and {len(bad) - _MOST_TASKS} more; all of them: tidemill show {run['id']} {states_told(bad)}--all")
        own = without_mapped(tasks)
        say(f"  {len(own)} tasks: {told_counts(counted(own))}")
    else:
        for task in tasks:
            say(_task_line(task))
    error = f": {neutral(run['error'])}" if run["error"] else ""
    say(f"{run['id']} {neutral(run['flow'])} {state_text(str(awaited.state))}{error}")
    if awaited.state not in _SUCCESSES:
        say(f"Look with: tidemill show {run['id']}; tidemill logs {run['id']}", err=True)
