"""How far a run is and how fast it goes, in one line."""

from collections import deque
from typing import Any, Final

from tidemill.cli.errorviews import OWN_FAILURES
from tidemill.cli.states import LIVE

_WINDOW: Final = 10.0
"""Seconds over which the pace is taken, so that it follows a run that slows down."""
_ENOUGH: Final = 10
"""Tasks that have to end within the window before their number says anything about the pace."""


class Pace:
    """Sees how many tasks have ended, time after time."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def see(self, ended: int, at: float) -> float | None:
        """Note that *ended* tasks have ended at the monotonic time *at*; return how many do in a second, if known."""
        # A run's own next attempt counts its tasks from the start.
        while self._seen and (self._seen[0][0] < at - _WINDOW or self._seen[-1][1] > ended):
            self._seen.popleft()
        self._seen.append((at, ended))
        first_at, first = self._seen[0]
        return (ended - first) / (at - first_at) if ended - first >= _ENOUGH and at > first_at else None


def told(progress: dict[str, Any], expected: int, rate: float | None) -> list[str]:
    """Return the parts of the line: how many tasks have ended of how many are known, what failed, what goes on."""
    counts: dict[str, int] = progress["counts"]
    known = max(expected, sum(counts.values()))
    if not known:
        return []
    going = sum(counts.get(state, 0) for state in LIVE)
    failed = sum(counts.get(state, 0) for state in OWN_FAILURES)
    parts = [f"{sum(counts.values()) - going}/{known} tasks"]
    if failed:
        parts.append(f"{failed} failed")
    if going > 1:
        parts.append(f"{going} running")
    if rate is not None:
        parts.append(f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
    return parts


def ended(progress: dict[str, Any]) -> int:
    """Return how many tasks have ended."""
    return sum(count for state, count in progress["counts"].items() if state not in LIVE)
