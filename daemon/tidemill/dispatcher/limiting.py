"""Named limits as they concern whole runs: which of those that wait may start, and what is kept for whom.

The slots themselves are taken by the run processes, so the count here decides only who is let go. It is made
anew at every look, from what processes hold; nothing is counted up and down.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from tidemill.dispatcher.queue import Lane
from tidemill.dispatcher.runs import ActiveRun


class Slots(Protocol):
    """What is asked of the limits."""

    def of(self, tags: Collection[str]) -> tuple[str, ...]:
        """Return those of *tags* that are limits."""

    def free(self, name: str, number: int | None = None) -> int:
        """Return how many slots are left for whoever has ticket *number*."""

    def join(self, names: Sequence[str], occupy: int) -> int:
        """Stand in line for limits; return the ticket's number."""

    def leave(self, number: int) -> None:
        """Stand in line no more."""

    def runs_holding(self, name: str) -> Collection[str] | None:
        """Return the ids of the runs that hold a slot as a whole; None for a rate, which nobody holds."""

    def draw(self, names: Sequence[str]) -> bool:
        """Take from the rates among *names*, for a run that starts now; tell whether they gave."""

    def reason(self, names: Sequence[str], coming: Mapping[str, Collection[str]]) -> str | None:
        """Say why somebody who needs *names* waits, while runs are *coming* that were let go before."""


class Limiter:
    """Judges the runs that wait, look by look; a look begins with ``begin`` and ends with ``end``."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._left: dict[str, int] = {}
        self._held_back: set[Lane] = set()
        self._starting: list[tuple[Lane, ActiveRun]] = []
        """Runs that were let go, and whose processes do not hold their slots yet."""
        self._tickets: dict[Lane, int] = {}

    def lane_of(self, run: ActiveRun) -> Lane:
        """Return the limits of which *run* needs a slot."""
        return self._slots.of(run.tags) if run.tags else ()

    @property
    def is_waiting(self) -> bool:
        """Tell whether to look again in a moment: slots that tasks or other programs free tell nobody."""
        return bool(self._held_back or self._tickets)

    def begin(self) -> None:
        """Begin a look."""
        self._left.clear()
        self._held_back.clear()
        with suppress(OSError):
            arrived = [entry for entry in self._starting if self._has_arrived(*entry)]
            for entry in arrived:
                self._starting.remove(entry)
                self._leave(entry[0])  # its turn is over; who waits behind it draws a new ticket

    def fits(self, run: ActiveRun) -> bool:
        """Tell whether there is a slot of everything *run* needs; if not, what there is is kept for it."""
        lane = self.lane_of(run)
        if not lane:
            return True
        with suppress(OSError):  # what cannot be looked up now holds up those who need it, and nobody else
            has = [name for name in lane if self._left_of(name) > 0]
            for name in has:
                self._left[name] -= 1
            if len(has) == len(lane) and self._slots.draw(lane):
                self._starting.append((lane, run))
                return True
        self._held_back.add(lane)
        return False

    def reason(self, run: ActiveRun) -> str | None:
        """Say what *run* waits for."""
        names = self.lane_of(run)
        coming = {name: [other.uid for lane, other in self._starting if name in lane] for name in names}
        try:
            return self._slots.reason(names, coming)
        except OSError as error:
            return f"waiting for limits that cannot be looked up: {error}"

    def end(self) -> None:
        """End a look: stand in line, among tasks and other programs, for those who were held back."""
        wanted = self._held_back | {lane for lane, _ in self._starting}
        for lane in self._tickets.keys() - wanted:
            self._leave(lane)
        with suppress(OSError):
            for lane in self._held_back - self._tickets.keys():
                self._tickets[lane] = self._slots.join(lane, 1)

    def _left_of(self, name: str) -> int:
        if name not in self._left:
            own = [number for lane, number in self._tickets.items() if name in lane]
            coming = sum(name in lane for lane, _ in self._starting)
            self._left[name] = self._slots.free(name, min(own, default=None)) - coming
        return self._left[name]

    def _has_arrived(self, lane: Lane, run: ActiveRun) -> bool:
        """Tell whether a run that was let go holds its slots, or never will."""
        holding = [self._slots.runs_holding(name) for name in lane]
        return run.gone or not run.launched or all(held is None or run.uid in held for held in holding)

    def _leave(self, lane: Lane) -> None:
        number = self._tickets.pop(lane, None)
        if number is not None:
            self._slots.leave(number)
