"""A verdict's way into the ledger, together with the run that it starts."""

from collections.abc import Iterator
from typing import NamedTuple

from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.schedules import ScheduleSpec
from tidemill.domain.times import from_micros, to_micros
from tidemill.history.records import NewOccurrence
from tidemill.history.writing import Writer
from tidemill.scheduler.catchup import part_of
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
    schedule_id, _, verdict, run, version = entry
    occurrence = _row(schedule_id, verdict, at)
    run_id = None
    if run is not None:
        run_id = writer.add_due_run(occurrence, new_run_record(run, version, at, schedule_id))
    elif not writer.add_occurrence(occurrence):
        for part in _left_open(writer, entry):
            writer.add_occurrence(_row(schedule_id, part, at))
    writer.advance_cursor(schedule_id, occurrence.until or occurrence.moment)
    return run_id


def _left_open(writer: Writer, entry: Entry) -> Iterator[Verdict]:
    """Yield the parts of a range between what the ledger has seen, at a time when the clock was ahead."""
    schedule_id, spec, verdict, _, _ = entry
    if verdict.until is None:
        return
    low, high = to_micros(verdict.moment), to_micros(verdict.until)
    seen = [(row.moment, row.until or row.moment) for row in writer.load_ledger(schedule_id, low - 1)]
    for begin, end in (*seen, (high + 1, high + 1)):
        part = part_of(spec, verdict, from_micros(low), from_micros(min(begin - 1, high)))
        if part is not None:
            yield part
        low = max(low, end + 1)


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
