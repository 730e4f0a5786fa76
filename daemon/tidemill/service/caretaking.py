"""The daemon's own care: what has ended and is kept for long enough goes by itself, beside the load."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from tidemill.care.mending import is_damaged
from tidemill.care.policy import Policy
from tidemill.care.report import Report
from tidemill.care.rounds import prune
from tidemill.config.paths import StatePaths
from tidemill.config.settings import RetentionSettings
from tidemill.domain.errors import HistoryError, Refused
from tidemill.history.problems import MEND
from tidemill.history.recorder import Recorder

log = logging.getLogger(__name__)

FIRST: Final = 60.0
"""Seconds after the start until the first look, at most: a start has better things to do."""
EXAMINE_EVERY: Final = 86_400.0
"""Seconds between two readings of the whole history in search of damage."""
LOOK: Final = 5.0
"""Seconds between looks at whether the time has come, for the settings may have changed."""


class Caretaking:
    """Prunes from time to time and when asked to, one pruning at a time, in a thread of its own."""

    def __init__(
        self,
        recorder: Recorder,
        address: str | Path,
        paths: StatePaths,
        settings: Callable[[], RetentionSettings],
        *,
        is_busy: Callable[[str], bool],
        forget_texts: Callable[[Collection[str]], None],
    ) -> None:
        self._recorder = recorder
        self._address = address
        self._paths = paths
        self._settings = settings
        self._is_busy = is_busy
        self._forget_texts = forget_texts
        self._turn = asyncio.Lock()
        self._stopping = threading.Event()
        self._task: asyncio.Task[None] | None = None
        self._examined = float("-inf")

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._look())

    async def stop(self) -> None:
        """End, with a pruning that goes on between two of its slices."""
        self._stopping.set()
        if self._task is not None:
            self._task.cancel()
        async with self._turn:
            pass

    async def prune(
        self,
        *,
        older_than: float | None = None,
        keep: int | None = None,
        size: int | None = None,
        failed: bool = False,
    ) -> Report:
        """Prune now by the settings, with what was asked for in their place."""
        policy = Policy.of(self._settings()).instead(older_than=older_than, keep=keep, size=size, failed=failed)
        async with self._turn:
            if self._stopping.is_set():
                raise Refused("the daemon is stopping; prune when it runs again, or when it has stopped")
            return await asyncio.to_thread(self._prune, policy)

    async def _look(self) -> None:
        began = time.monotonic() - self._settings().interval + min(FIRST, self._settings().interval)
        while True:
            interval = self._settings().interval
            left = began + interval - time.monotonic()
            if interval <= 0 or left > 0:
                await asyncio.sleep(LOOK if interval <= 0 else min(left, LOOK))
                continue
            try:
                _tell(await self.prune())
                await self._examine()
            except HistoryError as error:
                log.warning("nothing was pruned: %s", error)
            except Exception:
                log.exception("a pruning failed; the next one tries again")
            began = time.monotonic()

    async def _examine(self) -> None:
        """Read through the whole history, once a day: a damaged page is better found before it is needed."""
        now = time.monotonic()
        if not isinstance(self._address, Path) or now - self._examined < EXAMINE_EVERY:
            return
        self._examined = now
        if await asyncio.to_thread(is_damaged, self._address):
            self._recorder.suspect(f"the history {self._address} is damaged; {MEND}")

    def _prune(self, policy: Policy) -> Report:
        return prune(
            self._recorder,
            self._address,
            self._paths,
            policy,
            time.time_ns() // 1000,
            rest=self._stopping.wait,
            is_busy=self._is_busy,
            forget_texts=self._forget_texts,
        )


def _tell(report: Report) -> None:
    if report.runs or report.moments or report.leftovers:
        log.info(
            "pruned %d runs (%d failed), %d moments, %d leftovers: %.1f MB",
            report.runs,
            report.failed_runs,
            report.moments,
            report.leftovers,
            report.freed / 1e6,
        )
    for note in report.notes:
        log.warning("%s", note)
