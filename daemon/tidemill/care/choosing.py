"""Which runs go: those that are too old, then those that are too many, then the oldest while all is too large."""

from collections.abc import Callable, Iterator, Sequence

from tidemill.care.policy import Policy
from tidemill.care.report import Report
from tidemill.history.reading import Reading
from tidemill.history.retention import (
    WINDOW,
    EndedRun,
    beyond_number,
    ended_before,
    newest_runs,
    oldest_ended,
    retries_of,
)


class Choice:
    """Goes through the history once, and hands out what may go in portions."""

    def __init__(
        self, reading: Reading, policy: Policy, now: int, is_busy: Callable[[str], bool], report: Report
    ) -> None:
        self._reading = reading
        self._policy = policy
        self._now = now
        self._is_busy = is_busy
        self._report = report
        self._newest = newest_runs(reading)
        self._gone: set[int] = set()
        """The runs handed out that were retries: what they were retried from may follow."""
        self._held: dict[int, EndedRun] = {}
        """Runs that would go, but for others of the chain of retries that they belong to."""

    def too_old(self) -> Iterator[list[EndedRun]]:
        """Give the runs that have been kept for long enough."""
        cutoff = self._policy.newest_cutoff(self._now)
        if cutoff is None:
            return
        shortest = self._policy.cutoff(False, self._now)
        for window in ended_before(self._reading, cutoff):
            if shortest is not None:
                self._report.failed_kept += sum(
                    run.is_fault and run.finished_at < shortest and not self._is_too_old(run) for run in window
                )
            yield self._may_go([run for run in window if self._is_too_old(run)])

    def too_many(self) -> Iterator[list[EndedRun]]:
        """Give the runs beyond the newest of their flow."""
        if self._policy.keep_runs is None:
            return
        for window in beyond_number(self._reading, self._policy.keep_runs):
            yield self._may_go([run for run in window if not self._is_too_old(run)])

    def oldest(self, *, faults: bool) -> Iterator[list[EndedRun]]:
        """Give all others, the oldest first: those that failed, or those that did not."""
        for window in oldest_ended(self._reading):
            yield self._may_go([run for run in window if run.is_fault == faults and not self._is_too_old(run)])

    def released(self) -> Iterator[list[EndedRun]]:
        """Give the runs that were held back by others which have gone meanwhile, for another reason than they."""
        has_freed = True
        while has_freed:
            has_freed = False
            waiting = list(self._held.values())
            for first in range(0, len(waiting), WINDOW):
                free = self._not_held(waiting[first : first + WINDOW])
                has_freed |= bool(free)
                yield free

    @property
    def held_back(self) -> int:
        """How many runs stay because another one needs them."""
        return len(self._held)

    def _is_too_old(self, run: EndedRun) -> bool:
        return self._policy.is_too_old(run, self._now)

    def _may_go(self, runs: Sequence[EndedRun]) -> list[EndedRun]:
        """Return those of *runs* that nothing holds back."""
        free = [run for run in runs if run.id not in self._newest and not self._is_busy(run.uid)]
        self._held.update((run.id, run) for run in free)
        return self._not_held(free)

    def _not_held(self, runs: Sequence[EndedRun]) -> list[EndedRun]:
        retried = retries_of(self._reading, runs)
        going = []
        for run in runs:
            if all(key in self._gone for key in retried.get(run.id, ())) and self._goes_with_all_before(run):
                going.append(run)
                del self._held[run.id]
                if run.parent_id is not None:
                    self._gone.add(run.id)
        return going

    def _goes_with_all_before(self, run: EndedRun) -> bool:
        """Tell whether what *run* retried goes too: without its retry, it could be retried again, to do all anew."""
        parent = run.parent_id
        while parent is not None:
            if parent not in self._held:
                return False
            parent = self._held[parent].parent_id
        return True
