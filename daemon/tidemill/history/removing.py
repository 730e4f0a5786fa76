"""What the daemon writes when it removes what has ended: runs with all that belongs to them, moments, source texts.

Each sentence does a bounded piece of work and tells how far it came: whoever waits for the writer waits for one
piece. Who may go is asked once more here, for only the writer knows what has just begun.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tidemill.history.flow_writing import FlowWriting

STEP: Final = 500
"""Rows deleted by one statement at most."""
_DETAILS: Final = ("task_runs", "results", "attempts")
_MAY_GO: Final = (
    "SELECT 1 FROM runs r WHERE r.id = ? AND r.uid = ? AND r.finished_at IS NOT NULL AND r.root_id IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM runs c WHERE c.parent_id = r.id AND c.trigger = 'retry')"
    # The highest key is never given up: SQLite would give it to the next run, and the ledger tells by keys.
    " AND r.id <> (SELECT COALESCE(n.root_id, n.id) FROM runs n ORDER BY n.id DESC LIMIT 1)"
)
_OLD_MOMENTS: Final = (
    "SELECT moment FROM occurrences WHERE schedule_id = ? AND moment < ? AND COALESCE(until, moment) < ?"
    " AND moment < (SELECT MAX(moment) FROM occurrences WHERE schedule_id = ?) ORDER BY moment LIMIT ?"
)

RunKey = tuple[int, str]
"""A run by its key and its id."""


class RemovalWriting(FlowWriting):
    """The sentences about removing."""

    def remove_runs(self, runs: Sequence[RunKey], has_time: Callable[[], bool]) -> tuple[list[str], int]:
        """Remove runs with their tasks, results and sub-flows; return the ids that are gone, and how many were seen.

        A run that may not go (it has no end yet, or another one was retried from it) is passed over. When the time
        is up, the rest was not seen: it is for the next call. Something is done in each.
        """
        gone: list[str] = []
        for seen, run in enumerate(runs):
            if seen and not has_time():
                return gone, seen
            if self.row(_MAY_GO, run) is None:
                continue
            self.execute(
                "INSERT INTO removals (uid, run_id) VALUES (?, ?) ON CONFLICT (uid) DO NOTHING", (run[1], run[0])
            )
            if not self._remove_run(run[0], has_time):
                return gone, seen
            gone.append(run[1])
        return gone, len(runs)

    def load_removals(self) -> tuple[list[RunKey], list[str]]:
        """Return what an earlier removal left: runs that are half removed, and ids whose files are to go."""
        rows = self.rows(
            "SELECT m.run_id, m.uid, r.id FROM removals m LEFT JOIN runs r ON r.uid = m.uid ORDER BY m.uid"
        )
        return (
            [(int(key), str(uid)) for _, uid, key in rows if key is not None],
            [str(uid) for _, uid, key in rows if key is None],
        )

    def finish_removal(self, run: RunKey, has_time: Callable[[], bool]) -> bool:
        """Go on with a run that is half removed; tell whether it is gone."""
        return self._remove_run(run[0], has_time)

    def forget_removals(self, uids: Iterable[str]) -> None:
        """Note that the files of these runs are gone."""
        self.execute_all("DELETE FROM removals WHERE uid = ?", [(uid,) for uid in uids])

    def remove_moments(self, schedule_id: int, before: int, limit: int = STEP) -> int:
        """Remove the oldest moments of a schedule up to *before*; return how many rows went.

        Those that are not accounted for yet stay, and so does the newest: by it the ledger knows where it is.
        """
        row = self.row("SELECT cursor FROM schedules WHERE id = ?", (schedule_id,))
        if row is None:
            return 0
        before = min(before, int(row[0]))
        old = self.rows(_OLD_MOMENTS, (schedule_id, before, before, schedule_id, limit))
        self.execute_all(
            "DELETE FROM occurrences WHERE schedule_id = ? AND moment = ?", [(schedule_id, moment) for (moment,) in old]
        )
        return len(old)

    def remove_schedule(self, schedule_id: int, removed_before: int) -> bool:
        """Remove a schedule that its flow has not had since *removed_before*, with the rest of its ledger."""
        sql = "DELETE FROM schedules WHERE id = ? AND removed_at IS NOT NULL AND removed_at < ?"
        return self.execute(sql, (schedule_id, removed_before)) == 1

    def remove_versions(self, versions: Iterable[int], newest_run: int) -> int:
        """Remove versions that no flow has now and no run after *newest_run* was made of; return how many went."""
        removed = 0
        for version_id in versions:
            removed += self.execute(
                "DELETE FROM versions WHERE id = ? AND NOT EXISTS (SELECT 1 FROM flows WHERE version_id = versions.id)"
                " AND NOT EXISTS (SELECT 1 FROM runs WHERE id > ? AND version_id = versions.id)",
                (version_id, newest_run),
            )
        self._version_ids = {}
        return removed

    def remove_sources(self, digests: Iterable[str], newest_version: int) -> list[str]:
        """Remove source texts that no version up to *newest_version* has, unless a later one does; return which."""
        later = [(str(digest), str(sources)) for digest, sources in self._versions_after(newest_version)]
        free = [digest for digest in digests if not any(digest == own or digest in more for own, more in later)]
        self.execute_all("DELETE FROM sources WHERE hash = ?", [(digest,) for digest in free])
        return free

    def _versions_after(self, newest: int) -> list[tuple[str, str]]:
        return self.rows("SELECT hash, sources FROM versions WHERE id > ?", (newest,))

    def _remove_run(self, run_id: int, has_time: Callable[[], bool]) -> bool:
        """Remove all rows of a run, those of its sub-flows first; tell whether that is done."""
        children = [key for (key,) in self.rows("SELECT id FROM runs WHERE root_id = ? LIMIT ?", (run_id, STEP + 1))]
        for key in (*children, run_id):
            if not self._remove_details(key, has_time):
                return False
        if len(children) > STEP:
            self.execute_all("DELETE FROM runs WHERE id = ?", [(key,) for key in children])
            return False
        # The few that are left go with it.
        self.execute("DELETE FROM runs WHERE id = ?", (run_id,))
        return True

    def _remove_details(self, run_id: int, has_time: Callable[[], bool]) -> bool:
        """Remove the tasks of a run, if they are too many to go with its row at once; tell whether that is done."""
        for table in _DETAILS:
            row = self.row(f"SELECT MIN(idx), MAX(idx) FROM {table} WHERE run_id = ?", (run_id,))
            if row is None or row[0] is None or row[1] - row[0] < STEP:
                continue
            for below in range(row[0] + STEP, row[1] + STEP + 1, STEP):
                self.execute(f"DELETE FROM {table} WHERE run_id = ? AND idx < ?", (run_id, below))
                if not has_time():
                    return False
        return True
