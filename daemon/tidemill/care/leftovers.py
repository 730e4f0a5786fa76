"""Files that no row of the history knows: what a removal left that was killed, and what other accidents did.

A journal is never taken for rubbish while its run could still be wanted: from it the run is brought back.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidemill.care.policy import DAY, SECOND, Policy
from tidemill.care.walking import Traces, walk
from tidemill.config.paths import StatePaths
from tidemill.history.reading import Reading
from tidemill.history.retention import known_runs

GRACE: Final = round(DAY * SECOND)
"""Microseconds for which a file may lie about unknown: a run in a terminal is recorded when it is over."""
_DIGEST: Final = 64


class Leftovers:
    """Looks through the state directory once."""

    def __init__(
        self, reading: Reading, paths: StatePaths, policy: Policy, now: int, is_busy: Callable[[str], bool]
    ) -> None:
        self._reading = reading
        self._paths = paths
        self._policy = policy
        self._now = now
        self._is_busy = is_busy
        self.size = 0
        """Bytes of all files of runs that were seen, those included that were given back."""
        self.unrecorded = 0
        """Journals whose runs the history does not know, and that stay."""

    def find(self) -> Iterator[str]:
        """Give the ids of runs of which only files are left that nobody can want any more."""
        for shard in walk(self._paths):
            self.size += shard.size
            # Read after the files were listed: a run has its row before it has a file.
            unknown = shard.runs.keys() - known_runs(self._reading, shard.prefix)
            for uid in sorted(unknown):
                traces = shard.runs[uid]
                if self._is_busy(uid):
                    continue
                if traces.touched < self._now - self._patience(traces):
                    yield uid
                elif traces.journal is not None:
                    self.unrecorded += 1

    def _patience(self, traces: Traces) -> int:
        """Return how long such traces stay; a journal as long as its run would, had it failed."""
        if traces.journal is None:
            return GRACE
        kept = self._policy.keep_failed_for
        return 2**62 if kept is None else max(GRACE, round(kept * SECOND))


class SourceFiles:
    """The kept texts of flow files, and their compiled forms."""

    def __init__(self, paths: StatePaths, now: int) -> None:
        self._folder = paths.source("00").parents[1]
        self._now = now

    def of(self, digest: str) -> Iterator[Path]:
        """Give the files of one text."""
        folder = self._folder / digest[:2]
        with suppress(OSError):
            yield from (folder / name for name in os.listdir(folder) if name.startswith(digest))  # noqa: PTH208

    def unknown(self, reading: Reading) -> Iterator[Path]:
        """Give the files of texts that the history does not have, and drafts; those of today may be on their way."""
        for shard in sorted(self._folder.glob("??")):
            known = {
                str(digest) for (digest,) in reading.rows(_KNOWN, {"prefix": shard.name, "behind": shard.name + "g"})
            }
            for path in sorted(shard.iterdir()):
                with suppress(OSError):
                    if path.name[:_DIGEST] not in known and path.stat().st_mtime_ns // 1000 < self._now - GRACE:
                        yield path


_KNOWN: Final = "SELECT hash FROM sources WHERE hash >= :prefix AND hash < :behind"
