"""Where cached values are: in a folder that runs share, or in the memory of a plain program."""

import random
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from msgspec.structs import replace

from tidemill.cache.folder import CacheFolder, is_over
from tidemill.cache.locks import KeyLocks, locks_of
from tidemill.cache.records import CacheRecord
from tidemill.cache.sweeping import sweep_shard
from tidemill.storage.history import HistoryResult
from tidemill.storage.places import ResultError, ResultPlace
from tidemill.storage.previews import WITHHELD
from tidemill.storage.reading import read_back

_SWEEP_CHANCE: Final = 1 / 16
_SWEEP_LIMIT: Final = 200
"""Files looked at now and then, when something is kept, so that a cache which is written does not grow without end."""


class Hit(NamedTuple):
    """A value was computed before."""

    value: Any
    record: CacheRecord


class CacheStore(Protocol):
    """What caching and transactions need of a cache."""

    locks: KeyLocks

    def find(self, key: str, now: int, handler: Any = None) -> Hit | None:
        """Return what is kept under *key*; *handler* is the author's own, who may have kept it. Raises ResultError."""

    def keep(self, key: str, value: Any, record: CacheRecord, place: ResultPlace) -> None:
        """Keep *value* under *key*. Raises ResultError where it cannot be kept."""


class MemoryStore:
    """Keeps values as they are, for as long as the program runs."""

    def __init__(self) -> None:
        self.locks = locks_of(None)
        self._kept: dict[str, Hit] = {}

    def find(self, key: str, now: int, handler: Any = None) -> Hit | None:
        """Return what is kept under *key*."""
        hit = self._kept.get(key)
        if hit is not None and is_over(hit.record, now):
            self._kept.pop(key, None)
            return None
        return hit

    def keep(self, key: str, value: Any, record: CacheRecord, place: ResultPlace) -> None:
        """Keep *value* under *key*."""
        self._kept[key] = Hit(value, record)


class FolderStore:
    """Keeps values in the stored form of results, where the task's handler did, else in a folder."""

    def __init__(self, folder: Path, serializer: Any = None) -> None:
        self.locks = locks_of(folder)
        self._records = CacheFolder(folder)
        self._serializer = serializer

    def find(self, key: str, now: int, handler: Any = None) -> Hit | None:
        """Return what is kept under *key*; a record whose value is gone goes too. Raises ResultError with why."""
        record = self._records.find(key, now)
        if record is None or record.result is None:
            return None
        try:
            return Hit(read_back(record.result, handler, self._files(key)), record)
        except Exception as error:
            self._records.forget(key)
            reason = str(error) or type(error).__name__
            raise ResultError(f"what task {record.task} of run {record.run} computed is lost: {reason}") from error

    def keep(self, key: str, value: Any, record: CacheRecord, place: ResultPlace) -> None:
        """Keep *value* under *key*. Raises ResultError."""
        files, result = self._files(key), record.result
        result = files.write(value, place) if result is None else files.adopt(result, place)
        if result.handler == "none":
            secret = result.preview == WITHHELD
            raise ResultError("it holds a secret" if secret else "it is not JSON and cannot be pickled")
        try:
            self._records.keep(key, replace(record, result=result))
        except OSError as error:
            raise ResultError(f"{self._records.folder} cannot be written: {error.strerror}") from error
        if random.random() < _SWEEP_CHANCE:
            sweep_shard(self._records.shard(key), record.created, limit=_SWEEP_LIMIT)

    def _files(self, key: str) -> HistoryResult:
        return HistoryResult(self._records.shard(key), serializer=self._serializer)


_memory: list[MemoryStore] = []


def store_in(folder: Path | None, serializer: Any = None) -> CacheStore:
    """Return the cache in *folder*; None: that of this process's memory."""
    if folder is not None:
        return FolderStore(folder, serializer)
    if not _memory:
        _memory.append(MemoryStore())
    return _memory[0]
