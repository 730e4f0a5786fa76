"""How a run gets on, in plain lines for a pipe or a file: one every few seconds, and only when there is news."""

import time
from collections.abc import Callable
from typing import Final

from tidemill.cli.awaiting import Awaited
from tidemill.cli.pace import Pace, ended, told
from tidemill.cli.terminal import neutral, say

EVERY: Final = 5.0
"""Seconds between two lines; a run that ends sooner gets none."""


class Reports:
    """Prints the lines, to the standard error output; *expected* tasks, or 0 where only the run itself knows."""

    def __init__(
        self, awaited: Awaited, expected: Callable[[], int], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._awaited = awaited
        self._expected = expected
        self._monotonic = monotonic
        self._due = monotonic() + EVERY
        self._pace = Pace()
        self._pace.see(0, monotonic())
        self._last: object = None

    def renew(self) -> None:
        """Print a line if it is time for one and something has changed."""
        now = self._monotonic()
        if now < self._due:
            return
        run = self._awaited.progress(1)
        rate = self._pace.see(ended(run), now)
        news = (run["state"], run["counts"])
        if news != self._last:
            self._last = news
            whole = ", ".join([run["state"], *told(run, self._expected(), rate)])
            say(f"{run['id']} {neutral(run['flow'])}: {whole}", err=True)
        self._due = now + EVERY
