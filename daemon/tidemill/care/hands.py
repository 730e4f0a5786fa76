"""What a pruning asks of whoever removes: one really does, the other only counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tidemill.cache.sweeping import Swept
from tidemill.history.retention import EndedRun


class Hand(Protocol):
    """What a pruning asks for."""

    def runs(self, runs: Sequence[EndedRun]) -> tuple[list[EndedRun], int]:
        """Remove runs and their files; return those that went, and the bytes their files took."""
        ...

    def files(self, uid: str) -> int:
        """Remove the files of a run that the history does not know; return the bytes they took."""
        ...

    def moments(self, schedule_id: int, before: int, expected: int) -> int:
        """Remove the oldest moments of a schedule; return how many rows went."""
        ...

    def schedules(self, schedules: Sequence[int], before: int) -> None:
        """Remove schedules that their flows no longer have."""
        ...

    def versions(self, versions: Sequence[int], newest_run: int) -> int:
        """Remove versions; return how many went."""
        ...

    def sources(self, digests: Sequence[str], newest_version: int) -> list[str]:
        """Remove source texts from the history; return which went."""
        ...

    def cached(self, unused_since: int | None) -> Swept:
        """Remove what tasks have computed before that is over or was not used since then."""
        ...

    def path(self, path: Path) -> int:
        """Remove one file; return the bytes it took."""
        ...

    def free(self) -> int:
        """Return the bytes of the history that its removed rows took, as far as that is known."""
        ...
