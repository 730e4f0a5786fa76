"""Removing nothing, and telling what would go."""

from collections.abc import Sequence
from pathlib import Path

from tidemill.cache.sweeping import Swept, sweep
from tidemill.care.footprint import size_of_run
from tidemill.config.paths import StatePaths
from tidemill.history.reading import Reading
from tidemill.history.retention import EndedRun, history_size


class Counting:
    """Removes nothing, and tells what would go."""

    def __init__(self, reading: Reading, paths: StatePaths, now: int, *, is_file: bool) -> None:
        self._paths = paths
        self._now = now
        self._swept = Swept()
        size, free = history_size(reading, is_file=is_file)
        runs = int(reading.rows("SELECT COUNT(*) FROM runs")[0][0]) if is_file else 0
        self._each = (size - free) // runs if runs else 0
        self._free = free
        self._gone = 0

    def runs(self, runs: Sequence[EndedRun]) -> tuple[list[EndedRun], int]:
        """Count them; of the history each takes what a run takes on the average."""
        self._gone += len(runs)
        return list(runs), sum(size_of_run(self._paths, run.uid) for run in runs)

    def files(self, uid: str) -> int:
        """Count them."""
        return size_of_run(self._paths, uid)

    def moments(self, schedule_id: int, before: int, expected: int) -> int:
        """Count them."""
        return expected

    def schedules(self, schedules: Sequence[int], before: int) -> None:
        """Let them be."""

    def versions(self, versions: Sequence[int], newest_run: int) -> int:
        """Count them."""
        return len(versions)

    def sources(self, digests: Sequence[str], newest_version: int) -> list[str]:
        """Return all of them."""
        return list(digests)

    def cached(self, unused_since: int | None) -> Swept:
        """Count it, without what an earlier call has counted."""
        swept = sweep(self._paths.cache, self._now, unused_since, dry_run=True)
        fresh = Swept(swept.records - self._swept.records, swept.size - self._swept.size, swept.kept)
        self._swept = swept
        return fresh

    def path(self, path: Path) -> int:
        """Count it."""
        try:
            return path.stat().st_size
        except OSError:
            return 0

    def free(self) -> int:
        """Return what is free, and what the runs would leave."""
        return self._free + self._gone * self._each
