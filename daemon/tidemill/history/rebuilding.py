"""Runs made again from their journals, where the history has lost them or was put back from an older day.

What a journal does not tell cannot be made again: pauses, what became of moments that no run was made for, runs
that had no process yet.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from tidemill.domain.errors import TidemillError
from tidemill.domain.events import Event, RunEnded, RunNoted, RunOrdered
from tidemill.domain.outcomes import Outcome, Trigger
from tidemill.domain.schedules import ScheduleSpec
from tidemill.domain.times import to_micros
from tidemill.history.ingest import ingest
from tidemill.history.ledger_gaps import fill_gaps
from tidemill.history.records import NewOccurrence, NewRun
from tidemill.history.texts import is_digest, storable
from tidemill.history.writing import Writer

UNKNOWN: Final = "unknown"
"""The flow of a run whose journal was begun by a version that did not tell it."""
AGAIN: Final = "a run was made for it; the ledger was lost, and made again from the run's journal"
LOST: Final = "what became of it was lost with the history, which was put back from an older day"
_FLOW_NOTED: Final = "flow "
_DETAILS: Final = ("task_runs", "attempts", "results")


class Rebuilt(NamedTuple):
    """A run that was made again."""

    id: int
    has_ended: bool
    """Its journal tells its end."""


class Rebuilding:
    """Makes runs again, and at last what connects them."""

    def __init__(self, read_text: Callable[[str], bytes | None], now: int) -> None:
        """Take source texts from *read_text*, which is asked by hash; no moment can be later than *now*."""
        self._read_text = read_text
        self._now = now
        self._retries: list[tuple[str, str]] = []
        self._schedules: dict[int, tuple[ScheduleSpec, int]] = {}
        """The schedules that were known, each with how far it was accounted for before."""
        self._texts: dict[str, bytes | None] = {}
        self._made: set[int] = set()
        """The others."""

    def add(self, writer: Writer, uid: str, events: Sequence[Event], offset: int) -> Rebuilt:
        """Make the run *uid* again from what its journal tells up to *offset*; it must not be in the history."""
        order = _order_of(events)
        at = events[0].at
        run = NewRun(uid, _flow_of(order, events), at)
        if order is not None:
            run = NewRun(
                uid,
                run.flow,
                at,
                trigger=Trigger(order.trigger),
                scheduled_for=_moment_of(order),
                parameters=order.parameters,
                attempt=order.attempt,
            )
        run_id = writer.add_run(run)
        ingest(writer, [(run_id, 0, offset, list(events))])
        if order is not None:
            self._connect(writer, run_id, uid, order)
        return Rebuilt(run_id, any(type(event) is RunEnded for event in events))

    def add_again(self, writer: Writer, run_id: int, uid: str, events: Sequence[Event], offset: int) -> None:
        """Record anew what the journal of a run tells that is in the history, in the place of what is left of it."""
        _read_again(writer, run_id, events, offset)
        order = _order_of(events)
        if order is not None:
            self._connect(writer, run_id, uid, order)

    def finish(self, writer: Writer) -> None:
        """Connect retries with what they repeat, and account for the moments between those that were told."""
        for parent, uid in self._retries:
            key = "(SELECT p.id FROM runs p WHERE p.uid = ?)"
            writer.execute(f"UPDATE runs SET parent_id = {key} WHERE uid = ? AND parent_id IS NULL", (parent, uid))
        for schedule_id in self._made:
            # What was due before its latest moment was judged by somebody, and nobody knows how.
            writer.execute("UPDATE schedules SET created_at = cursor WHERE id = ?", (schedule_id,))
        for schedule_id, (spec, low) in self._schedules.items():
            lost = NewOccurrence(schedule_id, low, Outcome.MISSED, LOST, self._now)
            fill_gaps(writer, lost, spec, low, writer.load_cursor(schedule_id))

    def _connect(self, writer: Writer, run_id: int, uid: str, order: RunOrdered) -> None:
        """Give a run its version, its schedule's moment and, at the end, the run that it repeats."""
        flow_id = writer.row("SELECT flow_id FROM runs WHERE id = ?", (run_id,))
        assert flow_id is not None
        writer.execute("UPDATE flows SET file = ? WHERE id = ? AND file IS NULL", (storable(order.path), flow_id[0]))
        version_id = self._version(writer, order)
        writer.execute(
            "UPDATE runs SET version_id = ? WHERE (id = ? OR root_id = ?) AND version_id IS NULL",
            (version_id, run_id, run_id),
        )
        if order.parent is not None:
            self._retries.append((order.parent, uid))
        moment, spec = _moment_of(order), _schedule_of(order)
        if moment is None or spec is None or not _was_due(spec, moment, self._now):
            return
        is_backfill = order.trigger == Trigger.BACKFILL
        # A backfill is made of moments that were judged by then; its own is the business of another row.
        seen = max(moment, min(order.at, self._now)) if is_backfill else moment
        schedule_id = self._schedule(writer, int(flow_id[0]), spec, seen)
        writer.execute("UPDATE runs SET schedule_id = ? WHERE id = ?", (schedule_id, run_id))
        if is_backfill:
            return
        writer.add_occurrence(NewOccurrence(schedule_id, moment, Outcome.RAN, AGAIN, order.at, run_id))
        writer.advance_cursor(schedule_id, moment)

    def _version(self, writer: Writer, order: RunOrdered) -> int | None:
        if not order.version or order.path not in order.sources or not all(map(is_digest, order.sources.values())):
            return None
        texts = {digest: self._read_text(digest) for digest in order.sources.values() if digest not in self._texts}
        self._texts.update(texts)
        writer.add_sources({digest: text for digest, text in texts.items() if text is not None})
        found = writer.version_id(order.version)
        return found or writer.add_version(order.version, order.sources[order.path], order.sources)

    def _schedule(self, writer: Writer, flow_id: int, spec: ScheduleSpec, moment: int) -> int:
        key = spec.key()
        row = writer.row("SELECT id, cursor FROM schedules WHERE flow_id = ? AND key = ?", (flow_id, key))
        if row is None:
            row = writer.row(
                "INSERT INTO schedules (flow_id, key, spec, cursor, created_at) VALUES (?, ?, ?, ?, ?)"
                " RETURNING id, cursor",
                (flow_id, key, json.dumps(msgspec.to_builtins(spec)), moment, moment),
            )
            assert row is not None
            self._made.add(int(row[0]))
        elif row[0] not in self._made and row[0] not in self._schedules and row[1] < moment:
            self._schedules[int(row[0])] = (spec, int(row[1]))
        return int(row[0])


def _read_again(writer: Writer, run_id: int, events: Sequence[Event], offset: int) -> None:
    ours = "(SELECT id FROM runs WHERE id = ? OR root_id = ?)"
    for table in _DETAILS:
        writer.execute(f"DELETE FROM {table} WHERE run_id IN {ours}", (run_id, run_id))
    writer.execute("UPDATE runs SET journal_offset = 0 WHERE id = ?", (run_id,))
    ingest(writer, [(run_id, 0, offset, list(events))])
    row = writer.row("SELECT state, finished_at, error FROM runs WHERE id = ?", (run_id,))
    if row is not None and row[1] is not None:
        writer.forsake([(row[0], row[1], row[2], run_id)])
    # Notes have no names of their own: those that were left are there twice now.
    writer.execute(
        f"DELETE FROM run_events WHERE run_id IN {ours} AND EXISTS (SELECT 1 FROM run_events e"
        " WHERE e.run_id = run_events.run_id AND e.at = run_events.at AND e.note = run_events.note"
        " AND e.seq < run_events.seq)",
        (run_id, run_id),
    )


def _flow_of(order: RunOrdered | None, events: Sequence[Event]) -> str:
    """Return the flow's name; a run in a terminal tells it when it has loaded the file."""
    if order is not None and order.flow:
        return order.flow
    noted = (event.note for event in events if type(event) is RunNoted and event.note.startswith(_FLOW_NOTED))
    return next(noted, f"{_FLOW_NOTED}{UNKNOWN}").removeprefix(_FLOW_NOTED)


def _order_of(events: Sequence[Event]) -> RunOrdered | None:
    return next((event for event in events if type(event) is RunOrdered), None)


def _moment_of(order: RunOrdered) -> int | None:
    return None if order.scheduled_for is None else to_micros(datetime.fromisoformat(order.scheduled_for))


def _schedule_of(order: RunOrdered) -> ScheduleSpec | None:
    if order.schedule is None:
        return None
    try:
        return msgspec.convert(order.schedule, ScheduleSpec)
    except msgspec.ValidationError:
        return None


def _was_due(spec: ScheduleSpec, moment: int, now: int) -> bool:
    """Tell whether the schedule had that moment: a journal is written by the process of user code, and not believed."""
    try:
        return moment <= now and spec.next_micros(moment - 1, spec.zone()) == moment
    except (TidemillError, ValueError, OverflowError, ArithmeticError):
        return False
