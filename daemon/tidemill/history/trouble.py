"""What is wrong with the history just now, told once in a sentence, and whether waiting will help."""

import logging
import sqlite3
from typing import Final

from tidemill.domain.errors import HistoryError
from tidemill.history.database import Database
from tidemill.history.problems import code_of, is_damage, is_passing, sentence

_LOG: Final = logging.getLogger("tidemill.history.recorder")


class Trouble:
    """Noted by the recorder's thread, read by anybody."""

    def __init__(self, database: Database) -> None:
        self._where = database.where
        self._path = database.path
        self.problem: str | None = None
        """Why the history cannot be written just now; nothing is lost meanwhile."""
        self.is_damaged = False
        """What is wrong does not pass by waiting: the history has to be mended."""

    def note(self, error: Exception) -> None:
        """Take note of a failure, and tell it unless it was told before."""
        if isinstance(error, OSError):
            problem = f"nothing can be recorded just now: {error}"
        else:
            problem = str(error) if isinstance(error, HistoryError) else sentence(error, self._where)
        if problem != self.problem:
            log = _LOG.error if is_passing(error) or isinstance(error, HistoryError | OSError) else _LOG.exception
            log("%s", problem)
        self.problem = problem
        # Gone, and nobody holds it open any more: as long as somebody does, it can be put back as it was.
        is_lost = code_of(error) == sqlite3.SQLITE_CANTOPEN and self._path is not None and not self._path.exists()
        self.is_damaged |= is_damage(error) or is_lost

    def suspect(self, problem: str) -> None:
        """Take the history for damaged, as whoever looked through it says."""
        self.problem, self.is_damaged = problem, True

    def forget(self) -> None:
        """It has passed."""
        if self.problem is not None:
            _LOG.info("the history can be written again")
            self.problem = None
