"""What lies in the state directory, run by run: read in shards, so that a million files hold nobody up."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tidemill.care.footprint import BLOCK, opened, tree_size
from tidemill.config.paths import StatePaths
from tidemill.domain.identifiers import ALPHABET, LENGTH, is_run_id

JOURNAL: Final = ".journal"
ORDER: Final = ".order"
_SHARDS: Final = frozenset(first + second for first in ALPHABET for second in ALPHABET)


@dataclass(slots=True)
class Traces:
    """What one run has left in files."""

    size: int = 0
    """Bytes they take."""
    touched: int = 0
    """When the youngest was written, in microseconds."""
    journal: int | None = None
    """The length of its journal; None where it has none."""
    has_order: bool = False
    """It was made in somebody's terminal, and is not in the history yet."""


@dataclass(slots=True)
class Shard:
    """The runs whose ids begin alike."""

    prefix: str
    runs: dict[str, Traces] = field(default_factory=dict)
    strangers: list[Path] = field(default_factory=list)
    """Files that belong to no run by their names."""

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(traces.size for traces in self.runs.values())


def walk(paths: StatePaths) -> Iterator[Shard]:
    """Give what the runs have left, a shard at a time; each is read when it is asked for."""
    places = (paths.exits.parent, paths.daemon_log.parent, paths.results)
    for prefix in sorted({name for place in places for name in _names(place) if name in _SHARDS}):
        shard = Shard(prefix)
        for place in places:
            _read(place / prefix, shard)
        yield shard


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names, not paths
    except OSError:
        return []


def _read(folder: Path, shard: Shard) -> None:
    with opened(folder) as handle:
        if handle is None:
            return
        with os.scandir(handle) as entries:
            for entry in entries:
                uid, end = entry.name[:LENGTH], entry.name[LENGTH:]
                if not is_run_id(uid) or not uid.startswith(shard.prefix) or (end and not end.startswith(".")):
                    shard.strangers.append(folder / entry.name)
                    continue
                _note(handle, entry, end, shard.runs.setdefault(uid, Traces()))


def _note(folder: int, entry: "os.DirEntry[str]", end: str, traces: Traces) -> None:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return  # it went just now
    is_tree = entry.is_dir(follow_symlinks=False)
    traces.size += tree_size(folder, entry.name) if is_tree else found.st_blocks * BLOCK
    traces.touched = max(traces.touched, found.st_mtime_ns // 1000)
    if end == JOURNAL:
        traces.journal = found.st_size
    elif end == ORDER:
        traces.has_order = True
