"""The name of an open history: whether the file that is written is still the one that everybody else would open.

SQLite goes on writing a file that was deleted or replaced, and says nothing: what is committed then exists for
nobody but the writer. So the writer compares, by stat alone; to open the file would cancel its own locks.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tidemill.domain.errors import HistoryError
from tidemill.history.problems import sentence

ENDS: Final = ("", "-wal", "-shm")
"""A history in WAL mode is three files, and none can be missing while it is written."""
Identity = tuple[tuple[int, int] | None, ...]


def files_of(path: Path) -> list[Path]:
    """Return the files of the history at *path*."""
    return [path.with_name(path.name + end) for end in ENDS]


def identify(path: Path) -> Identity:
    """Return what names the files of the history at *path* now."""
    return tuple(_identity(path, end) for end in ENDS)


def is_same(known: Identity, found: Identity) -> bool:
    """Tell whether the files that were *known* are all among those that were *found*; others may have come."""
    return all(was is None or was == now for was, now in zip(known, found, strict=True))


def is_held(path: Path) -> bool:
    """Tell whether this process has the file at *path* open; there are file systems on which its number changes."""
    try:
        wanted = path.stat()
    except OSError:
        return False
    for fd in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names, not paths
        with suppress(OSError):
            if os.path.samestat(os.stat(f"/proc/self/fd/{fd}"), wanted):  # noqa: PTH116
                return True
    return False


def put_back(connection: sqlite3.Connection, close: Callable[[], None], path: Path, known: Identity) -> str:
    """Write the history that *connection* still holds to its place anew; *close* ends the connection.

    Return the sentence that tells what happened. Nothing is lost: what the files held is read through the descriptors
    that are still open. What stands in the place now was put there by somebody, and is kept beside.
    """
    fresh = path.with_name(f"{path.name}.fresh")
    kept = ""
    try:
        _write_whole(connection, fresh)
        found = _identity(path, "")
        if found is not None and found != known[0]:
            kept = f"; the file that stood in its place is kept as {set_aside(path, 'replaced')}"
        # Before the new file has its name: as it closes, SQLite may remove files by their names.
        close()
        for end in ENDS[1:]:
            path.with_name(path.name + end).unlink(missing_ok=True)
        # A power cut must not leave the new file with the old one's log, which SQLite would fold into it.
        sync_folder(path.parent)
        fresh.replace(path)
        sync_folder(path.parent)
    except (sqlite3.Error, OSError) as error:
        told = sentence(error, str(path)) if isinstance(error, sqlite3.Error) else str(error.strerror)
        raise HistoryError(
            f"the history {path} was deleted or replaced, and cannot be written anew yet: {told}"
        ) from error
    return (
        f"the history {path} was deleted or replaced while the daemon wrote it; "
        f"it was written anew from what the daemon still held, and nothing is lost{kept}"
    )


def set_aside(path: Path, why: str) -> Path:
    """Rename the file at *path*, and say to what; nothing is ever deleted that somebody may want to look at."""
    aside = path.with_name(f"{path.name}.{why}-{_stamp()}")
    path.rename(aside)
    return aside


def put_in_place(fresh: Path, path: Path, why: str) -> Path | None:
    """Give the history *fresh*, one file that is closed, the name *path*; return what became of the one that had it.

    At every moment there is a history under that name. The old one is kept beside, with all that belongs to it.
    """
    aside = path.with_name(f"{path.name}.{why}-{_stamp()}")
    was_there = path.exists()
    if was_there:
        try:
            aside.hardlink_to(path)
        except OSError:  # a file system without links
            path.rename(aside)
    with suppress(FileNotFoundError):
        # Without its history it would be taken for the new one's.
        path.with_name(f"{path.name}-wal").rename(aside.with_name(f"{aside.name}-wal"))
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    sync_folder(path.parent)  # for the same reason not even a power cut may turn the order around
    fresh.replace(path)
    sync_folder(path.parent)
    return aside if was_there else None


def make_single(path: Path) -> None:
    """Fold the closed history at *path* into one file, and bring it to the disk."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    _sync(path)


def clear(path: Path) -> None:
    """Remove the history at *path*, which nobody knows but us."""
    for end in ("", "-journal", *ENDS[1:]):
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).unlink()


def sync_folder(folder: Path) -> None:
    """Make the names in *folder* durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_whole(connection: sqlite3.Connection, fresh: Path) -> None:
    clear(fresh)
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(fresh, isolation_level=None)) as copy:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()
    _sync(fresh)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")


def _identity(path: Path, end: str) -> tuple[int, int] | None:
    try:
        found = os.stat(f"{path}{end}")  # noqa: PTH116 - at every commit, and a Path costs more than the call
    except OSError:
        return None
    return found.st_dev, found.st_ino
