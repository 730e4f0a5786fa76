"""The kept texts of inspected files, by hash: what a run executes, whatever became of the file since."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from tidemill.domain.identifiers import new_run_id


class SourceStore:
    """A folder of source texts named by their hash; the same text is kept once."""

    def __init__(self, place: Callable[[str], Path]) -> None:
        """Keep texts where *place* says for a hash (``StatePaths.source``)."""
        self._place = place
        self._sound: set[str] = set()

    def keep(self, data: bytes, digest: str) -> Path:
        """Keep *data* durably and return the file that holds it."""
        path = self._place(digest)
        if self.holds(digest):
            return path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Written aside and renamed, so that nobody ever opens half a text; several threads may keep the same one.
        aside = path.with_name(f".{digest}.{new_run_id()}")
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(handle, "wb") as file:  # noqa: PTH123 - it is open already
                file.write(data)
                file.flush()
                os.fdatasync(handle)
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        self._sound.add(digest)
        return path

    def path(self, digest: str) -> Path:
        """Return where the text of this hash is kept."""
        return self._place(digest)

    def holds(self, digest: str) -> bool:
        """Tell whether the text of this hash is kept whole; it is read once in this process's life to be sure."""
        path = self._place(digest)
        if digest in self._sound:
            return path.exists()
        try:
            sound = hashlib.sha256(path.read_bytes()).hexdigest() == digest
        except OSError:
            return False
        if sound:
            self._sound.add(digest)
        return sound
