"""What a retry runs again although it had finished: a person said from which task on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tidemill.domain.errors import NotFound
from tidemill.domain.manifests import TaskManifest
from tidemill.domain.naming import base_name, did_you_mean
from tidemill.domain.runs import FinishedTask

Path = tuple[int, ...]
"""Where a task run stands: the places of the sub-flows it is part of, outermost first, and its own."""


@dataclass(frozen=True, slots=True)
class Restart:
    """From where on a retry runs tasks again; for a graph by names, for a function flow by places."""

    task: str
    """What the person wrote."""
    tasks: tuple[str, ...] = ()
    """The tasks of a graph that run again: the one named and all below it."""
    kept: tuple[str, ...] = ()
    """The tasks of the graph that do not. What is neither was called by a task, and runs again when that does."""
    path: Path = ()
    """Where in a function flow the first task run stands that runs again."""

    def covers(self, task: FinishedTask) -> bool:
        """Tell whether *task* runs again."""
        if self.path:
            own = (*task.within, task.index)
            # A sub-flow inside of which something runs again is called again itself.
            return own >= self.path or own == self.path[: len(own)]
        if task.name in self.tasks or base_name(task.name) in self.tasks or task.name == base_name(self.task):
            # The last: of a mapped task one of whose items runs again, the whole is made anew.
            return True
        return bool(task.within) or (base_name(task.name) not in self.kept and task.name not in self.kept)


def restart_graph(tasks: Sequence[TaskManifest], asked: str) -> Restart:
    """Return the restart of a graph from the task *asked*, or one item of a mapped one, on.

    Raises NotFound, with the nearest name, if the graph has no such task.
    """
    begin = next((task for name in (asked, base_name(asked)) for task in tasks if task.name == name), None)
    if begin is None:
        raise unknown_task(asked, (task.name for task in tasks))
    below = {begin.index}
    # Each task comes after what it needs.
    for task in tasks:
        if not below.isdisjoint(task.depends_on):
            below.add(task.index)
    again = [task.name for task in tasks if task.index in below]
    again[0] = asked
    return Restart(asked, tasks=tuple(again), kept=tuple(task.name for task in tasks if task.name not in again))


def unknown_task(asked: str, known: Iterable[str]) -> NotFound:
    """Return the error about a task that a run has not, with the nearest that it has."""
    return NotFound(f"there is no task {asked!r} to retry from{did_you_mean(asked, map(base_name, known))}")
