"""What a retry has not to do again: the tasks that the attempts before it finished."""

import json
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


class Attempt(NamedTuple):
    """A run in a chain of retries."""

    id: int
    restart: Restart | None
    """What it ran again although the attempts before had finished it."""
    version: str | None
    code: dict[str, dict[str, str]]
    """Marks of the code of the version's tasks, by flow and by task; under "" those of its file."""


class Past(NamedTuple):
    """A task that an attempt finished, and the attempt that executed it."""

    task: FinishedTask
    attempt: Attempt


class Resuming(TaskPlaces):
    """The sentences about the tasks of earlier attempts."""

    def load_finished_tasks(self, uid: str) -> tuple[FinishedTask, ...]:
        """Return the tasks that a retry of the run must not execute again, from it and the runs it retried itself."""
        return tuple(past.task for past in self.load_past(uid))

    def load_resume(self, uid: str) -> tuple[FinishedTask, ...]:
        """Return the tasks that the run with this id, which is a retry, must not execute again."""
        rows = self.rows(f"{_ATTEMPT} WHERE r.uid = ? AND r.trigger = '{Trigger.RETRY}'", (uid,))
        if not rows or rows[0][1] is None:
            return ()
        parent = self.row("SELECT uid FROM runs WHERE id = ?", (rows[0][1],))
        return (
            () if parent is None else tuple(past.task for past in self.load_past(parent[0], _attempt(rows[0]).restart))
        )

    def load_past(self, uid: str, restart: Restart | None = None) -> list[Past]:
        """Return what the run and the runs it retried itself finished, without what *restart* runs again.

        A task that one attempt finished and the next did not come to is finished all the same, and one that an
        attempt was told to run again counts from that attempt on. What is part of a finished sub-flow is left out.
        """
        found: dict[Ident, Past] = {}
        places: dict[Ident, tuple[int, ...]] = {}
        for attempt in self.load_attempts(uid):
            found = _without(found, attempt.restart)
            for placed in self.load_places(attempt.id):
                places[placed.ident] = placed.path
                if placed.state in SUCCESSES:
                    before = found.get(placed.ident) if placed.state == State.CACHED else None
                    found[placed.ident] = Past(placed.finished(), before.attempt if before else attempt)
        found = _without(found, restart)
        kept = [
            Past(replace(past.task, within=places[ident[:-1]] if len(ident) > 1 else ()), past.attempt)
            for ident, past in found.items()
            if not any(ident[:depth] in found for depth in range(1, len(ident)))
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
