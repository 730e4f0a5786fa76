"""Removes records that are over or that nobody has used for long, with their values, and what crashes left behind."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tidemill.cache.folder import RECORD, is_over, place_of, remove
from tidemill.cache.records import decode

_LEFT_BEHIND: Final = 3600 * 1_000_000
"""Microseconds after which a file without a record was left behind; younger ones are about to get theirs."""


class Swept(NamedTuple):
    """What a sweep came to."""

    records: int = 0
    """How many were removed, or would be."""
    size: int = 0
    """Bytes of these records, of their values and of what was left behind."""
    kept: int = 0
    """Bytes of everything else."""

    def plus(self, other: "Swept") -> "Swept":
        """Return what both came to."""
        return Swept(self.records + other.records, self.size + other.size, self.kept + other.kept)


def sweep(folder: Path, now: int, unused_since: int | None = None, *, dry_run: bool = False) -> Swept:
    """Sweep the whole *folder*: records that are over at *now*, and those not used since *unused_since*.

    Times are microseconds since 1970. Safe while runs use the folder: they compute again what they miss. With
    *dry_run* nothing is removed.
    """
    swept = Swept()
    for shard in _folders(folder):
        swept = swept.plus(sweep_shard(shard, now, unused_since, dry_run=dry_run))
    return swept


def sweep_shard(
    shard: Path, now: int, unused_since: int | None = None, *, limit: int | None = None, dry_run: bool = False
) -> Swept:
    """Sweep one folder of those that hold records; with a *limit*, at most so many files of it, and no strays."""
    count = size = total = 0
    named: set[str] = set()
    strays: list[os.DirEntry[str]] = []
    for entry in _files(shard, limit):
        path = Path(entry.path)
        try:
            total += entry.stat().st_size
            if not entry.name.endswith(RECORD) or entry.name.startswith("."):
                strays.append(entry)
                continue
            record, used = decode(path.read_bytes()), entry.stat().st_mtime_ns // 1000
        except OSError:
            continue
        if record is None or is_over(record, now) or (unused_since is not None and used < unused_since):
            count += 1
            size += remove(path, record, dry_run=dry_run)
        if record is not None and (location := place_of(record)) is not None:
            named.add(os.path.basename(location))  # noqa: PTH119 - compared as it was written
    if limit is None:
        size += sum(_remove_stray(entry, now, dry_run) for entry in strays if entry.name not in named)
    return Swept(count, size, max(0, total - size))


def _remove_stray(entry: os.DirEntry[str], now: int, dry_run: bool) -> int:
    try:
        status = entry.stat()
        if now - status.st_ctime_ns // 1000 < _LEFT_BEHIND:
            return 0
        if not dry_run:
            os.unlink(entry.path)  # noqa: PTH108 - an entry of a listing
    except OSError:
        return 0
    return status.st_size


def _folders(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            yield from (Path(entry.path) for entry in entries if len(entry.name) == 2 and entry.is_dir())
    except OSError:
        return


def _files(shard: Path, limit: int | None) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(shard) as entries:
            for number, entry in enumerate(entries):
                if limit is not None and number >= limit:
                    return
                if entry.is_file(follow_symlinks=False):
                    yield entry
    except OSError:
        return
