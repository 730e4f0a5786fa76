"""Folding a piece of a journal into rows: what began and ended within it becomes one write."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tidemill.domain.events import (
    Event,
    OfSubflow,
    OwnEvent,
    RunEnded,
    RunNamed,
    RunNoted,
    RunOrdered,
    RunRetrying,
    RunStarted,
    SubflowStarted,
    TaskEnded,
    TaskRetrying,
    TaskStarted,
)
from tidemill.domain.results import ResultInfo
from tidemill.domain.states import State
from tidemill.domain.times import iso
from tidemill.history.children import Child
from tidemill.history.statements import Row
from tidemill.history.texts import from_error, is_digest, storable

FLOW: Final = -1
"""The place of the flow's own result among those of its tasks."""


@dataclass(slots=True)
class Rows:
    """What the events of one batch come to, over all its runs, as rows for one statement each."""

    tasks: list[Row] = field(default_factory=list)
    results: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    begun_again: list[Row] = field(default_factory=list)
    """Tasks that begin another attempt, and when. What they came to in an earlier batch may have been their end."""
    notes: list[Row] = field(default_factory=list)
    ordered: list[Row] = field(default_factory=list)
    """The versions that runs execute: those that were good when they began, not when they were asked for."""
    versions: list[Row] = field(default_factory=list)
    """The same versions, whole: what the daemon writes of a new one may come behind its first run's journal."""
    started: list[Row] = field(default_factory=list)
    resumed: list[Row] = field(default_factory=list)
    retrying: list[Row] = field(default_factory=list)
    ended: list[Row] = field(default_factory=list)
    unhooked: list[Row] = field(default_factory=list)
    """Runs whose process told their end and could not call their hooks, and when they ended."""
    named: list[Row] = field(default_factory=list)
    known_as: dict[tuple[int, int], Row] = field(default_factory=dict)
    """By what else tasks are known: the names of their runs, and the runs they stand for. Most are not."""
    children: dict[Child, list[OwnEvent]] = field(default_factory=dict)
    """What is not folded yet: events of runs within these runs, whose keys the history has to tell first."""

    def add(self, run_id: int, events: Iterable[Event]) -> None:
        """Fold the events of one run, in their order."""
        tasks: dict[int, Row] = {}
        retrying: Row | None = None
        is_told = has_begun = False
        # In the order of how often they come.
        for event in events:
            if isinstance(event, TaskStarted):
                has_begun = True
                before = tasks.get(event.index)
                if event.attempt > 1:
                    self._begin_again(run_id, event, before)
                tasks[event.index] = _begun(run_id, event, before)
                if before is not None and before[7] is not None:
                    self.known_as.pop((run_id, event.index), None)  # its place is another's now
                if event.run_name is not None or event.subflow is not None:
                    self._know(run_id, event)
            elif isinstance(event, TaskEnded):
                tasks[event.index] = _ended(run_id, event, tasks.get(event.index))
                if event.result is not None:
                    self.results.append(_result(run_id, event.index, event.result))
                if event.run_name is not None or event.subflow is not None:
                    self._know(run_id, event)
            elif isinstance(event, TaskRetrying):
                before = tasks.get(event.index)
                self.attempts.append(_failed(run_id, event, before))
                tasks[event.index] = _waiting(run_id, event, before)
            elif isinstance(event, OfSubflow):
                self.children.setdefault((run_id, event.run), []).append(event.event)
            elif isinstance(event, SubflowStarted):
                is_told = True  # its row says so from the beginning
            elif isinstance(event, RunStarted):
                is_told = True
                self.started.append((event.at, event.pid, event.start_time, storable(event.boot_id), run_id))
            elif isinstance(event, RunOrdered):
                self.ordered.append((storable(event.version), run_id))
                if event.version and event.path in event.sources and all(map(is_digest, event.sources.values())):
                    name, digest = storable(event.version), storable(event.sources[event.path])
                    self.versions.append((name, digest, storable(json.dumps(event.sources)), name))
            elif isinstance(event, RunEnded):
                if event.result is not None:
                    self.results.append(_result(run_id, FLOW, event.result))
                self.ended.append((str(State(event.state)), event.at, from_error(event.error), run_id))
                if event.is_unhooked:
                    self.unhooked.append((run_id, event.at))
            elif isinstance(event, RunRetrying):
                note = f"attempt {event.attempt} failed, the next one begins at {iso(event.due)}: {event.error.line}"
                self.notes.append((run_id, run_id, event.at, str(State.RETRYING), storable(note)))
                retrying, is_told, has_begun = (event.attempt + 1, run_id), False, False
            elif isinstance(event, RunNoted):
                self.notes.append((run_id, run_id, event.at, None, storable(event.note)))
            elif isinstance(event, RunNamed):
                self.named.append((storable(event.name), run_id))
        self.tasks.extend(tasks.values())
        if retrying is not None:
            self.retrying.append(retrying)
        if has_begun and not is_told:
            # A task that begins tells that a run waiting for its next attempt goes on.
            self.resumed.append((run_id,))

    def _begin_again(self, run_id: int, event: TaskStarted, before: Row | None) -> None:
        """Keep what the attempt before came to, where that was the task's end until its flow was tried again."""
        if before is None:
            self.begun_again.append((event.at, run_id, event.index))
        elif before[3] in ("failed", "timed_out") and before[8] is not None:
            _, index, _, _, attempt, started, again, finished, error = before
            began = started if attempt == 1 else again
            self.attempts.append((run_id, index, attempt, began, run_id, index, finished, event.at, error))

    def _know(self, run_id: int, event: TaskStarted | TaskEnded) -> None:
        run_name, subflow, *_ = self.known_as.get((run_id, event.index), (None, None))
        run_name = run_name if event.run_name is None else storable(event.run_name)
        subflow = subflow if event.subflow is None else storable(event.subflow)
        self.known_as[run_id, event.index] = (run_name, subflow, run_id, event.index)


# A task row: run, index, name, state, attempts, started_at, attempt_at, finished_at, error.


def _begun(run_id: int, event: TaskStarted, before: Row | None) -> Row:
    first = event.at if event.attempt == 1 else None
    started = before[5] if before is not None and before[5] is not None else first
    again = None if event.attempt == 1 else event.at
    return (run_id, event.index, _name(event.name), "running", event.attempt, started, again, None, None)


def _waiting(run_id: int, event: TaskRetrying, before: Row | None) -> Row:
    started, again = (None, None) if before is None else before[5:7]
    error = from_error(event.error)
    return (run_id, event.index, _name(event.name), "retrying", event.attempt, started, again, None, error)


def _ended(run_id: int, event: TaskEnded, before: Row | None) -> Row:
    started, again = event.started_at, None
    if before is not None:
        started, again = before[5] if started is None else started, before[6]
    error = None if event.error is None else from_error(event.error)
    # Through State, so that a word that is no state is refused here and not found in the history.
    state = event.state if event.state == "completed" else str(State(event.state))
    return (run_id, event.index, _name(event.name), state, event.attempts, started, again, event.at, error)


def _failed(run_id: int, event: TaskRetrying, before: Row | None) -> Row:
    """Return a row for attempts; when the attempt began is asked of the history where the batch does not tell."""
    began = None
    if before is not None:
        began = before[5] if event.attempt == 1 else before[6]
    error = from_error(event.error)
    return (run_id, event.index, event.attempt, began, run_id, event.index, event.at, event.due, error)


def _result(run_id: int, index: int, result: ResultInfo) -> Row:
    location = None if result.location is None else storable(result.location)
    value = None if result.value is None else storable(result.value)
    told = (location, result.size, storable(result.preview), result.encoding, value, result.checksum)
    return (run_id, index, result.handler, *told)


def _name(name: str) -> str:
    return name if name.isascii() and "\0" not in name else storable(name)
