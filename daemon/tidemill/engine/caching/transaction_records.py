"""The record of a transaction with a key: whoever comes later sees that it was committed, and with what."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tidemill.authoring.result_stores import ResultStore
from tidemill.cache.records import CacheRecord, digest_of, shown
from tidemill.domain.errors import DefinitionError, TidemillError
from tidemill.engine.caching.cache_stores import CacheStore, store_in
from tidemill.engine.caching.caching import folder_of
from tidemill.engine.caching.lock_managers import LockManager
from tidemill.engine.run import Run
from tidemill.storage.places import ResultError, ResultPlace

_NAME: Final = "transaction"


@dataclass(frozen=True)
class ResultRecord:
    """What a transaction left when it was committed."""

    key: str
    result: Any


class KeyedRecord:
    """The record of one key."""

    def __init__(self, key: str, store: Any, run: Run | None) -> None:
        self._key = key
        self._run = run
        chosen = store if isinstance(store, ResultStore) else ResultStore(_folder(store))
        self._store: CacheStore = store_in(_place(chosen.metadata_storage or chosen.result_storage, run))
        self._manager = chosen.lock_manager or LockManager(self._store.locks)
        self._is_locked = False

    def take_lock(self, holder: str) -> bool:
        """Lock the key; False while somebody else has it."""
        self._is_locked = bool(self._manager.acquire_lock(self._key, holder, acquire_timeout=0))
        return self._is_locked

    def give_lock_back(self, holder: str) -> None:
        """Let others at the key."""
        if self._is_locked:
            self._is_locked = False
            self._manager.release_lock(self._key, holder)

    def exists(self) -> bool:
        """Tell whether a transaction of this key was committed."""
        return self.read() is not None

    def read(self) -> ResultRecord | None:
        """Return what it left; a record whose value is lost is none."""
        try:
            hit = self._store.find(self._key, self._now())
        except ResultError:
            return None
        return None if hit is None else ResultRecord(self._key, hit.value)

    def write(self, value: Any) -> None:
        """Write the record. Raises TidemillError."""
        run, now = self._run, self._now()
        name = f"{_NAME}-{digest_of(self._key)[:12]}"
        place = ResultPlace(_NAME, str(os.getpid()), name, 0, Path.cwd()) if run is None else run.place(name, 0)
        record = CacheRecord(shown(self._key), now, None, place.flow, place.run, _NAME)
        try:
            self._store.keep(self._key, value, record, place)
        except ResultError as error:
            raise TidemillError(f"the transaction {self._key!r} cannot be committed: {error}") from error

    def _now(self) -> int:
        import time

        return self._run.now() if self._run is not None else time.time_ns() // 1000


def _folder(store: Any) -> str | os.PathLike[str] | None:
    if store is None or isinstance(store, str | os.PathLike):
        return store
    raise DefinitionError(f"store of a transaction must be a folder or a ResultStore; it is {store!r}")


def _place(folder: Any, run: Run | None) -> Path | None:
    if run is not None:
        return folder_of(run, folder)
    return None if folder is None else Path(folder).expanduser()
