"""What is called for a task."""

from collections.abc import Callable
from typing import Any

from tidemill.authoring.tasks import Task


def code_of(task: Task) -> Callable[..., Any]:
    """Return what is called for *task*, or refuse methods that do not go together."""
    if type(task) is Task or not any(callable(getattr(task, name, None)) for name in ("setup", "teardown")):
        return task.fn
    # Few tasks are classes, and fewer have anything around their work.
    from tidemill.engine.staging import Staged

    return Staged(task)
