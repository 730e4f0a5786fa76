"""A history that is missing, damaged or too old, made whole from what is left of it and from the journals.

What is made new gets its name when it is complete, so whoever is killed at it begins anew and has lost nothing.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from tidemill.care.evidence import is_behind, unrecorded
from tidemill.care.rebuilding import Bringing, Judge
from tidemill.care.walking import walk
from tidemill.config.paths import StatePaths
from tidemill.domain.errors import HistoryError
from tidemill.history.database import Database, open_database
from tidemill.history.pen import Pen
from tidemill.history.place import clear, make_single, put_in_place
from tidemill.history.problems import is_damage, sentence
from tidemill.history.reading import connect_to_read, open_reading
from tidemill.history.salvaging import TOLD, Salvage, salvage

LOST: Final = "pauses, waiting runs, and what became of moments that no run was made for"
"""What stands in no journal."""

log = logging.getLogger(__name__)


class Mending:
    """Makes the history of one state directory whole; nobody else may use it meanwhile.

    *judge* tells what became of runs that have no last word; *tell* is called now and then with how many runs are
    done; *now* is in microseconds.
    """

    def __init__(self, paths: StatePaths, judge: Judge, now: int, tell: Callable[[int], None] = lambda _: None) -> None:
        self._paths = paths
        self._judge = judge
        self._now = now
        self._tell = tell
        self._path = paths.database.resolve()
        self._fresh = self._path.with_name(f"{self._path.name}.fresh")

    def is_missing(self) -> bool:
        """Tell whether there were runs, and their history is gone."""
        return not _has_content(self._path) and next(self._journals(), None) is not None

    def make_again(self) -> str:
        """Make the history that is missing from the journals; return the sentence that tells of it."""
        database = self._begin()
        brought = self._bring(database, self._journals())
        self._finish("replaced")
        return (
            f"the history {self._path} was missing; it was made again from the journals of {brought.runs} runs."
            f" Lost are {LOST}{_failures(brought)}"
        )

    def mend_damage(self) -> str:
        """Make a new history from what can be read of the damaged one and from the journals."""
        database = self._begin()
        try:
            found = salvage(self._path, self._fresh)
        except sqlite3.Error as error:
            raise HistoryError(
                f"the history {self._path} is damaged and cannot be mended: {sentence(error, str(self._fresh))}"
            ) from error
        with closing(open_reading(self._fresh)) as reading:
            missing = list(unrecorded(reading, self._paths))
        brought = self._bring(database, iter(missing))
        if found.damaged & TOLD:
            self._read_again(database, set(missing))
        aside = self._finish("damaged")
        return (
            f"the history {self._path} was damaged; {_kept(found)}, and {brought.runs} runs were made again from"
            f" their journals{_lost(found)}. The damaged file is kept as {aside}{_failures(brought)}"
        )

    def catch_up(self, database: Database) -> str | None:
        """Bring back the runs that a history put back from an older day does not know, if it looks like one."""
        with closing(open_reading(database.path or _url(database))) as reading:
            if not is_behind(reading, self._paths):
                return None
        return self.bring_back(database)

    def bring_back(self, database: Database) -> str | None:
        """Bring back every run that has a journal and that the history does not know; None if there is none."""
        with closing(open_reading(database.path or _url(database))) as reading:
            missing = list(unrecorded(reading, self._paths))
        if not missing:
            return None
        brought = self._bring(database, iter(missing))
        return (
            f"the history is older than the journals beside it; {brought.runs} runs were brought back from them."
            f" Not told there are {LOST}{_failures(brought)}"
        )

    def _begin(self) -> Database:
        clear(self._fresh)
        return open_database(self._fresh)

    def _bring(self, database: Database, uids: Iterator[str]) -> Bringing:
        pen = Pen(database)
        bringing = Bringing(pen, self._paths, self._judge, self._now)
        try:
            bringing.bring(uids, self._tell)
        except Exception as error:
            raise HistoryError(f"runs cannot be brought back: {sentence(error, database.where)}") from error
        finally:
            pen.close()
        return bringing

    def _read_again(self, database: Database, done: set[str]) -> None:
        """Read the journals of the runs that were salvaged: of what belongs to them something is lost."""
        pen = Pen(database)
        try:
            left = (uid for uid in self._journals() if uid not in done)
            Bringing(pen, self._paths, self._judge, self._now).read_again(left, self._tell)
        finally:
            pen.close()

    def _finish(self, why: str) -> Path | None:
        make_single(self._fresh)
        _require_sound(self._fresh)
        return put_in_place(self._fresh, self._path, why)

    def _journals(self) -> Iterator[str]:
        for shard in walk(self._paths):
            for uid, traces in sorted(shard.runs.items()):
                if traces.journal is not None and not traces.has_order:
                    yield uid


def is_damaged(path: Path, *, thoroughly: bool = False) -> bool:
    """Look through the whole file for damage, a second for every hundred megabytes; *thoroughly* the indexes too."""
    check = "integrity_check" if thoroughly else "quick_check"
    try:
        with closing(connect_to_read(path)) as connection:
            return connection.execute(f"PRAGMA {check}(1)").fetchall() != [("ok",)]
    except sqlite3.Error as error:
        return is_damage(error)
    except HistoryError as error:
        return error.__cause__ is not None and is_damage(error.__cause__)


def _has_content(path: Path) -> bool:
    with suppress(OSError):
        return path.stat().st_size > 0
    return False


def _require_sound(path: Path) -> None:
    with closing(connect_to_read(path)) as connection:
        problems = connection.execute("PRAGMA integrity_check(3)").fetchall()
        problems += connection.execute("PRAGMA foreign_key_check").fetchall()[:3]
    if problems != [("ok",)]:
        raise HistoryError(
            f"the history that was made anew does not pass its checks: {problems[0]}; nothing was changed"
        )


def _kept(found: Salvage) -> str:
    return f"{found.rows.get('runs', 0)} runs could be read"


def _lost(found: Salvage) -> str:
    lost = [told for table, told in _MEANS.items() if table in found.damaged]
    return f". Lost, in part, are {', '.join(lost)}" if lost else ""


_MEANS: Final = {
    "flows": "pauses",
    "schedules": "schedules",
    "occurrences": "what became of due moments",
    "sources": "texts of old versions",
}


def _failures(brought: Bringing) -> str:
    return f"; {len(brought.failed)} journals cannot be understood ({brought.failed[0]})" if brought.failed else ""


def _url(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)
