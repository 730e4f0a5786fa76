"""The run process's side: append events, and never lose one without ending.

A full disk must not look like success. A write that fails is tried again for half a minute; then the
process ends with exit code 74, so that the run is shown as crashed and says why in its log.
"""

import errno
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tidemill.domain.events import Event, OfSubflow, RunEnded, RunNoted, RunRetrying, RunStarted
from tidemill.domain.secrecy import hide_in, is_needed
from tidemill.journal.format import LINE_LIMIT, Beside, beside, encode, encode_reference

EXIT_UNRECORDED: Final = 74
"""Exit code of a run process that could not write its journal: sysexits' EX_IOERR."""
HINT_INTERVAL: Final = 10_000
"""Microseconds between hints while tasks come and go; a hinted reader looks again after as long."""
URGENT: Final = 1 << 32
"""What the hint of a run's end counts: somebody waits for it. All others count one."""
PATIENCE: Final = 30.0
"""Seconds a failing write is tried again."""
_PAUSE: Final = 0.2
_TEXTS: Final = frozenset({"message", "traceback", "preview", "note", "run_name", "parameters"})
_RUN_EVENTS: Final = (RunStarted, RunRetrying, RunNoted, RunEnded)


class JournalWriter:
    """Appends the events of one run to its journal.

    *target* is the journal, opened for appending, or its path. *hint_fd* is an eventfd that wakes the
    reader; without it the reader finds out by looking.
    """

    def __init__(
        self,
        target: int | Path | str,
        hint_fd: int | None = None,
        *,
        patience: float = PATIENCE,
        pause: Callable[[float], None] = time.sleep,
        leave: Callable[[int], None] = os._exit,
    ) -> None:
        self._owner = os.getpid()
        self._lock = threading.RLock()  # re-entrant: a signal handler may write while its own thread does
        self._fd = target if isinstance(target, int) else _open(target)
        self._beside: tuple[int, int] | None = None
        self._hint_fd = hint_fd
        self._hinted_at = 0
        self._patience = patience
        self._pause = pause
        self._leave = leave
        self._mend()

    def write(self, event: Event) -> None:
        """Append *event*; in a forked copy of the run process do nothing, the record is not its own."""
        if os.getpid() != self._owner:
            return
        line = encode(_without_secrets(event) if is_needed() else event)
        with self._lock:
            if len(line) > LINE_LIMIT:
                line = encode_reference(self._put_beside(line))
            self._append(self._fd, line)
        if self._hint_fd is not None:
            self._hint(event, self._hint_fd)
        elif isinstance(event, RunEnded):
            self._sync()

    def close(self) -> None:
        """Close the journal."""
        with self._lock:
            os.close(self._fd)
            if self._beside is not None:
                os.close(self._beside[0])

    def _mend(self) -> None:
        """End a line that an earlier process left unfinished, lest it swallow the first one of ours."""
        size = os.fstat(self._fd).st_size
        if not size:
            return
        with suppress(OSError):  # not opened for reading: whoever opened it vouches for it
            if os.pread(self._fd, 1, size - 1) != b"\n":
                self._append(self._fd, b"\n")

    def _put_beside(self, line: bytes) -> Beside:
        if self._beside is None:
            path = Path(beside(Path(f"/proc/self/fd/{self._fd}").readlink()))
            opened = self._patiently(_open, path)
            if opened is None:
                return Beside(0, len(line))
            self._beside = (opened, os.fstat(opened).st_size)
        fd, offset = self._beside
        self._append(fd, line)
        self._beside = (fd, offset + len(line))
        return Beside(offset, len(line))

    def _append(self, fd: int, data: bytes) -> None:
        """Write all of *data*, with patience, or end the process."""
        while data:
            written = self._patiently(os.write, fd, data)
            if written is None:
                return
            data = data[written:]

    def _patiently(self, act: Callable[..., int], *args: Any) -> int | None:
        """Return what *act* returns, tried again for as long as the patience lasts; None after the process's end."""
        waited = 0.0
        while True:
            try:
                return act(*args)
            except OSError as error:
                if error.errno == errno.EBADF or waited >= self._patience:  # closed by user code: nothing to wait for
                    self._give_up(error)
                    return None
                self._pause(_PAUSE)
                waited += _PAUSE

    def _give_up(self, error: OSError) -> None:
        with suppress(OSError):
            os.write(2, f"tidemill: the run ends here: its journal cannot be written ({error.strerror})\n".encode())
        self._leave(EXIT_UNRECORDED)

    def _hint(self, event: Event, fd: int) -> None:
        since = event.at - self._hinted_at
        if 0 <= since < HINT_INTERVAL and not isinstance(event, _RUN_EVENTS):
            return
        self._hinted_at = event.at
        with suppress(OSError):  # a counter that is full has already woken everybody
            os.eventfd_write(fd, URGENT if isinstance(event, RunEnded) else 1)

    def _sync(self) -> None:
        """Bring the end of a run to the disk where no recorder was hinted: it does that better, for many at once."""
        with suppress(OSError):
            if self._beside is not None:
                os.fdatasync(self._beside[0])
            os.fdatasync(self._fd)


def _without_secrets(event: Event) -> Event:
    """Hide in what people wrote or made; names and states, by which events are understood, are neither."""
    if type(event) is OfSubflow:
        return event._replace(event=hide_in(event.event, texts=_TEXTS))
    return hide_in(event, texts=_TEXTS)


def _open(path: Path | str) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
