"""Slots of named limits: what a task's attempt and a whole flow wait for before they begin."""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from tidemill.domain.errors import TidemillError
from tidemill.limits.here import HELD, HERE
from tidemill.limits.lanes import Waiter
from tidemill.limits.leases import Grip, Lease
from tidemill.limits.telling import reason
from tidemill.limits.turns import Turn

if TYPE_CHECKING:
    from tidemill.engine.run import Run


class Claim:
    """Something of a run needs a slot of each limit among its tags, once or again and again."""

    __slots__ = ("_is_expected", "_lease", "_part", "_run", "_tags", "_under", "_waiter")

    def __init__(self, run: "Run", tags: Collection[str], part: str = "", *, is_expected: bool = False) -> None:
        self._run = run
        self._tags = tags
        self._part = part
        self._is_expected = is_expected
        # Now, and not when it begins: then it may be in a thread that knows nothing of who called.
        self._under: Sequence[Grip] = (*HELD.get(), *run.grips)
        self._waiter: Waiter | None = None
        self._lease: Lease | None = None

    @property
    def is_waiting(self) -> bool:
        """Tell whether it stands in line just now."""
        return self._waiter is not None

    @property
    def is_met(self) -> bool:
        """Tell whether it has what it asked for."""
        return self._lease is not None

    @property
    def grips(self) -> tuple[Grip, ...]:
        """What code that runs under it may borrow from."""
        return (*(self._lease.grips if self._lease is not None else ()), *self._under)

    @property
    def held(self) -> tuple[tuple[str, int], ...]:
        """The limits it holds itself, and how many slots of each."""
        return tuple((grip.name, grip.count) for grip in (self._lease.grips if self._lease is not None else ()))

    def wait(self) -> Iterator[Turn]:
        """Yield the waits until the slots are had; the first wait of its kind is told."""
        slots = HERE.slots
        if slots is None:
            return
        waiter = self._waiter = Waiter(
            slots, self._tags, part=self._part, under=self._under, is_expected=self._is_expected
        )
        while (lease := _taken(waiter)) is None:
            if waiter.names not in slots.told:
                slots.told.add(waiter.names)
                why = reason(slots, waiter.names)
                if why is not None:
                    self._run.note(f"{self._part or 'the flow'} is {why}")
            yield waiter.turn
            if self._waiter is not waiter:
                return  # released meanwhile: the run is coming to its end
        self._waiter, self._lease = None, lease

    def release(self) -> None:
        """Give the slots back, or leave the line."""
        waiter, lease = self._waiter, self._lease
        self._waiter = self._lease = None
        # What was kept for it is taken; another time it stands in line like everybody.
        self._is_expected = False
        if waiter is not None:
            waiter.leave()
        if lease is not None:
            lease.release()


def _taken(waiter: Waiter) -> Lease | None:
    try:
        return waiter.take()
    except OSError as error:
        waiter.leave()
        raise TidemillError(f"no slot of {', '.join(waiter.names)} can be taken: {error}") from error
