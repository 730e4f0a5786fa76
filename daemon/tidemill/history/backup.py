"""A copy of the history while it is written, checked before it bears its name.

The copy is made of one snapshot, by SQLite itself and page by page: the writer waits for none of it, and nobody
opens the file past SQLite, which would cancel the locks of whoever does that.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from tidemill.domain.errors import HistoryError, Refused
from tidemill.history.problems import sentence
from tidemill.history.reading import connect_to_read, open_reading

PAGES: Final = 512
"""Pages copied at once: two megabytes, after which what else wants the disk has its turn."""
REST: Final = 0.002
"""Seconds of rest between two steps."""
FLUSH: Final = 16
"""Steps after which the copy is brought to the disk: all of it at the end would hold up the writer's own syncs."""


class Copy(NamedTuple):
    """A backup that was made."""

    path: Path
    size: int
    """Bytes."""
    rows: Mapping[str, int]
    """Rows of each table, counted in the history and in the copy."""
    schema: str
    """The version of its schema; a newer tidemill upgrades it when it is put in place."""
    seconds: float


def back_up(source: Path, target: Path, *, force: bool = False, rest: Callable[[float], None] = time.sleep) -> Copy:
    """Copy the history at *source* to *target*, whole and verified or not at all.

    The file is for its owner alone. Raises Refused where *target* is taken and *force* is not given, and
    HistoryError where the history cannot be read or the copy does not pass its checks.
    """
    began = time.monotonic()
    _check_target(source, target, force=force)
    try:
        with _draft(target) as draft:
            counted = _copy(source, draft, rest)
            schema = _verify(draft, counted)
            _sync(draft)
            size = draft.stat().st_size
            _name(draft, target, force=force)
    except FileExistsError:
        raise Refused(_taken(target)) from None
    except sqlite3.Error as error:
        raise HistoryError(sentence(error, str(source))) from error
    except OSError as error:
        raise HistoryError(f"the backup {target} cannot be written: {error.strerror}") from error
    _sync(target.parent)
    return Copy(target, size, counted, schema, time.monotonic() - began)


def _check_target(source: Path, target: Path, *, force: bool) -> None:
    if not target.parent.is_dir():
        raise Refused(f"there is no folder {target.parent} to put the backup in")
    if target.is_dir():
        raise Refused(f"{target} is a folder; name a file in it")
    if target.exists() and source.exists() and target.samefile(source):
        raise Refused(f"{target} is the history itself; name another file")
    if os.path.lexists(target) and not force:
        raise Refused(_taken(target))


def _taken(target: Path) -> str:
    return f"{target} exists already; name another file, or replace it with --force"


def _name(draft: Path, target: Path, *, force: bool) -> None:
    """Give the draft its name; without *force* by a link, which fails where somebody took the name meanwhile."""
    if not force:
        try:
            target.hardlink_to(draft)
        except FileExistsError:
            raise
        except OSError:  # a file system without links, as memory sticks have
            if os.path.lexists(target):
                raise FileExistsError from None
        else:
            return
    draft.replace(target)


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """Give a new empty file beside *target*; nothing of it is left behind."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        yield draft
    finally:
        for end in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                draft.with_name(draft.name + end).unlink()


def _copy(source: Path, draft: Path, rest: Callable[[float], None]) -> dict[str, int]:
    """Copy one snapshot; return how many rows each of its tables has."""
    steps = 0

    def between(_status: int, _remaining: int, _total: int) -> None:
        nonlocal steps
        steps += 1
        if steps % FLUSH == 0:
            _sync(draft)
        rest(REST)

    with closing(connect_to_read(source)) as history, closing(sqlite3.connect(draft, isolation_level=None)) as copy:
        # Held open throughout: what is written meanwhile belongs to a later snapshot, and would begin the copy anew.
        history.execute("BEGIN")
        counted = count_rows(history)
        copy.execute("PRAGMA synchronous = OFF")
        history.backup(copy, pages=PAGES, progress=between, sleep=0)
        history.execute("ROLLBACK")
        # One file that is complete by itself, readable where nothing can be written.
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()
    return counted


def _verify(draft: Path, counted: Mapping[str, int]) -> str:
    """Open the copy as a command would, and compare; return the version of its schema."""
    with closing(connect_to_read(draft)) as copy:
        problems = [str(row[0]) for row in copy.execute("PRAGMA integrity_check(5)").fetchall()]
        if problems != ["ok"]:
            raise HistoryError(
                f"the history is damaged ({'; '.join(problems[:2])}), so no backup was made; "
                "look with: tidemill doctor, mend it with: tidemill doctor --repair"
            )
        if count_rows(copy) != counted:
            raise HistoryError("the backup does not hold what the history holds; nothing was kept of it, try again")
    reading = open_reading(draft)
    try:
        return str(reading.rows("SELECT version_num FROM alembic_version")[0][0])
    finally:
        reading.close()


def count_rows(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many rows each table has."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    tables = [name for (name,) in names if not name.startswith("sqlite_")]
    if "alembic_version" not in tables:
        raise HistoryError("the database is not a history of tidemill; nothing was copied")
    return {name: int(connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0]) for name in tables}


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
