"""What the daemon asks about the moments of a flow before it makes runs for them once more."""

from typing import Final, NamedTuple

from tidemill.history.run_writing import RunWriting

_OF_FLOW: Final = "SELECT s.id FROM schedules s JOIN flows f ON f.id = s.flow_id WHERE f.name = ?"
_MADE: Final = (
    "WITH RECURSIVE first (schedule_id, moment, id) AS ("
    " SELECT schedule_id, moment, run_id FROM occurrences"
    f" WHERE schedule_id IN ({_OF_FLOW}) AND moment >= ? AND moment < ? AND run_id IS NOT NULL"
    " UNION ALL SELECT schedule_id, scheduled_for, id FROM runs"
    f" WHERE trigger = 'backfill' AND schedule_id IN ({_OF_FLOW}) AND scheduled_for >= ? AND scheduled_for < ?"
    "), made (schedule_id, moment, id) AS ("
    " SELECT schedule_id, moment, id FROM first"
    " UNION ALL SELECT m.schedule_id, m.moment, r.id FROM made m"
    " JOIN runs r ON r.parent_id = m.id AND r.trigger = 'retry'"
    ") SELECT made.schedule_id, made.moment, runs.uid, runs.state FROM made LEFT JOIN runs ON runs.id = made.id"
)
_SCHEDULES: Final = f"SELECT id, cursor, removed_at IS NULL FROM schedules WHERE id IN ({_OF_FLOW})"


class MadeRun(NamedTuple):
    """A run that was made for a moment: by its schedule, by a backfill, or as a retry of one of those."""

    schedule_id: int
    moment: int
    uid: str | None
    """None where it was removed since."""
    state: str | None


class BackfillWriting(RunWriting):
    """The questions about moments."""

    def load_made_runs(self, flow: str, low: int, high: int) -> list[MadeRun]:
        """Return the runs of the moments from *low* up to *high*, itself not included, of all schedules it ever had."""
        return [MadeRun(*row) for row in self.rows(_MADE, (flow, low, high, flow, low, high))]

    def load_cursors(self, flow: str) -> dict[int, tuple[int, bool]]:
        """Return up to which moment each schedule of a flow is accounted for, and whether the flow still has it."""
        return {key: (cursor, bool(is_present)) for key, cursor, is_present in self.rows(_SCHEDULES, (flow,))}
