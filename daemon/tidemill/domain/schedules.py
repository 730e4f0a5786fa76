"""Schedules as values: when a flow is due, in the meaning of crontab(5) as Debian ships it.

To be completed by the scheduling room's author: the fields are fixed, ``upcoming`` is the contract.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """A schedule as plain data, as manifests and the history hold it."""

    kind: str
    """``cron``, ``every``, ``at`` or ``reboot``."""
    expression: str
    """The cron expression; seconds for ``every``; ISO 8601 for ``at``; empty for ``reboot``."""
    timezone: str | None = None
    """An IANA name; None means the daemon's local zone."""
    anchor: str | None = None
    """ISO 8601, for ``every``."""
    jitter: float = 0.0
    """Seconds over which starts are spread; the moment itself does not move."""
    parameters: dict[str, Any] = field(default_factory=dict)
