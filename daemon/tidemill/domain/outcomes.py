"""What became of a due moment: the ledger's words."""

from enum import StrEnum


class Outcome(StrEnum):
    """How one due moment of one schedule ended; the values are the contract of ``why``."""

    RAN = "ran"
    """A run was made for it in time."""
    LATE = "late"
    """A run was made for it, later than the moment but within the grace or by catching up."""
    COALESCED = "coalesced"
    """It shares the run of a later moment."""
    MISSED = "missed"
    """The daemon was not there, or the grace had passed."""
    SKIPPED = "skipped"
    """The overlap policy or a limit said no."""
    PAUSED = "paused"
    """The flow was paused."""
    BROKEN = "broken"
    """The flow's file could not be run, and there was no last good version."""
    NOT_DUE = "not_due"
    """No schedule of the flow has this moment. Never stored."""
    UPCOMING = "upcoming"
    """It lies ahead. Never stored."""


class Trigger(StrEnum):
    """What made a run."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    RETRY = "retry"
    BACKFILL = "backfill"
    EVENT = "event"
    SUBFLOW = "subflow"
    """Another run called the flow, and carried it out in its own process."""


class Catchup(StrEnum):
    """What happens to moments that passed while the daemon was down."""

    LATEST = "latest"
    ALL = "all"
    NONE = "none"


class Overlap(StrEnum):
    """What happens when a run of the flow is still going at the next moment."""

    SKIP = "skip"
    QUEUE = "queue"
    ALLOW = "allow"
    CANCEL = "cancel"
    """Cancel the run that is going, and start the new one."""
