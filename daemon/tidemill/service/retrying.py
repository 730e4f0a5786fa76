"""What a retry takes over, what it runs again and what may surprise, judged before anything is recorded."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.domain.errors import NotFound, Refused
from tidemill.domain.marks import has_changed
from tidemill.domain.naming import base_name, mapped_among
from tidemill.domain.restarts import Restart, restart_graph
from tidemill.domain.states import State
from tidemill.history.records import StoredRun
from tidemill.history.resuming import Past
from tidemill.service.daemon import Daemon
from tidemill.service.roster import KnownFlow

MOST_NAMES = 10
"""Tasks that a sentence names."""


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """A retry that may be made."""

    asked: str
    """The run that was named."""
    parent: StoredRun
    """The last attempt of it, from which the retry goes on."""
    flow: KnownFlow
    restart: Restart | None
    past: tuple[Past, ...]
    """What it does not execute again."""
    again: dict[str, int]
    """How many task runs of which name it executes although they had finished."""
    warnings: tuple[str, ...]

    def told(self) -> dict[str, Any]:
        """Return the plan as the person who asked is told it."""
        return {
            "parent": self.parent.uid,
            "attempt": self.parent.attempt + 1,
            "from": self.restart.task if self.restart else None,
            "again": [{"name": name, "tasks": count} for name, count in self.again.items()],
            "taken_over": len(_own_names(self.past)),
            "warnings": list(self.warnings),
        }

    def notes(self) -> list[str]:
        """Return what the history is to tell of the retry."""
        if self.restart is None:
            return list(self.warnings)
        names = _listed(list(self.again))
        return [
            f"from task {self.restart.task}; of what had finished it runs again: {names or 'nothing'}",
            *self.warnings,
        ]


async def plan_retry(daemon: Daemon, uid: str, begin: str | None) -> RetryPlan:
    """Judge a retry of the run *uid*, or of its last attempt, from the task *begin* on or from where it stopped.

    Raises NotFound for an unknown run, task or flow, and Refused where there is nothing to retry, or not now.
    """
    _refuse_live(daemon, uid, uid)
    asked = await daemon.load_run(uid)
    if asked.root is not None:
        raise Refused(_of_subflow(asked, await daemon.load_run(asked.root)))
    parent = await daemon.ask(lambda writer: writer.load_run(writer.last_attempt(uid)))
    _refuse_live(daemon, uid, parent.uid)
    if parent.state is State.COMPLETED and begin is None:
        raise Refused(_completed(asked, parent))
    flow = daemon.roster.find(parent.flow)
    if flow is None:
        raise NotFound(
            f"the run {uid} cannot be retried: its flow {parent.flow} has left the folder;"
            " put its file back, then try again"
        )
    restart = None if begin is None else await _restart(daemon, flow, parent, begin)
    past = await daemon.ask(lambda writer: writer.load_past(parent.uid, restart))
    again: Counter[str] = Counter()
    if restart is not None:
        before = await daemon.ask(lambda writer: writer.load_past(parent.uid))
        names = _own_names(each for each in before if restart.covers(each.task))
        again.update(name if name == begin else base_name(name) for name in sorted(names, key=_place_in(restart)))
    return RetryPlan(uid, parent, flow, restart, tuple(past), dict(again), tuple(_warnings(flow, parent, past)))


async def _restart(daemon: Daemon, flow: KnownFlow, parent: StoredRun, begin: str) -> Restart:
    if flow.manifest.style != "function":
        restart = restart_graph(flow.manifest.tasks, begin)
        if begin not in (task.name for task in flow.manifest.tasks):
            # One item of a mapped task; only the history knows how many there were.
            await daemon.ask(lambda writer: writer.first_place(parent.uid, begin))
        return restart
    return Restart(begin, path=await daemon.ask(lambda writer: writer.first_place(parent.uid, begin)))


def _own_names(past: Iterable[Past]) -> list[str]:
    """Return the names of tasks, without those that only sum up their items."""
    names = [each.task.name for each in past]
    mapped = mapped_among(names)
    return [name for name in names if name not in mapped]


def _place_in(restart: Restart) -> Callable[[str], int]:
    """Return the order in which tasks are told: of a graph its own; stable, so that others stay as they came."""
    places = {name: place for place, name in enumerate(restart.tasks)}
    return lambda name: places.get(name, places.get(base_name(name), len(places)))


def _refuse_live(daemon: Daemon, asked: str, uid: str) -> None:
    active = daemon.dispatcher.find(uid)
    if active is not None and not active.ended:
        which = f"the run {uid}" if asked == uid else f"the run {asked} is being retried: the run {uid}"
        raise Refused(f"{which} is still going; cancel it first with: tidemill cancel {uid}")


def _completed(asked: StoredRun, parent: StoredRun) -> str:
    which = f"the run {asked.uid} completed"
    if asked.uid != parent.uid:
        which = f"the run {asked.uid} was retried, and the run {parent.uid} completed"
    return (
        f"{which}; there is nothing to retry. Run the flow anew: tidemill run {parent.flow},"
        f" or some tasks again: tidemill retry {asked.uid} --from TASK"
    )


def _of_subflow(child: StoredRun, root: StoredRun) -> str:
    told = f"the run {child.uid} is a sub-flow of the run {root.uid}"
    if root.state is State.COMPLETED:
        return f"{told}, which completed; there is nothing to retry. Run that flow anew: tidemill run {root.flow}"
    return f"{told}; retry that one with: tidemill retry {root.uid}"


def _warnings(flow: KnownFlow, parent: StoredRun, past: Sequence[Past]) -> list[str]:
    """Return what to tell of finished tasks whose code may have changed since."""
    answers: dict[str, bool | None] = {}
    for each in past:
        name = base_name(each.task.name)
        if each.attempt.version not in (None, flow.version) and not answers.get(name):
            marks = {**each.attempt.code.get("", {}), **each.attempt.code.get(parent.flow, {})}
            answers[name] = _has_changed(name, marks, flow.code, parent.flow)
    changed = [name for name, answer in answers.items() if answer]
    unknown = [name for name, answer in answers.items() if answer is None]
    warnings = []
    if changed:
        warnings.append(
            f"the code of {_listed(changed)} has changed since; what {'it' if len(changed) == 1 else 'they'} returned"
            f" then is taken over. To run it again, and what follows: tidemill retry {parent.uid} --from {changed[0]}"
        )
    if unknown:
        warnings.append(
            f"the file of {parent.flow} has changed since {_listed(unknown)} finished;"
            " whether their own code did cannot be told"
        )
    return warnings


def _has_changed(name: str, before: Mapping[str, str], now: Mapping[str, str], flow: str) -> bool | None:
    """Tell whether a task's code has changed; None where that cannot be told."""
    if name in now:
        return has_changed(before.get(name), now[name])
    if name in before:
        # The flow has it no more, and will not ask for it.
        return False
    # It was made while the flow ran, and has no mark of its own.
    return None if has_changed(before.get(flow), now.get(flow)) is not False else False


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
