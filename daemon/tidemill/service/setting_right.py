"""The machine's clock is set back: schedules go on from the new time."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from tidemill.domain.times import from_micros, to_micros
from tidemill.history.taking_back import TakenBack, take_back
from tidemill.scheduler.clock import Clock
from tidemill.service.inbox import Inbox
from tidemill.service.recording import Recording
from tidemill.service.roster import Roster

log = logging.getLogger(__name__)


class SettingRight:
    """Whenever the clock may have been set back: has the history follow it, and the schedules follow the history."""

    def __init__(
        self, roster: Roster, recording: Recording, inbox: Inbox, clock: Clock, now: Callable[[], datetime]
    ) -> None:
        self._roster = roster
        self._inbox = inbox
        self._recording = recording
        self._clock = clock
        self._now = now

    async def begin(self) -> None:
        """Look what an earlier daemon left; before any schedule is known."""
        now = to_micros(self._now())
        self._follow(await self._recording.perform(lambda writer: take_back(writer, now)))

    def stepped(self, seconds: float) -> None:
        """Take note, in the clock's thread, that it was set by so many seconds; followed behind what was due before."""
        if seconds < 0:
            # As it is now: it may have been set again before the loop hears of it.
            self._inbox.put(self._set_back, to_micros(self._now()))

    def _set_back(self, now: int) -> None:
        def done(answer: list[TakenBack] | BaseException) -> None:
            if isinstance(answer, BaseException):
                log.error("the ledger could not follow the clock that was set back: %s", answer)
            else:
                self._follow(answer)

        self._recording.submit(lambda writer: take_back(writer, now), done)

    def _follow(self, taken: Sequence[TakenBack]) -> None:
        for schedule_id, cursor, _ in taken:
            flow = self._roster.of_schedule(schedule_id)
            if flow is not None:
                self._clock.set(schedule_id, flow.schedules[schedule_id], from_micros(cursor))
        if freed := sum(each.moments for each in taken):
            log.warning(
                "the clock was far ahead and has been set back: %d moments that had been decided about without a run"
                " are due again when they come",
                freed,
            )
