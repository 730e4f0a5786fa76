"""Moments that somebody judged and nobody knows any more how: they get their rows, so that none is left in silence."""

from typing import Final

from tidemill.domain.outcomes import Outcome
from tidemill.domain.schedules import ScheduleSpec
from tidemill.history.ledger import LedgerWriting
from tidemill.history.records import NewOccurrence

MOST: Final = 20_000
"""Moments computed for one schedule, which takes a second; beyond them only what is recorded is known."""
LOST: Final = "what became of it was lost with the history, which was put back from an older day"


def fill_gaps(writer: LedgerWriting, schedule_id: int, spec: ScheduleSpec, low: int, decided_at: int) -> int:
    """Account for the moments of a schedule after *low* and up to its cursor that have no row; return how many."""
    row = writer.row("SELECT cursor FROM schedules WHERE id = ?", (schedule_id,))
    assert row is not None
    high, zone = int(row[0]), spec.zone()
    covered = [(entry.moment, entry.until or entry.moment) for entry in writer.load_ledger(schedule_id, low)]
    gap: list[int] = []
    filled = 0
    moment = spec.next_micros(low, zone)
    for _ in range(MOST):
        if moment is None or moment > high:
            break
        while covered and covered[0][1] < moment:
            covered.pop(0)
            filled += _fill(writer, schedule_id, gap, decided_at)
        if not covered or moment < covered[0][0]:
            gap.append(moment)
        moment = spec.next_micros(moment, zone)
    return filled + _fill(writer, schedule_id, gap, decided_at)


def _fill(writer: LedgerWriting, schedule_id: int, gap: list[int], decided_at: int) -> int:
    """Write one row for the moments of *gap*, and empty it."""
    if not gap:
        return 0
    until = gap[-1] if len(gap) > 1 else None
    row = NewOccurrence(schedule_id, gap[0], Outcome.MISSED, LOST, decided_at, until=until, count=len(gap))
    count = len(gap) if writer.add_occurrence(row) else 0
    gap.clear()
    return count
