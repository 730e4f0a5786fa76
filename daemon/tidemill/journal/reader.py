"""The other side: follow a journal from an offset, a piece at a time."""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidemill.domain.events import Event, RunNoted
from tidemill.journal.format import Beside, DamageError, Unknown, beside, decode

PIECE: Final = 1 << 20
"""Bytes read at once; longer than any line."""
WEIGHT: Final = 1 << 20
"""Bytes of long events after which a piece ends early: a line that points to one is short."""
LONGEST: Final = 1 << 26
"""Bytes of one long event: a run may write what it likes, and whoever reads it has to hold it in memory."""
MOST_TOLD: Final = 100
"""Damaged lines of one journal that are told one by one."""
MOST_DAMAGED: Final = 1 << 24
MOST_LINES: Final = 10_000
"""Bytes and lines of damage after which a journal is left alone: a run can make its own as large as it likes."""
PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors of opening that say nothing of the file: the same is asked again."""
# Neither a pipe nor a device in the place of a file may keep the reader waiting.
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class JournalReader:
    """Reads the journal at *path* on from *offset*, which is always the beginning of a line."""

    def __init__(self, path: Path | str, offset: int = 0) -> None:
        self.path = os.fspath(path)
        self.offset = offset
        self.is_cut = False
        """The last piece ended early, for the weight of its long events."""
        self._fd: int | None = None
        self._at = 0
        self._weight = 0
        self._damaged_lines = self._damaged_bytes = 0

    def read(self, limit_bytes: int = PIECE) -> tuple[list[Event], int]:
        """Return the events of the next whole lines, and the offset behind them.

        What is not there yet, a file or the rest of a line, is no error: it comes with a later call.
        A line that is damaged becomes a note, for nothing may vanish without a word; where most of a journal is
        damage, so does all of it. Raises OSError where it cannot be read; nothing is passed over then.
        """
        data = self._whole_lines(limit_bytes)
        start, end = self.offset, self.offset + len(data)
        self._weight = 0
        events: list[Event] = []
        for line in data.split(b"\n"):
            event = self._understand(line, start)
            start += len(line) + 1
            if event is not None:
                self._at = event.at
                events.append(event)
            if self._weight > WEIGHT or self._is_spoilt():
                break
        self.offset = min(start, end)
        self.is_cut = self.offset < end
        if self._is_spoilt() and self._fd is not None:
            events.append(self._note(f"too much of the journal is damaged; it is not read from byte {self.offset} on"))
            self.offset = max(self.offset, os.fstat(self._fd).st_size)
            self._damaged_bytes, self._damaged_lines = 0, MOST_TOLD
        return events, self.offset

    def unread(self) -> int:
        """Return how many bytes lie behind what was read; 0 where the file cannot be looked at."""
        with suppress(OSError):
            return os.stat(self.path).st_size - self.offset  # noqa: PTH116 - a Path would keep its name for good
        return 0

    def close(self) -> None:
        """Close the file; a later read opens it again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _whole_lines(self, limit: int) -> bytes:
        if self._fd is None:
            try:
                self._fd = os.open(self.path, _READ)
            except FileNotFoundError:
                return b""
        data = os.pread(self._fd, limit, self.offset)
        if len(data) == limit < PIECE and b"\n" not in data:
            data = os.pread(self._fd, PIECE, self.offset)
        end = data.rfind(b"\n") + 1
        if not end and len(data) >= PIECE:
            return data  # no line of ours: passed over as damaged, or the reader would stand here for ever
        return data[:end]

    def _understand(self, line: bytes, start: int) -> Event | None:
        if not line:
            return None
        try:
            event = decode(line)
            if isinstance(event, Beside):
                event = self._fetch(event)
        except DamageError as error:
            self._damaged_lines += 1
            self._damaged_bytes += len(line) + 1
            if self._damaged_lines > MOST_TOLD:
                return None
            more = "" if self._damaged_lines < MOST_TOLD else "; more of it is not told line by line"
            return self._note(f"the journal is damaged at byte {start}: {error}{more}")
        if isinstance(event, Unknown):
            return self._note(f"an event of a later version was passed over: {event.name}")
        return event

    def _fetch(self, place: Beside) -> Event | Unknown:
        path = beside(self.path)
        try:
            event = decode(_part(path, place))
        except OSError as error:
            if error.errno in PASSING:
                raise
            raise DamageError(f"its long event cannot be read from {path}: {error.strerror}") from error
        self._weight += place.length
        if isinstance(event, Beside):
            raise DamageError(f"{path} points to itself")
        return event

    def _is_spoilt(self) -> bool:
        return self._damaged_bytes > MOST_DAMAGED or self._damaged_lines > MOST_LINES

    def _note(self, text: str) -> RunNoted:
        """Make a note, at the time of what was read before it: the line's own time is lost."""
        at = self._at or (os.fstat(self._fd).st_mtime_ns // 1000 if self._fd is not None else 0)
        return RunNoted(at, text)


def _part(path: str, place: Beside) -> bytes:
    """Read what *place* points to, if it is there and can be held."""
    if place.length > LONGEST:
        raise DamageError(f"its long event has {place.length} bytes, and the most is {LONGEST}")
    fd = os.open(path, _READ)
    try:
        if place.offset + place.length > os.fstat(fd).st_size:
            raise DamageError(f"its long event lies behind the end of {path}")
        return os.pread(fd, place.length, place.offset)
    finally:
        os.close(fd)
