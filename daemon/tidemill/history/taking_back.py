"""The machine's clock was set back: schedules go on from now, and what was decided in a wrong time is taken back.

What is written in the ledger tells how far the clock has been, so it does not matter who notices, and when: the
daemon that sees the step, or one that is started long after. Done twice, it changes nothing.
"""

from typing import Final, NamedTuple

from tidemill.domain.outcomes import Outcome
from tidemill.domain.schedules import ScheduleSpec
from tidemill.domain.stretches import stretch
from tidemill.domain.zones import LARGE_JUMP
from tidemill.history.ledger import LedgerWriting
from tidemill.history.records import LedgerRow
from tidemill.history.schedule_writing import read_spec

TOLERANCE: Final = LARGE_JUMP * 1_000_000
"""Microseconds: by no more is a clock set back that was right; what was decided until then stays."""
_AHEAD: Final = (
    "SELECT id, spec, cursor FROM schedules s WHERE cursor > ? OR ? < (SELECT COALESCE(o.until, o.moment)"
    " FROM occurrences o WHERE o.schedule_id = s.id ORDER BY o.moment DESC LIMIT 1) ORDER BY id"
)
_LATER: Final = "DELETE FROM occurrences WHERE schedule_id = ? AND moment > ? AND run_id IS NULL"
_SHORTEN: Final = "UPDATE occurrences SET until = ?, count = ? WHERE schedule_id = ? AND moment = ?"
_STRANDED: Final = (
    "UPDATE occurrences SET outcome = ?, coalesced_into = NULL, reason = reason || ?"
    " WHERE schedule_id = ? AND coalesced_into > ? AND NOT EXISTS (SELECT 1 FROM occurrences k"
    " WHERE k.schedule_id = occurrences.schedule_id AND k.moment = occurrences.coalesced_into)"
)
_NO_MORE: Final = "; then the clock was set back, and that moment lies ahead again"


class TakenBack(NamedTuple):
    """A schedule that goes on from an earlier time."""

    schedule_id: int
    cursor: int
    """Every moment up to this one is accounted for."""
    moments: int
    """How many have lost their rows, as far as they were counted."""


def take_back(writer: LedgerWriting, now: int) -> list[TakenBack]:
    """Let schedules that are ahead of *now* go on from there; more than 3 h ahead, free their moments without a run.

    Moments that keep their rows come again to no effect: what ran never runs twice.
    """
    schedules = writer.rows(_AHEAD, (now, now))
    found = (_set_right(writer, key, read_spec(text), cursor, now) for key, text, cursor in schedules)
    return [taken for taken in found if taken is not None]


def _set_right(writer: LedgerWriting, schedule_id: int, spec: ScheduleSpec, cursor: int, now: int) -> TakenBack | None:
    if spec.kind == "reboot":
        return None  # its moments are no times, and do not come again
    rows = writer.load_ledger(schedule_id, now)
    was_wrong = max(cursor, now, *(_known_by(row) for row in rows)) > now + TOLERANCE
    free = [row for row in rows if was_wrong and row.run_id is None]
    if not free and cursor <= now:
        return None
    left = sum(_cut(writer, schedule_id, spec, row, now) for row in free if row.moment <= now)
    if free:
        writer.execute(_LATER, (schedule_id, now))
        writer.execute(_STRANDED, (str(Outcome.MISSED), _NO_MORE, schedule_id, now))
    writer.execute("UPDATE schedules SET cursor = ? WHERE id = ? AND cursor > ?", (now, schedule_id, now))
    return TakenBack(schedule_id, min(cursor, now), sum(row.moments for row in free) - left)


def _known_by(row: LedgerRow) -> int:
    """Return the latest time that the clock had shown when a row was written."""
    return max(row.decided_at, row.until or row.moment)


def _cut(writer: LedgerWriting, schedule_id: int, spec: ScheduleSpec, row: LedgerRow, now: int) -> int:
    """Leave of a row what lies up to *now*; return how many moments that are."""
    left = stretch(spec, row.moment - 1, now)
    last, count = (left.last, left.moments) if left is not None else (row.moment, 1)
    until = last if last > row.moment else None
    writer.execute(_SHORTEN, (until, count, schedule_id, row.moment))
    return count
