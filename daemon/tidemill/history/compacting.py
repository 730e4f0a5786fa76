"""Writing the history's file anew, as small as it can be and able to shrink by itself from then on."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tidemill.domain.errors import HistoryError
from tidemill.history.problems import sentence


def compact(path: Path) -> int:
    """Make the file at *path* compact, in place and all of it or nothing; return by how many bytes it shrank.

    Nobody else may write it meanwhile. Raises HistoryError, also where the disk has no room for a second copy.
    """
    before = path.stat().st_size
    room = shutil.disk_usage(path.parent).free
    if room < 2 * before:
        raise HistoryError(
            f"making the history compact takes {2 * before:,} bytes of free disk for a while, and there are {room:,}; "
            "make room, or prune more first"
        )
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA auto_vacuum = 2")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        raise HistoryError(sentence(error, str(path))) from error
    return before - path.stat().st_size
