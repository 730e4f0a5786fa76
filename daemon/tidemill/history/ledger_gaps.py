"""Moments that were due and have no row get theirs, around the rows that are there: none is left in silence."""

from dataclasses import replace

from tidemill.domain.schedules import ScheduleSpec
from tidemill.domain.stretches import stretch
from tidemill.history.ledger import LedgerWriting
from tidemill.history.records import NewOccurrence


def fill_gaps(writer: LedgerWriting, like: NewOccurrence, spec: ScheduleSpec, low: int, high: int) -> int:
    """Account for the moments after *low* and up to *high* that have no row, by rows *like* this; return how many.

    Times are microseconds. Each gap is one row, however many moments it holds.
    """
    filled, begin = 0, low
    for seen in (*writer.load_ledger(like.schedule_id, low), None):
        found = stretch(spec, begin, high if seen is None else min(seen.moment - 1, high))
        if found is not None:
            until = found.last if found.moments > 1 else None
            writer.add_occurrence(replace(like, moment=found.first, until=until, count=found.moments))
            filled += found.moments
        if seen is not None:
            begin = max(begin, seen.until or seen.moment)
    return filled
