"""A limit whose slots are held and released: byte *n* of its file is slot *n*."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tidemill.domain.limits import MOST_SLOTS, Limit
from tidemill.limits.line import Line

_CARD: Final = 512
"""Bytes in which a holder leaves its name, for people; the lock alone is what counts."""


class Holder(NamedTuple):
    """Who holds a slot."""

    pid: int
    run: str = ""
    flow: str = ""
    part: str = ""
    """Which part of the run, in words; empty where the whole run holds it, and where nobody knows."""


class SlotFile(Line):
    """The slots of one limit."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._own: dict[int, Holder] = {}
        """This process's own, which the kernel does not tell it of."""

    def free(self, limit: Limit, number: int | None = None) -> int:
        """Return how many slots are left for whoever has ticket *number*, or none yet."""
        left = limit.slots - len(self._own)
        if left > 0:
            left -= sum(held.end - held.start for held in self.locks.others(0, MOST_SLOTS))
        return left - self.wanted_before(number) if left > 0 else left

    def take(self, limit: Limit, wanted: int, number: int | None, holder: Holder) -> Sequence[int] | None:
        """Take *wanted* slots at once, or none; each bears its *holder*."""
        if self.free(limit, number) < wanted:
            return None
        taken: list[int] = []
        for slot in self._candidates(limit):
            if self.locks.lock(slot):
                taken.append(slot)
                if len(taken) == wanted:
                    break
        self._own.update(dict.fromkeys(taken, holder))
        if len(taken) < wanted or self._exceeds(limit):
            self.give_back(taken)
            return None
        card = _write_card(holder)
        for slot in taken:
            self.locks.note(slot * _CARD, card)
        return taken

    def give_back(self, slots: Iterable[int]) -> None:
        """Release slots."""
        for slot in slots:
            if self._own.pop(slot, None) is not None:
                self.locks.unlock(slot)

    def holders(self) -> list[Holder]:
        """Return who holds the slots, in their order."""
        found = dict(self._own)
        for held in self.locks.others(0, MOST_SLOTS):
            for slot in range(held.start, held.end):
                found[slot] = _read_card(self.locks.read(slot * _CARD, _CARD), held.pid)
        return [found[slot] for slot in sorted(found)]

    def _candidates(self, limit: Limit) -> list[int]:
        taken = set(self._own).union(*(range(held.start, held.end) for held in self.locks.others(0, limit.slots)))
        return [slot for slot in range(limit.slots) if slot not in taken]

    def _exceeds(self, limit: Limit) -> bool:
        """Tell whether there are too many: beside slots of a limit that was higher, two may have come at once."""
        beyond = self.locks.others(limit.slots, MOST_SLOTS)
        if not beyond and max(self._own) < limit.slots:
            return False
        held = sum(held.end - held.start for held in (*self.locks.others(0, limit.slots), *beyond))
        return held + len(self._own) > limit.slots

    def _begin_anew(self) -> None:
        super()._begin_anew()
        self._own.clear()


def _write_card(holder: Holder) -> bytes:
    card = "\t".join((str(holder.pid), *(part[:120] for part in holder[1:]))).encode()
    return card[: _CARD - 1].ljust(_CARD, b"\n")


def _read_card(card: bytes, pid: int) -> Holder:
    """Return who left the card; one that was left by another process than *pid* tells nothing."""
    parts = card.rstrip(b"\n\0").decode(errors="ignore").split("\t")
    if len(parts) == len(Holder._fields) and parts[0] == str(pid):
        return Holder(pid, *parts[1:])
    return Holder(pid)
