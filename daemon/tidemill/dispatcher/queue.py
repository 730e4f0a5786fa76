"""The runs that wait for a slot, best first."""

import heapq
from collections.abc import Callable, Iterator
from itertools import count

from tidemill.dispatcher.runs import ActiveRun

_Entry = tuple[int, bool, int, ActiveRun]
Lane = tuple[str, ...]


class PendingQueue:
    """Runs in order of priority, then of arrival, in lanes: one for each set of named limits that runs need.

    Among equals those of a backfill come last.

    A run whose flow is at its limit is parked with its flow and comes back when a run of that flow
    ends, so that thousands waiting for one flow cost nothing to the others. A run that lacks a slot of
    a named limit closes its lane for this look, for whoever is behind it needs the same.
    """

    def __init__(self, lane_of: Callable[[ActiveRun], Lane] = lambda run: ()) -> None:
        self._lane_of = lane_of
        self._lanes: dict[Lane, list[_Entry]] = {}
        self._closed: set[Lane] = set()
        self._parked: dict[str, list[_Entry]] = {}
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
        self._push((-run.priority, run.gives_way, next(self._order), run))
        self._waiting.setdefault(run.flow, {})[run.uid] = run

    def remove(self, run: ActiveRun) -> bool:
        """Take *run* out; tell whether it was waiting. Its place in the heap is dropped when it comes up."""
        runs = self._waiting.get(run.flow)
        if runs is None or runs.pop(run.uid, None) is None:
            return False
        if not runs:
            del self._waiting[run.flow]
        return True

    def take(
        self, may_start: Callable[[ActiveRun], bool], fits: Callable[[ActiveRun], bool] = lambda run: True
    ) -> ActiveRun | None:
        """Take the first run that *may_start* allows and that *fits* the named limits.

        What *may_start* holds back is parked; what does not fit closes its lane until ``open_lanes``.
        """
        while (lane := self._best_lane()) is not None:
            run = self._lanes[lane][0][-1]
            if not self._is_waiting(run):
                # It was let out for a slot and then cancelled: the slot goes to the next of its flow.
                self._pop(lane)
                self.unpark(run.flow)
            elif not may_start(run):
                heapq.heappush(self._parked.setdefault(run.flow, []), self._pop(lane))
            elif not fits(run):
                self._closed.add(lane)
            else:
                self._pop(lane)
                self.remove(run)
                return run
        return None

    def open_lanes(self) -> None:
        """Begin a new look at all lanes."""
        self._closed.clear()

    def sort_anew(self) -> None:
        """Put every run into its lane again: what runs need has changed."""
        entries = [entry for lane in self._lanes.values() for entry in lane]
        self._lanes.clear()
        for entry in entries:
            self._push(entry)

    def unpark(self, flow: str) -> None:
        """Let the best parked run of *flow* compete again: one slot of its flow is free."""
        parked = self._parked.get(flow)
        while parked:
            entry = heapq.heappop(parked)
            if self._is_waiting(entry[-1]):
                self._push(entry)
                break
        if not parked:
            self._parked.pop(flow, None)

    def unpark_all(self, flow: str) -> None:
        """Let every parked run of *flow* compete again: its limit changed."""
        for entry in self._parked.pop(flow, ()):
            self._push(entry)

    def _best_lane(self) -> Lane | None:
        """Return the lane whose first run comes before those of all others that are open."""
        open_lanes = [(entries[0], lane) for lane, entries in self._lanes.items() if lane not in self._closed]
        return min(open_lanes)[1] if open_lanes else None

    def _push(self, entry: _Entry) -> None:
        heapq.heappush(self._lanes.setdefault(self._lane_of(entry[-1]), []), entry)

    def _pop(self, lane: Lane) -> _Entry:
        entries = self._lanes[lane]
        entry = heapq.heappop(entries)
        if not entries:
            del self._lanes[lane]
        return entry

    def _is_waiting(self, run: ActiveRun) -> bool:
        return run.uid in self._waiting.get(run.flow, ())
