"""How long what has ended is kept."""

from typing import Final, NamedTuple, Self

from tidemill.config.settings import RetentionSettings
from tidemill.history.retention import EndedRun

DAY: Final = 86_400.0
SECOND: Final = 1_000_000
"""The history's times are microseconds."""
LEAST_MOMENTS: Final = 2 * DAY
"""A clock may be set back by this much: the ledger then still knows which moments had their turn."""


class Policy(NamedTuple):
    """The bounds; None is none. Times are seconds."""

    keep_for: float | None
    keep_failed_for: float | None
    keep_runs: int | None
    keep_moments_for: float | None
    max_size: int | None

    @classmethod
    def of(cls, settings: RetentionSettings) -> Self:
        """Return what the settings say."""
        moments = settings.keep_moments_for * DAY
        return cls(
            settings.keep_for * DAY or None,
            settings.keep_failed_for * DAY or None,
            settings.keep_runs or None,
            max(moments, LEAST_MOMENTS) if moments else None,
            settings.max_size or None,
        )

    def instead(
        self, *, older_than: float | None = None, keep: int | None = None, size: int | None = None, failed: bool = False
    ) -> Self:
        """Return the policy with what a person asked for in place of the settings; *failed*: of failed runs too."""
        changed = self
        if older_than is not None:
            changed = changed._replace(keep_for=older_than)
            if failed:
                changed = changed._replace(keep_failed_for=older_than)
        if keep is not None:
            changed = changed._replace(keep_runs=keep)
        return changed if size is None else changed._replace(max_size=size)

    def cutoff(self, run_is_fault: bool, now: int) -> int | None:
        """Return the moment before which such a run must have ended to be too old."""
        kept = self.keep_failed_for if run_is_fault else self.keep_for
        return None if kept is None else now - round(kept * SECOND)

    def newest_cutoff(self, now: int) -> int | None:
        """Return the moment before which any run may be too old."""
        cutoffs = [cutoff for fault in (False, True) if (cutoff := self.cutoff(fault, now)) is not None]
        return max(cutoffs, default=None)

    def is_too_old(self, run: EndedRun, now: int) -> bool:
        """Tell whether the run has been kept for long enough."""
        cutoff = self.cutoff(run.is_fault, now)
        return cutoff is not None and run.finished_at < cutoff
