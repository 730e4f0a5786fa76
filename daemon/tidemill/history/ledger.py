"""The ledger of due moments: one moment, one row, whatever is killed whenever."""

from typing import Final

from tidemill.domain.errors import HistoryError
from tidemill.history.records import LedgerRow, NewOccurrence, NewRun
from tidemill.history.run_writing import RunWriting

_AT_OR_BEFORE: Final = (
    "SELECT moment, until, run_id FROM occurrences WHERE schedule_id = ? AND moment <= ? ORDER BY moment DESC LIMIT 1"
)
_WITHIN: Final = "SELECT 1 FROM occurrences WHERE schedule_id = ? AND moment > ? AND moment <= ? LIMIT 1"
_INSERT: Final = (
    "INSERT INTO occurrences (schedule_id, moment, outcome, run_id, coalesced_into, until, count, decided_at, reason)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class LedgerWriting(RunWriting):
    """The sentences about due moments."""

    def add_occurrence(self, occurrence: NewOccurrence) -> bool:
        """Record what became of a moment, or of a range of them; False if any of it is recorded already."""
        if not self._is_free(occurrence):
            return False
        self._add(occurrence, occurrence.run_id)
        return True

    def add_due_run(self, occurrence: NewOccurrence, run: NewRun) -> int | None:
        """Record a moment together with the run made for it; None if the moment is recorded already.

        Told again of the very same run (its commit's answer was lost), it returns that run's key.
        """
        if not self._is_free(occurrence):
            row = self.row(
                "SELECT run_id FROM occurrences JOIN runs ON runs.id = run_id"
                " WHERE occurrences.schedule_id = ? AND moment = ? AND uid = ?",
                (occurrence.schedule_id, occurrence.moment, run.uid),
            )
            return None if row is None else int(row[0])
        run_id = self.add_run(run)
        self._add(occurrence, run_id)
        return run_id

    def advance_cursor(self, schedule_id: int, moment: int) -> None:
        """Note that every moment up to *moment* is accounted for. It never goes back."""
        self.execute("UPDATE schedules SET cursor = ? WHERE id = ? AND cursor < ?", (moment, schedule_id, moment))

    def load_cursor(self, schedule_id: int) -> int:
        """Return up to which moment a schedule is accounted for."""
        row = self.row("SELECT cursor FROM schedules WHERE id = ?", (schedule_id,))
        assert row is not None
        return int(row[0])

    def load_ledger(self, schedule_id: int, after: int) -> list[LedgerRow]:
        """Return the rows of a schedule that lie, or reach, behind *after*, oldest first."""
        reaching = self.row(_AT_OR_BEFORE, (schedule_id, after))
        first = reaching[0] if reaching is not None and (reaching[1] or 0) > after else after + 1
        return [
            LedgerRow(*row)
            for row in self.rows(
                "SELECT moment, outcome, run_id, until, count, decided_at FROM occurrences"
                " WHERE schedule_id = ? AND moment >= ? ORDER BY moment",
                (schedule_id, first),
            )
        ]

    def _is_free(self, occurrence: NewOccurrence) -> bool:
        """Tell whether no row holds the moment or any of its range. Rows never overlap, so the neighbours tell."""
        schedule_id, moment, until = occurrence.schedule_id, occurrence.moment, occurrence.until
        if until is not None and until < moment:
            raise HistoryError(f"a range of moments ends ({until}) before it begins ({moment})")
        before = self.row(_AT_OR_BEFORE, (schedule_id, moment))
        if before is not None and (before[0] == moment or (before[1] or 0) >= moment):
            return False
        return until is None or self.row(_WITHIN, (schedule_id, moment, until)) is None

    def _add(self, occurrence: NewOccurrence, run_id: int | None) -> None:
        self.execute(
            _INSERT,
            (
                occurrence.schedule_id,
                occurrence.moment,
                str(occurrence.outcome),
                run_id,
                occurrence.coalesced_into,
                occurrence.until,
                occurrence.count,
                occurrence.decided_at,
                occurrence.reason,
            ),
        )
