"""Threads that the run's code starts for itself belong to the task that started them.

Python gives a new thread no context, so what it prints would be nobody's, and a task it calls would be no part of
the run.
"""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from tidemill.authoring.context import CURRENT_RUN, CURRENT_TASK

_start = threading.Thread.start


def adopt_threads() -> None:
    """Let every thread of this process from now on know the run and the task it was started in."""
    threading.Thread.start = _start_within  # type: ignore[assignment, method-assign]


def _start_within(thread: threading.Thread) -> None:
    run, task = CURRENT_RUN.get(), CURRENT_TASK.get()
    if run is not None:
        thread.run = partial(_run_within, run, task, thread.run)  # type: ignore[method-assign]
    _start(thread)


def _run_within(run: Any, task: Any, work: Callable[[], None]) -> None:
    CURRENT_RUN.set(run)
    CURRENT_TASK.set(task)
    work()
