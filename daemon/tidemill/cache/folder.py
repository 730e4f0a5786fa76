"""A folder of records, which any number of processes read and write at once.

A record is written beside its name and renamed, so it is there whole or not at all, and the last writer's counts.
Values too large for their record are files beside it and go with it. Nothing is made durable: what a power cut
takes is computed again.
"""

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidemill.cache.records import CacheRecord, decode, digest_of, encode
from tidemill.config.paths import DRAFT

RECORD: Final = ".record"


class CacheFolder:
    """The records below *folder*, which is made with the first of them."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def find(self, key: str, now: int) -> CacheRecord | None:
        """Return the record of *key*, and count it as used; None when there is none that may still be taken."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        record = decode(data)
        if record is None or is_over(record, now):
            remove(path, record)
            return None
        with suppress(OSError):
            # The time of its last use, for those who sweep.
            os.utime(path)
        return record

    def keep(self, key: str, record: CacheRecord) -> None:
        """Write the record of *key* in the place of the one before. Raises OSError."""
        path = self._path(key)
        before = self._read(path)
        draft = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{DRAFT}")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(encode(record))
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        if before is not None and place_of(before) != place_of(record):
            remove_value(path, before)

    def forget(self, key: str) -> None:
        """Remove the record of *key* and its value."""
        path = self._path(key)
        remove(path, self._read(path))

    def shard(self, key: str) -> Path:
        """Return the folder of the record of *key*, where its value belongs too."""
        return self._path(key).parent

    def _path(self, key: str) -> Path:
        digest = digest_of(key)
        return self.folder / digest[:2] / f"{digest[2:]}{RECORD}"

    def _read(self, path: Path) -> CacheRecord | None:
        try:
            return decode(path.read_bytes())
        except OSError:
            return None


def is_over(record: CacheRecord, now: int) -> bool:
    """Tell whether a record may not be taken any more."""
    return record.expires is not None and record.expires <= now


def remove(path: Path, record: CacheRecord | None, *, dry_run: bool = False) -> int:
    """Remove the record at *path* with its value, and return how many bytes that are."""
    size = 0 if record is None else remove_value(path, record, dry_run=dry_run)
    with suppress(OSError):
        size += path.stat().st_size
        if not dry_run:
            path.unlink()
    return size


def remove_value(path: Path, record: CacheRecord, *, dry_run: bool = False) -> int:
    """Remove the value of the record at *path*, if it is a file of the cache's own; return how many bytes that are."""
    location = place_of(record)
    if location is None or os.path.dirname(location) != os.path.abspath(path.parent):  # noqa: PTH100, PTH120 - as it was written
        return 0
    value = Path(location)
    with suppress(OSError):
        size = value.stat().st_size
        if not dry_run:
            value.unlink()
        return size
    return 0


def place_of(record: CacheRecord) -> str | None:
    """Return the path or URL of a record's value; None when it stands in the record."""
    return None if record.result is None else record.result.location
