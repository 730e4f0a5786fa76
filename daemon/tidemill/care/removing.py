"""Removing: rows in the writer's thread, a slice at a time beside others' work; files in the thread of whoever asks."""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from tidemill.cache.sweeping import Swept, sweep
from tidemill.care.footprint import remove_run_files, sync_removals
from tidemill.config.paths import StatePaths
from tidemill.history.reading import Reading
from tidemill.history.retention import EndedRun, history_size

if TYPE_CHECKING:
    from tidemill.history.pen import Pen
    from tidemill.history.removing import RunKey
    from tidemill.history.writing import Writer

T = TypeVar("T")

SLICE: Final = 0.003
"""Seconds that one slice may take; its commit takes about as long again."""
SHARE: Final = 3.0
"""A slice is followed by a rest of so many times its length: the writer is others' for most of the time."""
PORTION: Final = 100
"""Runs in one slice at most."""
_PAGES: Final = 64
"""Pages given back in the first slice; the next ones go by how long it took."""
_MOST_PAGES: Final = 2048
_FEWEST_PAGES: Final = 8

_LOG: Final = logging.getLogger(__name__)


class Interrupted(Exception):
    """Raised between two slices when the removal is to end: what was begun is finished by the next one."""


class Recording(Protocol):
    """Who writes the history."""

    def aside(self, chore: "Callable[[Pen], T]") -> T:
        """Have *chore* done between two turns, and wait for it."""
        ...


class Removing:
    """Removes: rows in the writer's thread, a slice at a time, and the files of what is gone in the caller's own.

    *rest* waits for so many seconds, and tells whether to end.
    """

    def __init__(
        self,
        recording: Recording,
        reading: Reading,
        paths: StatePaths,
        now: int,
        *,
        is_file: bool,
        rest: Callable[[float], bool],
        forget_texts: Callable[[Collection[str]], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recording = recording
        self._reading = reading
        self._paths = paths
        self._now = now
        self._is_file = is_file
        self._rest = rest
        self._forget_texts = forget_texts
        self._monotonic = monotonic
        self._settled: list[str] = []
        """Runs whose files are gone, which is not noted yet."""

    def finish(self) -> int:
        """Finish what an earlier removal left half done; return the bytes that the files took."""
        halves, uids = self._write(lambda writer, _: writer.load_removals())
        for run in halves:
            self._finish(run)
            uids.append(run[1])
        return self._remove_files(uids)

    def runs(self, runs: Sequence[EndedRun]) -> tuple[list[EndedRun], int]:
        """Remove them, as far as they may go."""
        gone: set[str] = set()
        freed = 0
        left = [(run.id, run.uid) for run in runs]
        while left:
            uids, seen = self._remove(left[:PORTION])
            freed += self._remove_files(uids)
            gone.update(uids)
            left = left[seen:]
        return [run for run in runs if run.uid in gone], freed

    def files(self, uid: str) -> int:
        """Remove them."""
        try:
            return remove_run_files(self._paths, uid)
        except OSError as error:
            _LOG.error("the files of the removed run %s cannot be removed: %s", uid, error)
            return 0

    def moments(self, schedule_id: int, before: int, expected: int) -> int:
        """Remove them."""
        total = 0
        while count := self._write(lambda writer, _: writer.remove_moments(schedule_id, before)):
            total += count
        return total

    def schedules(self, schedules: Sequence[int], before: int) -> None:
        """Remove them; of their moments only the newest are left."""
        for schedule_id in schedules:
            self._remove_schedule(schedule_id, before)

    def versions(self, versions: Sequence[int], newest_run: int) -> int:
        """Remove them."""
        return sum(self._remove_versions(few, newest_run) for few in _portions(versions))

    def sources(self, digests: Sequence[str], newest_version: int) -> list[str]:
        """Remove them."""
        self._forget_texts(digests)
        return [gone for few in _portions(digests) for gone in self._remove_sources(few, newest_version)]

    def cached(self, unused_since: int | None) -> Swept:
        """Remove it."""
        return sweep(self._paths.cache, self._now, unused_since)

    def path(self, path: Path) -> int:
        """Remove it."""
        try:
            size = path.stat().st_size
            path.unlink()
        except OSError:
            return 0
        return size

    def free(self) -> int:
        """Return the bytes of the history that are free now."""
        return history_size(self._reading, is_file=self._is_file)[1]

    def settle(self) -> None:
        """Note which runs have no files any more."""
        if self._settled:
            self._write(lambda writer, _: None)

    def shrink(self, reserve: int) -> None:
        """Give free pages back to the file system, but for *reserve* of them, which the next runs take."""
        pages, left = _PAGES, reserve + 1
        while left > reserve:
            before = left
            began = self._monotonic()
            left = self._shrink(pages)
            took = self._monotonic() - began
            if left >= before and before != reserve + 1:
                return  # nothing more is given back: the file was made without that
            pages = max(_FEWEST_PAGES, min(_MOST_PAGES, round(pages * SLICE / max(took, 1e-4))))
            self._pause(took)

    # One slice each

    def _remove(self, runs: "Sequence[RunKey]") -> tuple[list[str], int]:
        return self._write(lambda writer, has_time: writer.remove_runs(runs, has_time))

    def _finish(self, run: "RunKey") -> None:
        while not self._write(lambda writer, has_time: writer.finish_removal(run, has_time)):
            pass

    def _remove_schedule(self, schedule_id: int, before: int) -> None:
        self._write(lambda writer, _: writer.remove_schedule(schedule_id, before))

    def _remove_versions(self, versions: Sequence[int], newest_run: int) -> int:
        return self._write(lambda writer, _: writer.remove_versions(versions, newest_run))

    def _remove_sources(self, digests: Sequence[str], newest_version: int) -> list[str]:
        return self._write(lambda writer, _: writer.remove_sources(digests, newest_version))

    def _shrink(self, pages: int) -> int:
        return self._recording.aside(lambda pen: pen.shrink(pages))

    def _remove_files(self, uids: Sequence[str]) -> int:
        freed = 0
        gone = []
        for uid in uids:
            try:
                freed += remove_run_files(self._paths, uid)
            except OSError as error:
                # Its note stays, and with it the next pruning's try.
                _LOG.error("the files of the removed run %s cannot be removed: %s", uid, error)
            else:
                gone.append(uid)
        try:
            sync_removals(self._paths, gone)
        except OSError as error:
            _LOG.error("the next pruning looks at the files of %d removed runs again: %s", len(gone), error)
        else:
            self._settled += gone
        return freed

    def _write(self, work: "Callable[[Writer, Callable[[], bool]], T]") -> T:
        settled = self._settled[:]

        def chore(pen: "Pen") -> T:
            until = self._monotonic() + SLICE
            with pen.slice() as writer:
                if settled:
                    writer.forget_removals(settled)
                return work(writer, lambda: self._monotonic() < until)

        began = self._monotonic()
        answer = self._recording.aside(chore)
        del self._settled[: len(settled)]
        self._pause(self._monotonic() - began)
        return answer

    def _pause(self, took: float) -> None:
        if self._rest(took * SHARE):
            raise Interrupted


def _portions(all_of_them: Sequence[T]) -> Iterator[Sequence[T]]:
    return (all_of_them[first : first + PORTION] for first in range(0, len(all_of_them), PORTION))
