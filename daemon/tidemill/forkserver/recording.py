"""The server's duty as the reaper of record: every exit is written, later if it must be."""

import sys
from collections import deque
from pathlib import Path

from tidemill.journal.exits import ProcessExit, append_exit


class ExitsRecord:
    """Writes exits to their journal at *path*; what a full disk refuses is kept and tried again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unwritten: deque[ProcessExit] = deque()
        self._complained = False

    @property
    def owes(self) -> bool:
        """Tell whether exits wait to be written."""
        return bool(self._unwritten)

    def add(self, ended: ProcessExit) -> None:
        """Write *ended*."""
        self._unwritten.append(ended)
        self.write()

    def write(self) -> None:
        """Write what waits, as far as the disk lets it."""
        try:
            while self._unwritten:
                append_exit(self._path, self._unwritten[0])
                self._unwritten.popleft()
            self._complained = False
        except FileNotFoundError:  # the state directory is gone, and with it everybody who would read them
            self._unwritten.clear()
        except OSError as error:
            if not self._complained:
                print(f"forkserver: exits cannot be recorded for now: {error}", file=sys.stderr)  # noqa: T201
            self._complained = True
