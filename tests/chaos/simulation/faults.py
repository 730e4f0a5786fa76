"""Where the daemon can be killed, and what its disk holds then."""

import shutil
import sqlite3
from bisect import bisect_left
from collections import Counter
from pathlib import Path

from sqlalchemy import event

from tidemill.history.pen import Pen

COMMIT_POINTS = ("commit before", "commit middle", "commit after", "checkpoint middle")
OTHER_POINTS = (
    "order before", "order after", "append before", "append middle", "append after", "callback",
)  # fmt: skip
IO_ERRORS = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY)
ENDS = ("", "-wal")


class Crash(BaseException):
    """The daemon's process is gone, at this point."""


class Nemesis:
    """Kills at the n-th time that an armed point is passed, and counts what it did."""

    def __init__(self):
        self.armed = None
        self.left = 0
        self.io_errors = 0
        self.io_kind = ("begin", sqlite3.SQLITE_IOERR)
        self.passed = Counter()
        self.done = Counter()

    def arm(self, point, nth):
        self.armed, self.left = point, nth

    def disarm(self):
        self.armed = None
        self.io_errors = 0

    def is_due(self, point):
        """Pass *point*; tell whether the daemon dies here."""
        self.passed[point] += 1
        if self.armed != point:
            return False
        self.left -= 1
        if self.left > 0:
            return False
        self.armed = None
        return True

    def at(self, point):
        if self.is_due(point):
            self.done[point] += 1
            raise Crash(point)

    def fail(self, where):
        """Raise an error of the disk, if one is due *where*."""
        if self.io_errors > 0 and self.io_kind[0] == where:
            self.io_errors -= 1
            self.done[f"I/O error at {where}"] += 1
            error = sqlite3.OperationalError("simulated")
            error.sqlite_errorcode = self.io_kind[1]
            raise error


class Disk:
    """The history's files: what of them a killed daemon leaves behind."""

    def __init__(self, database, nemesis, rng, meanwhile):
        self._meanwhile = meanwhile
        self.database = database
        self.path = database.path
        self.nemesis = nemesis
        self.rng = rng
        self.is_busy = False
        self._left = None
        self._before = None
        event.listen(database.engine, "commit", self._commits)

    def files(self):
        self.is_busy = True
        try:
            return [_bytes(Path(f"{self.path}{end}")) for end in ENDS]
        finally:
            self.is_busy = False

    def _commits(self, _connection):
        nemesis = self.nemesis
        self._meanwhile()
        nemesis.fail("commit")
        self._before = None
        if nemesis.is_due("commit before"):
            self._die("commit before", self.files())
        if nemesis.armed in ("commit middle", "checkpoint middle") and nemesis.left <= 1:
            self._before = self.files()

    def committed(self):
        """Pass what lies between a commit and its answer."""
        nemesis = self.nemesis
        if nemesis.is_due("commit middle") and self._before is not None:
            after = self.files()
            self._die("commit middle", [self._before[0], _torn(self._before[1], after[1], self.rng)])
        if nemesis.is_due("checkpoint middle") and self._before is not None:
            self._die("checkpoint middle", self._half_folded())
        if nemesis.is_due("commit after"):
            self._die("commit after", self.files())
        nemesis.fail("answer")

    def _half_folded(self):
        """Return the files as they are while the write-ahead log is being folded into the history."""
        old, wal = self.files()
        connection = sqlite3.connect(self.path)
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        new = self.files()[0]
        connection.close()
        pages = [self.rng.choice((old, new))[at : at + size] or new[at : at + size] for at in range(0, len(new), size)]
        return [b"".join(pages), wal]

    def _die(self, point, files):
        self._left = files
        self.nemesis.done[point] += 1
        raise Crash(point)

    def leave(self, pen):
        """End the connection of a killed daemon, and put in place what was on the disk when it died."""
        files, self._left = self._left or self.files(), None
        pen.close()
        self.is_busy = True
        for end in (*ENDS, "-shm"):
            Path(f"{self.path}{end}").unlink(missing_ok=True)
        for end, content in zip(ENDS, files, strict=True):
            if content or not end:
                Path(f"{self.path}{end}").write_bytes(content)
        self.is_busy = False


class MortalPen(Pen):
    """The real pen, watched by the nemesis."""

    def __init__(self, database, disk):
        super().__init__(database)
        self._disk = disk

    def _open(self):
        self._disk.nemesis.fail("begin")
        return super()._open()

    def keep_place(self):
        super().keep_place()
        self._disk.committed()


def _torn(before, after, rng):
    """Return *after* as far as it was written: SQLite appends its frames from the front to the back."""
    size = min(len(before), len(after))
    same = bisect_left(range(size), True, key=lambda length: before[: length + 1] != after[: length + 1])
    last = len(after)
    if len(after) == len(before):
        last -= bisect_left(range(size), True, key=lambda length: before[-length - 1 :] != after[-length - 1 :])
    cut = rng.randint(min(same, last), last)
    return after[:cut] + before[cut:]


def _bytes(path):
    return path.read_bytes() if path.exists() else b""


def copy_history(template, path):
    """Begin with an empty history of the newest schema."""
    shutil.copyfile(template, path)
