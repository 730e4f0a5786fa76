"""The history at the daemon's start: opened, or made whole first. Whatever happened to it, the daemon serves."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tidemill.care.mending import Mending, is_damaged
from tidemill.config.paths import StatePaths
from tidemill.dispatcher.endings import judge_exit, judge_reboot
from tidemill.domain.errors import HistoryError
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State
from tidemill.history.database import Database, open_database
from tidemill.history.problems import is_damage

log = logging.getLogger(__name__)

TELL_EVERY: Final = 5.0
"""Seconds between words about how far it is."""


def open_history(
    address: str | Path, paths: StatePaths, *, is_suspect: bool = False, alive: Callable[[], None] = lambda: None
) -> Database:
    """Open the history at *address*; one that is missing, damaged or too old is mended from the journals.

    *is_suspect*: somebody met damage in it, so all of it is looked through. *alive* is called while it takes time.
    """
    progress = Progress(alive)
    mending = Mending(paths, judge, time.time_ns() // 1000, progress)
    if address == paths.database:
        if mending.is_missing():
            log.critical("the history %s is missing; it is made again from the journals", paths.database)
            log.critical("%s", mending.make_again())
        elif is_suspect and is_damaged(paths.database, thoroughly=True):
            log.critical("%s", mending.mend_damage())
    database = _open(address, paths, mending)
    try:
        told = mending.catch_up(database)
    except HistoryError as error:  # as it is it can be served
        log.error("%s", error)
    else:
        if told is not None:
            log.critical("%s", told)
    return database


def judge(status: int | None, *, rebooted: bool) -> tuple[State, ErrorInfo | None]:
    """Judge a run whose process is gone and whose journal has no end."""
    return judge_reboot() if rebooted else judge_exit(status)


class Progress:
    """Tells how far it is, now and then."""

    def __init__(self, alive: Callable[[], None]) -> None:
        self._alive = alive
        self._told = time.monotonic()

    def __call__(self, runs: int) -> None:
        """Take note of how many runs are done."""
        if time.monotonic() - self._told >= TELL_EVERY:
            self._told = time.monotonic()
            self._alive()
            log.info("%d runs are brought back so far", runs)


def _open(address: str | Path, paths: StatePaths, mending: Mending) -> Database:
    try:
        return open_database(address)
    except HistoryError as error:
        if address != paths.database or error.__cause__ is None or not is_damage(error.__cause__):
            raise
        log.critical("%s", error)
        log.critical("%s", mending.mend_damage())
        return open_database(address)
