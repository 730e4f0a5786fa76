"""A verdict's way into the ledger, together with the run that it starts."""

from typing import NamedTuple

from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.schedules import ScheduleSpec
from tidemill.domain.times import to_micros
from tidemill.history.ledger_gaps import fill_gaps
from tidemill.history.records import NewOccurrence
from tidemill.history.writing import Writer
from tidemill.scheduler.judgement import Verdict
from tidemill.service.recording import new_run_record


class Entry(NamedTuple):
    """A verdict on its way into the ledger, with the run that it starts."""

    schedule_id: int
    spec: ScheduleSpec
    verdict: Verdict
    run: ActiveRun | None
    version: str


def enter(writer: Writer, entry: Entry, at: int) -> int | None:
    """Write one moment and its run; None where there is no run, or the moment has its row already."""
    schedule_id, spec, verdict, run, version = entry
    occurrence = _row(schedule_id, verdict, at)
    run_id = None
    if run is not None:
        run_id = writer.add_due_run(occurrence, new_run_record(run, version, at, schedule_id))
    elif not writer.add_occurrence(occurrence) and occurrence.until is not None:
        # The ledger has seen some of it, at a time when the clock was ahead.
        fill_gaps(writer, occurrence, spec, occurrence.moment - 1, occurrence.until)
    due = spec.next_micros(writer.load_cursor(schedule_id), spec.zone())
    # A moment that is still open, because the clock was set back meanwhile, must not be left behind.
    if due is None or due >= occurrence.moment:
        writer.advance_cursor(schedule_id, occurrence.until or occurrence.moment)
    return run_id


def _row(schedule_id: int, verdict: Verdict, at: int) -> NewOccurrence:
    return NewOccurrence(
        schedule_id=schedule_id,
        moment=to_micros(verdict.moment),
        outcome=verdict.outcome,
        reason=verdict.reason,
        decided_at=at,
        coalesced_into=None if verdict.coalesced_into is None else to_micros(verdict.coalesced_into),
        until=None if verdict.until is None else to_micros(verdict.until),
        count=verdict.count,
    )
