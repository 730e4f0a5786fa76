"""Watching over the history while the daemon serves: damage ends the serving, and the next begins with it mended."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tidemill.domain.errors import HistoryError

if TYPE_CHECKING:
    from tidemill.history.recorder import Recorder

log = logging.getLogger(__name__)

LOOK: Final = 1.0
"""Seconds between looks."""
MOST: Final = 3
"""Mendings within the time below; a disk that damages what was mended a moment ago is for a person to look at."""
WITHIN: Final = 600.0
TRY_AGAIN: Final = 5.0
"""Seconds between tries to mend."""


class Mendings:
    """How often the history was damaged lately, and whether it is now."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._begun: deque[float] = deque(maxlen=MOST)
        self.is_wanted = False
        """The history is to be mended before anything goes on."""

    async def watch(self, recorder: "Recorder", serving: "asyncio.Task[object]") -> None:
        """Cancel *serving* as soon as the recorder meets damage."""
        while not (recorder.is_damaged and self._may_mend()):
            await asyncio.sleep(LOOK)
        log.critical("%s; the daemon mends it now, and live runs go on", recorder.problem)
        self._begun.append(self._monotonic())
        self.is_wanted = True
        serving.cancel()

    def go_on(self, serve: Callable[[], int | None], pause: Callable[[float], None] = time.sleep) -> int | None:
        """Serve with a mended history; while it cannot be mended, as with a full disk, try again and again."""
        while True:
            try:
                return serve()
            except HistoryError as error:
                log.critical("%s; it is tried again in %g s", error, TRY_AGAIN)
                self.is_wanted = True
                pause(TRY_AGAIN)

    def _may_mend(self) -> bool:
        return len(self._begun) < MOST or self._monotonic() - self._begun[0] > WITHIN
