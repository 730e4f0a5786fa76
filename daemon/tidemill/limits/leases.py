"""What somebody holds, and lends to the code it calls.

Code that runs under a slot may ask for one of the same limit again: a task whose flow holds one, a task called by
a task. It is lent the slot it is under, to one borrower at a time, else it would wait for itself.
"""

from collections.abc import Callable, Sequence


class Grip:
    """Slots of one limit are held: taken from its file, or borrowed from a grip of the code around."""

    __slots__ = ("_free", "_is_open", "_lender", "_lent", "count", "name", "pid")

    def __init__(self, name: str, count: int, pid: int, lender: "Grip | None", free: Callable[[], None] | None) -> None:
        self.name = name
        self.pid = pid
        self.count = count
        self._lender = lender
        self._free = free
        self._lent = 0
        self._is_open = True

    def lends(self, name: str, count: int) -> bool:
        """Tell whether *count* slots of the limit can be borrowed here."""
        return name == self.name and self._is_open and self.count - self._lent >= count

    def borrow(self, count: int) -> "Grip":
        """Lend *count* slots."""
        self._lent += count
        return Grip(self.name, count, self.pid, self, None)

    def let_go(self) -> None:
        """Give the slots back, as soon as nobody has borrowed of them any more."""
        if self._is_open:
            self._is_open = False
            self._finish()

    def _finish(self) -> None:
        if self._is_open or self._lent:
            return
        if self._free is not None:
            self._free()
        if self._lender is not None:
            self._lender._lent -= self.count
            self._lender._finish()


class Lease:
    """Slots of one or several limits are held, all of them or none."""

    __slots__ = ("_release", "grips")

    def __init__(self, grips: Sequence[Grip], release: Callable[["Lease"], None]) -> None:
        self.grips = tuple(grips)
        self._release = release

    def release(self) -> None:
        """Give everything back; a second time does nothing."""
        self._release(self)
