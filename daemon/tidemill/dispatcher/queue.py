"""The runs that wait for a slot, best first."""

import heapq
from collections.abc import Callable, Iterator
from itertools import count

from tidemill.dispatcher.runs import ActiveRun


class PendingQueue:
    """Runs in order of priority, then of arrival.

    A run whose flow is at its limit is parked with its flow and comes back when a run of that flow
    ends, so that thousands waiting for one flow cost nothing to the others.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, ActiveRun]] = []
        self._parked: dict[str, list[tuple[int, int, ActiveRun]]] = {}
        self._order = count()
        self._waiting: dict[str, dict[str, ActiveRun]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[ActiveRun]:
        for runs in self._waiting.values():
            yield from runs.values()

    def of_flow(self, flow: str) -> int:
        """Return how many runs of *flow* wait."""
        return len(self._waiting.get(flow, ()))

    def add(self, run: ActiveRun) -> None:
        """Let *run* wait."""
        heapq.heappush(self._heap, (-run.priority, next(self._order), run))
        self._waiting.setdefault(run.flow, {})[run.uid] = run

    def remove(self, run: ActiveRun) -> bool:
        """Take *run* out; tell whether it was waiting. Its place in the heap is dropped when it comes up."""
        runs = self._waiting.get(run.flow)
        if runs is None or runs.pop(run.uid, None) is None:
            return False
        if not runs:
            del self._waiting[run.flow]
        return True

    def take(self, may_start: Callable[[ActiveRun], bool]) -> ActiveRun | None:
        """Take the first run that *may_start* allows; park the ones it holds back."""
        while self._heap:
            entry = heapq.heappop(self._heap)
            run = entry[2]
            if not self._is_waiting(run):
                # It was let out for a slot and then cancelled: the slot goes to the next of its flow.
                self.unpark(run.flow)
                continue
            if may_start(run):
                self.remove(run)
                return run
            heapq.heappush(self._parked.setdefault(run.flow, []), entry)
        return None

    def unpark(self, flow: str) -> None:
        """Let the best parked run of *flow* compete again: one slot of its flow is free."""
        parked = self._parked.get(flow)
        while parked:
            entry = heapq.heappop(parked)
            if self._is_waiting(entry[2]):
                heapq.heappush(self._heap, entry)
                break
        if not parked:
            self._parked.pop(flow, None)

    def unpark_all(self, flow: str) -> None:
        """Let every parked run of *flow* compete again: its limit changed."""
        for entry in self._parked.pop(flow, ()):
            heapq.heappush(self._heap, entry)

    def _is_waiting(self, run: ActiveRun) -> bool:
        return run.uid in self._waiting.get(run.flow, ())
