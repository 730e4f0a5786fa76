"""When a file has been left alone long enough to be read, or been away long enough to be gone."""

from dataclasses import dataclass
from typing import Final

from tidemill.catalog.scanning import Signature

_EMPTY_FACTOR: Final = 5
# File systems count time in steps of up to two seconds (FAT, some network shares): a write in the step in
# which the file was read may leave no trace in its times.
_COARSEST_STEP: Final = 2.5


@dataclass(slots=True)
class _Waiting:
    signature: Signature | None
    since: float


class Settling:
    """What each file that is changing looked like, and since when."""

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._waiting: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        """Return how many files are waited for."""
        return len(self._waiting)

    def is_changing(self, path: str) -> bool:
        """Tell whether the file is there and has not been left alone yet."""
        waiting = self._waiting.get(path)
        return waiting is not None and waiting.signature is not None

    def is_settled(self, path: str, signature: Signature, now: float, *, age: float = 0.0) -> bool:
        """Note what the file looks like; tell whether it has looked so for long enough.

        *age* is for how long it is known to have looked so when it is noted for the first time.
        """
        waiting = self._waiting.get(path)
        if waiting is None or waiting.signature != signature:
            waiting = self._waiting[path] = _Waiting(signature, now - max(age, 0.0))
        if now < self._deadline(waiting):
            return False
        del self._waiting[path]
        return True

    def is_gone(self, path: str, now: float) -> bool:
        """Note that the file is not there; tell whether it has been away for long enough.

        Some editors remove a file before they write it anew.
        """
        waiting = self._waiting.get(path)
        if waiting is None or waiting.signature is not None:
            waiting = self._waiting[path] = _Waiting(None, now)
        if now < self._deadline(waiting):
            return False
        del self._waiting[path]
        return True

    def forget(self, path: str) -> None:
        """Stop waiting for a file: it looks again as it did when it was read."""
        self._waiting.pop(path, None)

    def next_at(self, now: float) -> float | None:
        """Return when the next file may be settled.

        One that should be by *now* and is still waited for cannot be seen at present, and wakes nobody.
        """
        deadlines = map(self._deadline, self._waiting.values())
        return min((deadline for deadline in deadlines if deadline > now), default=None)

    def _deadline(self, waiting: _Waiting) -> float:
        # A file of no bytes is most often one that was truncated to be written.
        is_empty = waiting.signature is not None and waiting.signature.size == 0
        return waiting.since + self._settle * (_EMPTY_FACTOR if is_empty else 1)


def age_of(signature: Signature, wall: float) -> float:
    """Return for how many seconds, at *wall*, the file's own times say it was left alone."""
    return wall - max(signature.mtime_ns, signature.ctime_ns) / 1e9


def is_racy(signature: Signature, wall: float) -> bool:
    """Tell whether a file read at *wall* could change again without its times showing it."""
    times = signature.mtime_ns / 1e9, signature.ctime_ns / 1e9
    return any(abs(wall - moment) < _COARSEST_STEP for moment in times)


RACY_PAUSE: Final = _COARSEST_STEP
"""Seconds after which one more read settles whether a racy file is what was read."""
