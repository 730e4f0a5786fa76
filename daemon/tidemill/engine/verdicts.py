"""How a run ended, as the engine saw it."""

from dataclasses import dataclass
from typing import Any

from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.domain.states import State
from tidemill.engine.task_run import TaskRun


@dataclass(frozen=True, slots=True)
class Verdict:
    """A flow came to its end."""

    state: State
    error: ErrorInfo | None = None
    result: ResultInfo | None = None
    value: Any = None
    """What a function flow returned."""
    exception: BaseException | None = None
    """What it raised, for a caller in the same process."""


def summarise(bad: list[TaskRun]) -> ErrorInfo:
    """Return the first failure as the run's, with a count of the others."""
    first = bad[0]
    failure = first.failure or ErrorInfo("Failed", "")
    others = f" (and {len(bad) - 1} more failed)" if len(bad) > 1 else ""
    return failure._replace(message=f"task {first.name}: {failure.message}{others}")
