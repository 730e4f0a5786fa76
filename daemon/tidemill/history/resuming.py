"""What a retry has not to do again: the tasks that the attempts before it finished."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, Final, NamedTuple

from tidemill.domain.outcomes import Trigger
from tidemill.domain.restarts import Restart
from tidemill.domain.runs import FinishedTask
from tidemill.domain.states import SUCCESSES, State
from tidemill.history.task_places import Ident, TaskPlaces

_ATTEMPT: Final = (
    "SELECT r.id, r.parent_id, r.trigger, r.restart, v.name, v.code FROM runs r"
    " LEFT JOIN versions v ON v.id = r.version_id"
)
_VALUES: Final = "SELECT idx, value FROM results WHERE run_id = ? AND value IS NOT NULL"
_AT_ONCE: Final = 200
"""Results whose values are in memory together."""


class Attempt(NamedTuple):
    """A run in a chain of retries."""

    id: int
    restart: Restart | None
    """What it ran again although the attempts before had finished it."""
    version: str | None
    code: dict[str, dict[str, str]]
    """Marks of the code of the version's tasks, by flow and by task; under "" those of its file."""


class Past(NamedTuple):
    """A task that an attempt finished, without the value of its result."""

    task: FinishedTask
    attempt: Attempt
    """The one that executed it."""
    place: tuple[int, int]
    """Under which run and number the history has its result."""


class Resuming(TaskPlaces):
    """The sentences about the tasks of earlier attempts."""

    def load_finished_tasks(self, uid: str) -> tuple[FinishedTask, ...]:
        """Return the tasks that a retry of the run must not execute again, from it and the runs it retried itself."""
        return tuple(self.with_values(self.load_past(uid)))

    def load_resume(self, uid: str) -> list[Past]:
        """Return what the run with this id, which is a retry, must not execute again."""
        row = self.row(f"{_ATTEMPT} WHERE r.uid = ? AND r.trigger = '{Trigger.RETRY}'", (uid,))
        parent = None if row is None else self.row("SELECT uid FROM runs WHERE id = ?", (row[1],))
        return [] if row is None or parent is None else self.load_past(parent[0], _attempt(row).restart)

    def with_values(self, past: Sequence[Past]) -> Iterator[FinishedTask]:
        """Yield the tasks with the values of their results, few at a time: they may be large."""
        for begin in range(0, len(past), _AT_ONCE):
            some = past[begin : begin + _AT_ONCE]
            values: dict[tuple[int, int], str] = {}
            for key in {each.place[0] for each in some}:
                numbers = [each.place[1] for each in some if each.place[0] == key]
                marks = ", ".join("?" * len(numbers))
                rows = self.rows(f"{_VALUES} AND idx IN ({marks})", (key, *numbers))
                values.update(((key, index), value) for index, value in rows)
            for task, _, place in some:
                result = task.result
                yield task if result is None else replace(task, result=result._replace(value=values.get(place)))

    def load_past(self, uid: str, restart: Restart | None = None) -> list[Past]:
        """Return what the run and the runs it retried itself finished, without what *restart* runs again.

        A task that one attempt finished and the next did not come to is finished all the same, and one that an
        attempt was told to run again counts from that attempt on.
        """
        found: dict[Ident, Past] = {}
        places: dict[Ident, tuple[int, ...]] = {}
        for attempt in self.load_attempts(uid):
            found = _without(found, attempt.restart)
            for placed in self.load_places(attempt.id):
                places[placed.ident] = placed.path
                if placed.state in SUCCESSES:
                    before = found.get(placed.ident) if placed.state == State.CACHED else None
                    executed = before.attempt if before else attempt
                    found[placed.ident] = Past(placed.finished(), executed, (placed.key, placed.path[-1]))
        found = _without(found, restart)
        kept = [
            past._replace(task=replace(past.task, within=places[ident[:-1]] if len(ident) > 1 else ()))
            for ident, past in found.items()
        ]
        return sorted(kept, key=lambda past: (*past.task.within, past.task.index))

    def load_attempts(self, uid: str) -> list[Attempt]:
        """Return the run and those it retried, the first one first."""
        attempts: list[Attempt] = []
        row = self.row(f"{_ATTEMPT} WHERE r.uid = ?", (uid,))
        while row is not None:
            attempts.append(_attempt(row))
            is_retry = row[2] == Trigger.RETRY and row[1] is not None
            row = self.row(f"{_ATTEMPT} WHERE r.id = ?", (row[1],)) if is_retry else None
        return attempts[::-1]


def restart_text(restart: Restart | None) -> str | None:
    """Return how a restart stands in the history."""
    return None if restart is None else json.dumps(asdict(restart))


def _attempt(row: tuple[Any, ...]) -> Attempt:
    key, _, _, restart, version, code = row
    fields = json.loads(restart) if restart else None
    return Attempt(
        key,
        None
        if fields is None
        else Restart(fields["task"], tuple(fields["tasks"]), tuple(fields["kept"]), tuple(fields["path"])),
        version,
        json.loads(code) if code else {},
    )


def _without(found: dict[Ident, Past], restart: Restart | None) -> dict[Ident, Past]:
    if restart is None:
        return found
    return {ident: past for ident, past in found.items() if not restart.covers(past.task)}
