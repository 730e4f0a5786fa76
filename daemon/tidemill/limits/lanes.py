"""Who waits in this process: in lanes, one for each set of limits, of which only the first asks.

So ten thousand tasks that wait for one limit cost one look at its file now and then, and bear one ticket. Between
lanes, and between processes, tickets decide; after each turn a lane draws a new one, so that all come to their turn.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence, Set
from typing import TYPE_CHECKING, Final

from tidemill.limits.leases import Grip, Lease
from tidemill.limits.line import AHEAD, ATTENTION
from tidemill.limits.turns import Turn

if TYPE_CHECKING:
    from tidemill.limits.slots import Slots

SHORTEST: Final = 0.02
LONGEST: Final = 0.1
"""Seconds between two looks of who is first in a lane: a slot freed by another process tells nobody."""
UNCALLED: Final = 5.0
"""Seconds after which who is not first looks whether it is; it is called when it is."""
_LONGEST_RATE: Final = 0.5

_Key = tuple[tuple[str, ...], int, tuple[Grip, ...]]


class _Lane:
    """Waiters for the same limits, under the same grips."""

    __slots__ = ("number", "waiters")

    def __init__(self, number: int) -> None:
        self.number = number
        self.waiters: OrderedDict[Waiter, None] = OrderedDict()

    @property
    def first(self) -> "Waiter":
        return next(iter(self.waiters))

    def pass_by(self, waiter: "Waiter", now: float) -> None:
        """Let *waiter* go before those that are first and do not look: their threads are busy, or they are gone."""
        while (first := self.first) is not waiter and now - first.asked_at > ATTENTION:
            self.waiters.move_to_end(first)


class Lanes:
    """The lanes of one process."""

    def __init__(self, slots: "Slots") -> None:
        self._slots = slots
        self._lanes: dict[_Key, _Lane] = {}

    def find(self, key: _Key) -> _Lane | None:
        """Return the lane for *key*, if somebody waits there."""
        return self._lanes.get(key)

    def enter(self, key: _Key, waiter: "Waiter") -> None:
        """Let *waiter* be the last of its lane."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(self._slots.join(key[0], key[1]))
        lane.waiters[waiter] = None

    def quit(self, key: _Key, waiter: "Waiter") -> "Waiter | None":
        """Take *waiter* out of its lane; return who has become the first by that."""
        lane = self._lanes.get(key)
        if lane is None or waiter not in lane.waiters:
            return None
        was_first = lane.first is waiter
        del lane.waiters[waiter]
        if not was_first:
            return None
        self._slots.leave(lane.number)
        if not lane.waiters:
            del self._lanes[key]
            return None
        lane.number = self._slots.join(key[0], key[1])
        return lane.first

    def call_heads(self, names: Set[str]) -> None:
        """Call the first of every lane that may have become free: something of *names* was given back here."""
        with self._slots.lock:
            firsts = [lane.first for key, lane in self._lanes.items() if not names.isdisjoint(key[0])]
        for first in firsts:
            first.call()


class Waiter:
    """Somebody wants *occupy* slots of each limit among *tags*, and asks until it has them.

    *part* is what of the run that is, in words, for people; *under* are grips it may borrow from. Of one that
    *is_expected* the place was kept: it goes before those who wait, and the rates have been taken from already.
    """

    def __init__(
        self,
        slots: "Slots",
        tags: Collection[str],
        occupy: int = 1,
        *,
        part: str = "",
        under: Sequence[Grip] = (),
        is_expected: bool = False,
    ) -> None:
        self._slots = slots
        self._tags = tags
        self._occupy = occupy
        self._part = part
        self._is_expected = is_expected
        self._under = tuple(under)
        self._key: _Key | None = None
        """Of the lane it stands in."""
        self._asked = 0
        self.asked_at = 0.0
        self._was_called = False
        self._on_call: Callable[[], None] | None = None
        self.names: tuple[str, ...] = ()
        """The limits it waits for, as they were when it asked last."""

    def take(self) -> Lease | None:
        """Take the slots, or stand in line for them and return None."""
        slots = self._slots
        with slots.lock:
            self._was_called, self._on_call = False, None
            self.names = names = self._wanted()
            key = (names, self._occupy, tuple(grip for grip in self._under if grip.name in names))
            following = self._leave() if self._key not in (None, key) else None
            lane = slots.lanes.find(key)
            lease = None
            self.asked_at = time.monotonic()
            if lane is not None and self._key is not None:
                lane.pass_by(self, self.asked_at)
            if lane is None or lane.first is self:
                number = AHEAD if self._is_expected else None if lane is None else lane.number
                lease = slots.take(names, self._occupy, number=number, part=self._part, under=self._under)
            if lease is not None:
                following = self._leave() or following
            elif self._key is None:
                self._key = key
                slots.lanes.enter(key, self)
            self._asked += 1
        if following is not None:
            following.call()
        return lease

    @property
    def pause(self) -> float:
        """Seconds after which to ask again, unless it is called before."""
        slots, key = self._slots, self._key
        with slots.lock:
            lane = None if key is None else slots.lanes.find(key)
            if lane is None or lane.first is not self:
                return UNCALLED
            rate = slots.seconds_until(self.names, self._occupy, lane.number)
        if rate > 0:
            return min(rate, _LONGEST_RATE)
        return min(SHORTEST * 1.5 ** min(self._asked - 1, 10), LONGEST)

    @property
    def turn(self) -> Turn:
        """The wait until asking again is worth it."""
        pause = self.pause
        return Turn(min(pause, LONGEST), pause, self.when_called)

    def when_called(self, callback: Callable[[], None]) -> None:
        """Call *callback*, from any thread, as soon as asking again is worth it; at once, if it is already."""
        with self._slots.lock:
            self._on_call = callback
            if not self._was_called:
                return
        callback()

    def call(self) -> None:
        """Say that asking again is worth it."""
        with self._slots.lock:
            self._was_called = True
            callback = self._on_call
        if callback is not None:
            callback()

    def leave(self) -> None:
        """Wait no more."""
        with self._slots.lock:
            following = self._leave()
        if following is not None:
            following.call()

    def _wanted(self) -> tuple[str, ...]:
        names = self._slots.of(self._tags)
        if self._is_expected:
            limits = self._slots.limits
            return tuple(name for name in names if name in limits and limits[name].per_second is None)
        return names

    def _leave(self) -> "Waiter | None":
        key, self._key = self._key, None
        return None if key is None else self._slots.lanes.quit(key, self)
