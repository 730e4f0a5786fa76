"""The errors of a run and its tasks for a person's eyes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from tidemill.cli.fields import print_heading, print_text
from tidemill.cli.phrasing import duration, moment
from tidemill.cli.terminal import neutral, say

Record = dict[str, Any]

MOST_ERRORS: Final = 10
"""Tasks whose tracebacks are printed."""
OWN_FAILURES: Final = frozenset({"failed", "timed_out", "crashed"})
"""States of a task that went wrong itself."""
_NO_TRACEBACK: Final = frozenset({"upstream_failed", "skipped", "cancelled"})


def print_errors(run: Record, tasks: Sequence[Record], most: int | None = MOST_ERRORS) -> None:
    """Print the tracebacks, those of attempts that were tried again in one line each; all, if *most* is None."""
    bad = [task for task in tasks if task["error"] or task.get("failed_attempts")]
    # Stable: among their like they stay in the order of the run.
    bad.sort(key=lambda task: task["state"] not in OWN_FAILURES)
    bearers = Counter(task["name"] for task in tasks)
    for task in bad[:most]:
        label = task["name"] if bearers[task["name"]] == 1 else f"{task['name']} (#{task['index']})"
        for attempt in task.get("failed_attempts") or ():
            told = f"{neutral(error_line(attempt['error']))}{_waited(attempt)}"
            say(f"\n{neutral(label)}, try {attempt['attempt']}: {told}")
        if task["state"] not in _NO_TRACEBACK:
            print_traceback(label, task["error"])
    if most is not None and len(bad) > most:
        hint = f"tidemill show {run['id']} {states_told(bad[most:])}--all"
        say(f"\n{len(bad) - most} more tasks have errors; all of them: {hint}")


def _waited(attempt: Record) -> str:
    """Return how long the next attempt was waited for, where it was."""
    ended, begins = moment(attempt.get("finished_at")), moment(attempt.get("next_at"))
    seconds = (begins - ended).total_seconds() if ended is not None and begins is not None else 0.0
    return f" (the next {duration(seconds)} later)" if seconds >= 0.001 else ""


def states_told(bad: Iterable[Record]) -> str:
    """Return the options of ``show`` that list what failed like *bad*, with a space behind each."""
    return "".join(f"--state {state} " for state in sorted({task["state"] for task in bad} & OWN_FAILURES))


def print_traceback(name: str, error: Record | None) -> None:
    """Print how the error came about, if that is known."""
    if error and error.get("traceback"):
        print_heading(f"{neutral(name)}: {neutral(error['type'])}")
        print_text(error["traceback"], indent="  ")


def error_line(error: Record | None) -> str:
    """Return an error in one line."""
    if not error:
        return ""
    first = str(error.get("message") or "").strip().split("\n", 1)[0]
    return f"{error.get('type')}: {first}" if first else str(error.get("type"))
