"""The clock: tells which moments of which schedules have come, each of them once and in order."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from tidemill.domain.specs import ScheduleSpec
from tidemill.scheduler.moments import DueMoment, Moments, portions
from tidemill.scheduler.timer import Timer

SLICE: Final = 200
"""The most moments in one delivery: more would hold up the receiver's loop for longer than 30 ms."""
_PAUSE: Final = 0.001
"""Seconds the thread rests between slices, so that the receiver gets the interpreter."""
_STEP: Final = 2.0
"""Seconds by which wall clock and monotonic clock must part before it is called a step."""

_log = logging.getLogger(__name__)


class Clock:
    """Delivers due moments to *on_due*, from a thread of its own, in slices.

    A delivery that raises is kept and repeated at the next heartbeat. A clock that is set forward, or a
    machine that slept, delivers what passed meanwhile, late. A clock set back delivers nothing twice: it waits
    until time is where it was. *on_step* is told by how many seconds the wall's clock was set, and whoever knows
    that it was wrong before has schedules begin anew with :meth:`set`.
    """

    def __init__(
        self,
        on_due: Callable[[list[DueMoment]], None],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_step: Callable[[float], None] | None = None,
    ) -> None:
        self._on_due = on_due
        self._now = now
        self._on_step = on_step
        self._timer = Timer(self._hand_over, before=self._begin, after=self._deliver)
        self._schedules: dict[int, Moments] = {}
        self._changes: deque[int] = deque()
        self._outbox: list[DueMoment] = []
        self._refused = False
        self._lock = threading.Lock()
        self._seen = (now(), time.monotonic())
        self._steps: deque[float] = deque()
        self.last_tick = time.monotonic()
        """When the thread last came round, on the monotonic clock: it does so every second."""

    def start(self) -> None:
        """Start the thread; moments that have come since a schedule's *after* are delivered at once."""
        self._timer.start()

    def stop(self) -> None:
        """Stop the thread and wait for it; nothing is delivered afterwards."""
        if self._timer.running:
            self._timer.shutdown(wait=False)

    def set(self, schedule_id: int, spec: ScheduleSpec, after: datetime) -> None:
        """Add or replace a schedule: its moments later than *after* will be delivered."""
        moments = Moments(schedule_id, spec, after)
        with self._lock:
            self._schedules[schedule_id] = moments
            self._changes.append(schedule_id)
        self.wakeup()

    def remove(self, schedule_id: int) -> None:
        """Forget a schedule."""
        with self._lock:
            self._schedules.pop(schedule_id, None)
            self._changes.append(schedule_id)
        self.wakeup()

    def next_at(self, schedule_id: int) -> datetime | None:
        """Return the schedule's next moment; None when it has none or is not known."""
        moments = self._schedules.get(schedule_id)
        return None if moments is None else moments.next_at

    def look(self) -> datetime:
        """Return the time; the thread tells *on_step* if it was set since anybody looked.

        Whoever has schedules begin looks here: of a clock that is set to and fro between two heartbeats the thread
        alone sees nothing.
        """
        with self._lock:
            wall, monotonic = self._now(), time.monotonic()
            step = (wall - self._seen[0]).total_seconds() - (monotonic - self._seen[1])
            self._seen = (wall, monotonic)
            if abs(step) >= _STEP:
                self._steps.append(step)
        return wall

    def wakeup(self) -> None:
        """Make the thread look at the time now."""
        if self._timer.running:
            self._timer.wakeup()

    def _begin(self) -> bool:
        """Take in changes, a slice at a time; tell whether more are waiting.

        APScheduler holds its lock while it walks through the due jobs. Changes wait in a queue for the
        thread itself, so that nobody else ever waits for that lock.
        """
        self.last_tick = time.monotonic()
        self.look()
        self._tell_steps()
        for _ in range(SLICE):
            with self._lock:
                if not self._changes:
                    return False
                schedule_id = self._changes.popleft()
                moments = self._schedules.get(schedule_id)
            if moments is None:
                self._timer.drop(schedule_id)
            else:
                self._timer.put(moments)
        return True

    def _hand_over(self, moments: Moments) -> None:
        taken = moments.take()
        if self._schedules.get(moments.schedule_id) is not moments:
            return  # removed or replaced since
        self._outbox.extend(taken)
        if len(self._outbox) >= SLICE and not self._refused:
            self._deliver()

    def _deliver(self) -> None:
        self._refused = False
        while self._outbox:
            portion = next(portions(self._outbox, SLICE))
            try:
                self._on_due(portion)
            except Exception:
                self._refused = True
                _log.exception("due moments could not be handed over; they are kept for the next heartbeat")
                return
            del self._outbox[: len(portion)]
            self.last_tick = time.monotonic()
            if len(portion) >= SLICE:
                time.sleep(_PAUSE)

    def _tell_steps(self) -> None:
        """Tell in the thread, behind what was due before."""
        while self._steps:
            step = self._steps.popleft()
            _log.warning("the machine's clock moved by %+.1f s", step)
            if self._on_step is not None:
                self._on_step(step)
