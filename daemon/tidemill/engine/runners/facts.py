"""What code sees of its run and its task where the engine itself is not: in another process."""

from typing import NamedTuple

from tidemill.authoring.context import RunContext


class TaskFacts(NamedTuple):
    """The task that is being executed, as its code may see it."""

    name: str
    index: int  # type: ignore[assignment]  # nobody looks for a value in it, so tuple.index may go
    attempt: int


class RunFacts(NamedTuple):
    """The run that the task is part of, as its code may see it."""

    context: RunContext
