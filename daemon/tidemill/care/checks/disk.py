"""Room: on the disk, in the history's files, and what lies about that nobody needs."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tidemill.care.findings import Finding, Site, error, note, warning

TIGHT: Final = 0.05
SCARCE: Final = 500_000_000
FULL: Final = 50_000_000
"""Bytes that are free, or the share of them, below which it is worth a word."""
FEW_FILES: Final = 10_000
LARGE_LOG: Final = 100_000_000
"""Bytes of the daemon's own log, which nobody but a person cuts."""
LONG_WAL: Final = 64 * 1024 * 1024
"""Bytes of the write-ahead log beyond which somebody holds a reading open."""


def look_at_disk(site: Site) -> Iterator[Finding]:
    """Look at the room there is."""
    root = site.paths.root
    if not root.is_dir():
        return
    usage = shutil.disk_usage(root)
    facts = os.statvfs(root)
    if facts.f_flag & os.ST_RDONLY:
        yield error(f"the file system of {root} is read-only; nothing can be recorded until it is mounted for writing")
    if usage.free < FULL:
        how = f"nearly full (only {usage.free:,} bytes are free)" if usage.free else "full"
        yield error(f"the disk of {root} is {how}; make room, or: tidemill prune")
    elif usage.free < SCARCE or usage.free < usage.total * TIGHT:
        yield warning(f"the disk of {root} is nearly full: {usage.free:,} of {usage.total:,} bytes are free")
    if facts.f_files and facts.f_favail < FEW_FILES:
        yield warning(f"the disk of {root} has room for {facts.f_favail:,} files only; each run takes two or three")
    most = site.settings.retention.max_size
    if most > usage.total:
        yield note(f"retention.max_size ({most:,} bytes) is more than the disk of {root} holds ({usage.total:,})")
    yield from _files(site)


def _files(site: Site) -> Iterator[Finding]:
    wal = Path(f"{site.paths.database}-wal")
    if (size := _size(wal)) > LONG_WAL:
        yield warning(
            f"the write-ahead log {wal} has {size:,} bytes: somebody holds a reading of the history open and keeps it"
            " from being cut; end that program"
        )
    for kept in sorted(site.paths.root.glob("history.db.*-*")):
        if not kept.name.endswith(("-wal", "-shm")):
            yield note(
                f"{kept} ({_size(kept):,} bytes) is a history that was set aside; remove it when nobody needs it"
            )
    if (size := _size(site.paths.daemon_log)) > LARGE_LOG:
        yield note(f"the daemon's log {site.paths.daemon_log} has {size:,} bytes; a person may cut it: truncate -s 0")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
