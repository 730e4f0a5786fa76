"""When the recorder commits: at once where somebody waits, in company under load."""

from dataclasses import dataclass
from typing import Final

CADENCE: Final = 0.015
"""Seconds between commits of what journals tell, while there is more and more of it."""
GATHER: Final = 0.004
"""Seconds from a hint to its commit: a run that is shorter than this is then one commit, not two."""
SCAN: Final = 1.0
"""Seconds between looks at the journals without a hint: hints may be lost, journals are not."""
TIDY: Final = 5.0
"""Seconds of quiet after which the write-ahead log is cut."""
COMPANY: Final = 0.004
"""Seconds between commits that several wait for: they share one then, which costs each of them less than a hurry."""


@dataclass(slots=True)
class Pace:
    """The moments of the last turn, on the monotonic clock."""

    committed: float = float("-inf")
    looked: float = float("-inf")
    company: int = 0
    """How many that somebody waited for shared the last commit: works, and ends of runs."""
    retry_at: float | None = None
    """Set while the history cannot be written."""
    pause: float = 0.0

    def due(self, *, awaited: bool, hinted_at: float | None, following: bool) -> float:
        """Return when the next turn is due.

        What somebody waits for (*awaited*) is committed at once when it is alone. Where several arrived during
        the last commit, more will come, and sharing a commit is cheaper for all than hurrying.
        """
        if self.retry_at is not None:
            return self.retry_at
        if awaited:
            return self.committed + (COMPANY if self.company > 1 else 0.0)
        if hinted_at is not None:
            return max(self.committed + CADENCE, hinted_at + GATHER)
        return self.looked + SCAN if following else float("inf")

    def committed_at(self, now: float, company: int) -> None:
        """Note a commit that *company* were waiting for."""
        self.committed, self.company = now, company
        self.retry_at, self.pause = None, 0.0

    def failed_at(self, now: float) -> None:
        """Note a turn that could not be committed, and wait longer each time."""
        self.pause = min(max(self.pause * 2, 0.05), 2.0)
        self.retry_at = now + self.pause
