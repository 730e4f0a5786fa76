"""One pruning from its beginning to its end: runs, ledger, what only files are left of, size, versions."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tidemill.care.choosing import Choice
from tidemill.care.hands import Hand
from tidemill.care.leftovers import Leftovers, SourceFiles
from tidemill.care.policy import DAY, LEAST_MOMENTS, SECOND, Policy
from tidemill.care.report import Report
from tidemill.config.paths import StatePaths
from tidemill.history import retention
from tidemill.history.reading import Reading
from tidemill.history.retention import EndedRun

EASE: Final = 0.95
"""What is too large is brought down to this share of its bound: the next run must not make it too large again."""
UNUSED: Final = (30, 7, 1)
"""Days that results kept for later calls were not used: what goes first, for it can be computed again."""
MANY: Final = 100
"""Runs removed between two looks at the size, at most."""


class Pruning:
    """Goes through everything once. The same for a hand that removes and for one that only counts."""

    def __init__(
        self,
        hand: Hand,
        reading: Reading,
        paths: StatePaths,
        policy: Policy,
        now: int,
        *,
        is_file: bool,
        is_busy: Callable[[str], bool] = lambda _: False,
        dry_run: bool = False,
    ) -> None:
        self._hand = hand
        self._reading = reading
        self._policy = policy
        self._now = now
        self._is_file = is_file
        self.report = Report(dry_run)
        self._choice = Choice(reading, policy, now, is_busy, self.report)
        self._leftovers = Leftovers(reading, paths, policy, now, is_busy)
        self._sources = SourceFiles(paths, now)
        self._free_before = hand.free()
        self._files = 0
        """Bytes that the files of runs take, since they were looked through."""
        self._cached = 0
        """Bytes of what tasks have computed before."""

    def prune(self) -> Report:
        """Remove everything that goes."""
        self._remove(self._choice.too_old())
        self._remove(self._choice.too_many())
        self._remove(self._choice.released())
        cutoff = None if self._policy.keep_moments_for is None else self._ago(self._policy.keep_moments_for)
        if cutoff is not None:
            self._remove_moments(cutoff)
        self._remove_leftovers()
        self._remove_cached(self._policy.cutoff(False, self._now))
        self._fit()
        self.report.needed = self._choice.held_back
        self._remove_versions()
        self.report.freed += max(0, self._hand.free() - self._free_before)
        return self.report

    def _remove(self, windows: Iterable[Sequence[EndedRun]]) -> None:
        for window in windows:
            self._take(window)

    def _take(self, runs: Sequence[EndedRun]) -> None:
        if not runs:
            return
        gone, freed = self._hand.runs(runs)
        self.report.runs += len(gone)
        self.report.failed_runs += sum(run.is_fault for run in gone)
        self.report.freed += freed
        self._files -= freed

    def _remove_moments(self, cutoff: int) -> None:
        for schedule_id, (before, expected) in retention.old_moments(self._reading, cutoff).items():
            self.report.moments += self._hand.moments(schedule_id, before, expected)
        self._hand.schedules(retention.old_schedules(self._reading, cutoff), cutoff)

    def _remove_leftovers(self) -> None:
        freed = 0
        for uid in self._leftovers.find():
            freed += self._hand.files(uid)
            self.report.leftovers += 1
        self.report.unrecorded = self._leftovers.unrecorded
        self.report.freed += freed
        self._files = self._leftovers.size - freed

    def _remove_cached(self, unused_since: int | None) -> None:
        swept = self._hand.cached(unused_since)
        self.report.cached += swept.records
        self.report.freed += swept.size
        self._cached = swept.kept

    def _remove_versions(self) -> None:
        versions, newest_run = retention.unused_versions(self._reading)
        self.report.versions = self._hand.versions(versions, newest_run)
        digests, newest_version = retention.unused_sources(self._reading)
        for digest in self._hand.sources(digests, newest_version):
            self.report.freed += sum(self._hand.path(path) for path in self._sources.of(digest))
        self.report.freed += sum(self._hand.path(path) for path in self._sources.unknown(self._reading))

    def _fit(self) -> None:
        """Remove the oldest runs while everything together is too large."""
        most = self._policy.max_size
        if most is not None and self._size() > most:
            enough = round(most * EASE)
            for days in UNUSED:
                if self._size() > enough:
                    self._remove_cached(self._ago(days * DAY))
            for faults in (False, True):
                self._shorten(self._choice.oldest(faults=faults), enough)
                self._shorten(self._choice.released(), enough)
            if self._size() > enough:
                self._remove_moments(self._ago(LEAST_MOMENTS))
            if self._size() > most:
                self.report.note(
                    f"what is left takes {self._size():,} bytes, more than the {most:,} of retention.max_size, "
                    "and may not be removed: the newest run of each flow, runs that go on, and what others need"
                )
        self.report.size = self._size()

    def _shorten(self, windows: Iterable[Sequence[EndedRun]], enough: int) -> None:
        before, size, taken, few = self._size(), self._size(), 0, 1
        for window in windows:
            left = window
            while left and size > enough:
                self._take(left[:few])
                taken, left, size = taken + len(left[:few]), left[few:], self._size()
                # As many as it takes, if they are like those before.
                each = max((before - size) // taken, 1)
                few = max(1, min(MANY, (size - enough) // each))
            if size <= enough:
                return

    def _size(self) -> int:
        size, _ = retention.history_size(self._reading, is_file=self._is_file)
        return max(0, size - self._hand.free()) + max(0, self._files) + self._cached

    def _ago(self, seconds: float) -> int:
        return self._now - round(seconds * SECOND)
