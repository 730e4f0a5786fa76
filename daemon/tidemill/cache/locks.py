"""Locks on keys, for those who want one of several to do the work.

A key is a byte of one file, locked as the slots of limits are: the kernel takes it back with the process, a child
of user code's does not inherit it, and nothing is left behind. Two keys may share a byte, and then wait for each
other in vain; with 2^62 bytes they do not.
"""

import threading
from pathlib import Path
from typing import Final

from tidemill.cache.records import digest_of
from tidemill.limits.bytelocks import ByteLocks

FILE: Final = "locks"
_BITS: Final = 62

_known: Final[dict[Path | None, "KeyLocks"]] = {}
_knowing: Final = threading.Lock()


class KeyLocks:
    """The keys that this process holds; several of its threads exclude each other too."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._bytes = None if folder is None else ByteLocks(folder / FILE)
        self._guard = threading.Lock()
        self._holders: dict[int, list[object]] = {}
        """Who holds a byte, once for every time it was taken."""

    def take(self, key: str, holder: object) -> bool:
        """Lock *key* for *holder*, who may have it already; False while somebody else has it. Raises OSError."""
        place = _place(key)
        with self._guard:
            holders = self._holders.get(place)
            if holders is not None:
                if holders[0] != holder:
                    return False
                holders.append(holder)
                return True
            if self._bytes is not None and not self._lock(self._bytes, place):
                return False
            self._holders[place] = [holder]
            return True

    def give_back(self, key: str, holder: object) -> None:
        """Unlock *key* when *holder* has given it back as often as it was taken; nothing happens to another's."""
        place = _place(key)
        with self._guard:
            holders = self._holders.get(place, [])
            if not holders or holders[0] != holder:
                return
            holders.pop()
            if not holders:
                del self._holders[place]
                if self._bytes is not None:
                    self._bytes.unlock(place)

    def is_held(self, key: str, holder: object) -> bool:
        """Tell whether *holder* has *key*."""
        with self._guard:
            return holder in self._holders.get(_place(key), ())

    def is_taken(self, key: str) -> bool:
        """Tell whether anybody has *key*, in this process or in another."""
        probe = object()
        if not self.take(key, probe):
            return True
        self.give_back(key, probe)
        return False

    def _lock(self, held: ByteLocks, place: int) -> bool:
        if not held.is_sound:
            if self._folder is not None:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            held.open(make=True)
        return held.lock(place)


def locks_of(folder: Path | None) -> KeyLocks:
    """Return the locks on the keys of *folder*, the same ones in the whole process; None: those of its memory."""
    place = None if folder is None else folder.resolve()
    with _knowing:
        if place not in _known:
            _known[place] = KeyLocks(place)
        return _known[place]


def _place(key: str) -> int:
    return int(digest_of(key), 16) >> (128 - _BITS)
