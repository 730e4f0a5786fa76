"""Journals that the history knows nothing of: the proof that it lost something, and where it is found again."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from tidemill.care.walking import walk
from tidemill.config.paths import StatePaths
from tidemill.domain.identifiers import is_run_id
from tidemill.history.reading import Reading
from tidemill.history.retention import known_runs

TAIL: Final = 64 * 1024
"""Bytes at the end of the exits journal: some hundred runs, more than any history is behind by accident."""


def unrecorded(reading: Reading, paths: StatePaths) -> Iterator[str]:
    """Give the ids of runs that have a journal and no row; one with an order is a terminal's, and may still go on."""
    for shard in walk(paths):
        journals = {uid for uid, traces in shard.runs.items() if traces.journal is not None and not traces.has_order}
        if journals:
            yield from sorted(journals - known_runs(reading, shard.prefix))


def is_behind(reading: Reading, paths: StatePaths) -> bool:
    """Tell whether the history is older than what the runs have written: it is new, or was put back from a backup.

    The last exits are looked up, which takes a millisecond: whatever ended has its row, or has no journal any more.
    """
    if not reading.rows("SELECT 1 FROM runs LIMIT 1"):
        return next(unrecorded(reading, paths), None) is not None
    return any(
        paths.journal(uid).exists() and not paths.journal(uid).with_suffix(".order").exists()
        for uid in _ended_last(paths.exits)
        if not reading.rows(
            "SELECT 1 FROM runs WHERE uid = :uid UNION ALL SELECT 1 FROM removals WHERE uid = :uid", {"uid": uid}
        )
    )


def _ended_last(exits: Path) -> set[str]:
    """Return the runs whose processes ended last."""
    try:
        handle = os.open(exits, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return set()
    try:
        size = os.fstat(handle).st_size
        data = os.pread(handle, TAIL, max(0, size - TAIL))
    finally:
        os.close(handle)
    found: set[str] = set()
    for line in data.splitlines():
        with suppress(msgspec.MsgspecError, TypeError, IndexError):
            uid = msgspec.json.decode(line)[0]
            if isinstance(uid, str) and is_run_id(uid):
                found.add(uid)
    return found
