"""A stretch of time as a schedule sees it: the first and the last moment due there, and how many there are."""

from typing import Final, NamedTuple

from tidemill.domain.duetimes import latest_before
from tidemill.domain.specs import ScheduleSpec

MOST_COUNTED: Final = 10_000
"""Moments of a stretch that are counted, which takes 0.1 s; beyond it the count is a lower bound."""


class Stretch(NamedTuple):
    """The due moments of a stretch, in microseconds."""

    first: int
    last: int
    moments: int
    """How many, as far as they were counted."""


def stretch(spec: ScheduleSpec, low: int, high: int) -> Stretch | None:
    """Return the moments of *spec* later than *low* and up to *high*, in microseconds; None where there is none."""
    found = spec.between(low, high, MOST_COUNTED)
    if not found:
        return None
    last = found[-1]
    if len(found) == MOST_COUNTED:
        zone = spec.zone()
        last = latest_before(lambda after: spec.next_micros(after, zone), high + 1) or last
    return Stretch(found[0], last, len(found))
