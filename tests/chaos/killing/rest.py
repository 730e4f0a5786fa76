"""The end of every disturbance: all that lives comes to rest, and nothing is left behind."""

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from chaos.killing.stack import Stack

QUIET: Final = 90.0
"""Seconds within which one more run must have ended, as long as there are any, when nothing is disturbed any more."""
SHARED: Final = ("sources", "results/cache")
"""Where a draft may belong to anybody, and goes with the pruning: an old one of a text after a day, of a value after
an hour."""
CALM: Final = 6
"""Looks in a row, at nothing that runs or waits, until that is believed."""
STOPPING: Final = 60.0
LEAVING: Final = 15.0
"""Seconds within which the last process must be gone when the daemon has stopped."""


def come_to_rest(stack: Stack, scheduled: Iterable[str]) -> list[str]:
    """Pause every flow of *scheduled*, wait for the runs, end the daemon that serves; return what was wrong."""
    violations: list[str] = []
    for flow in scheduled:
        stack.ask("pause", flow=flow)
    status = stack.ask("status")
    calm, left, moved = 0, _left_to_do(status), time.monotonic()
    while time.monotonic() - moved < QUIET and calm < CALM:  # a moment before the pause may be on its way to its run
        time.sleep(0.05)
        status = stack.ask("status")
        if (count := _left_to_do(status)) != left:
            left, moved = count, time.monotonic()
        calm = 0 if left else calm + 1
    if left:
        violations.append(f"I2 for {QUIET:g} s none ended of {status['active_runs']} live and {left} open runs")
    if held := [limit for limit in status["limits"] if limit.get("held")]:
        violations.append(f"I14 slots are still held: {held}")
    if status["problem"] is not None or status["errors"]:
        violations.append(f"I14 the daemon has problems: {status['problem']} {status['errors']}")
    if (code := stack.terminate(STOPPING)) != 0:
        violations.append(f"the last daemon ended with {code}")
    return violations + _left_behind(stack)


def _left_to_do(status: dict[str, Any]) -> int:
    return int(status["active_runs"] + status["queued_runs"])


def _left_behind(stack: Stack) -> list[str]:
    """I10, I14: no process, no socket, no draft."""
    deadline = time.monotonic() + LEAVING
    while (left := stack.processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    found = [f"I14 processes are left: {left}"] if left else []
    drafts = [
        str(path.relative_to(stack.state))
        for path in stack.state.rglob("*")
        if (path.name.startswith(".") or path.suffix in (".tmp", ".sock") or path.is_socket())
        and path.parents[1] not in {stack.state / folder for folder in SHARED}
    ]
    return found + ([f"I14 files are left: {sorted(drafts)[:8]}, {len(drafts)} in all"] if drafts else [])


def tracebacks(log: Path) -> list[str]:
    """Return the tracebacks of the daemon's log."""
    text = log.read_text(errors="replace")
    return [
        f"the daemon's log: {found[-700:]}" for found in re.findall(r"Traceback.*?\n\S[^\n]*\n(?=\S|\Z)", text, re.S)
    ]
