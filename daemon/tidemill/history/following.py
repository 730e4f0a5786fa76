"""The journals that are followed, each with how far the history has it."""

import logging
from collections.abc import Iterator
from typing import Final

from tidemill.domain.events import Event, RunEnded
from tidemill.history.ingest import Piece
from tidemill.journal.reader import PASSING, JournalReader

_LOG: Final = logging.getLogger(__name__)
PIECE: Final = 64 * 1024
"""Bytes taken from one journal at once, so that a busy run does not keep the others waiting."""
BUDGET: Final = 4 * PIECE
"""Bytes taken from all journals in one transaction."""
FAR: Final = 4 * BUDGET
"""Bytes that are still unread of a journal which is not read to its end in one transaction: others wait for that."""
_LINE: Final = 4096
"""No line is longer; a piece that is shorter by more than this was the last there is."""


class Followed:
    """One run's journal."""

    def __init__(self, run_id: int, uid: str, path: str, offset: int) -> None:
        self.run_id = run_id
        self.uid = uid
        self.offset = offset
        """How far the history has it."""
        self.has_ended = False
        self.refusal: OSError | None = None
        """Why it could not be read just now, where that says nothing of the file."""
        self._is_unreadable = False
        self._reader = JournalReader(path, offset)

    def read(self) -> tuple[Piece | None, bool]:
        """Return what comes next, and whether there is more behind it."""
        before = self._reader.offset
        try:
            events, behind = self._reader.read(PIECE)
        except OSError as error:
            if not self._is_unreadable:
                _LOG.error("the journal of run %s cannot be read, it is tried again: %s", self.uid, error)
            self._is_unreadable = True
            self.refusal = error if error.errno in PASSING else None
            return None, False
        self._is_unreadable, self.refusal = False, None
        if behind == before:
            return None, False
        self.has_ended |= any(type(event) is RunEnded for event in events)
        has_more = self._reader.is_cut or behind - before > PIECE - _LINE
        return (self.run_id, before, behind, events), has_more

    def is_far_behind(self) -> bool:
        """Tell whether more of the journal is unread than may be read at once."""
        return not self._is_unreadable and self._reader.unread() > FAR

    def keep(self) -> None:
        """Take what was read for recorded."""
        self.offset = self._reader.offset

    def rewind(self, offset: int) -> None:
        """Take what lies behind *offset* for not recorded."""
        self.offset = self._reader.offset = offset
        self.has_ended = False

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


class Journals:
    """All of them. Only the recorder's thread uses it."""

    def __init__(self) -> None:
        self._followed: dict[int, Followed] = {}
        self._touched: list[Followed] = []
        self.has_more = False
        """The last look left something unread."""

    def __len__(self) -> int:
        return len(self._followed)

    def follow(self, run_id: int, uid: str, path: str, offset: int) -> None:
        """Read this run's journal from now on."""
        if run_id not in self._followed:
            self._followed[run_id] = Followed(run_id, uid, path, offset)

    def unfollow(self, run_id: int) -> None:
        """Read it no more."""
        followed = self._followed.pop(run_id, None)
        if followed is not None:
            followed.close()

    def gather(self) -> list[Piece]:
        """Read on in every journal, within the budget."""
        pieces: list[Piece] = []
        room = BUDGET
        self.has_more = False
        for followed in list(self._followed.values()):
            if room <= 0:
                self.has_more = True
                break
            piece, has_more = followed.read()
            if piece is not None:
                pieces.append(piece)
                self._touched.append(followed)
                room -= piece[2] - piece[1]
            self.has_more |= has_more
        # Whoever was read last comes first next time, so that the budget is everybody's.
        if self.has_more and self._followed:
            first = next(iter(self._followed))
            self._followed[first] = self._followed.pop(first)
        return pieces

    def is_far_behind(self, run_id: int) -> bool:
        """Tell whether reading one journal to its end would take long."""
        followed = self._followed.get(run_id)
        return followed is not None and followed.is_far_behind()

    def read_all(self, run_id: int) -> Iterator[Piece]:
        """Read one journal to its end. Raises OSError where that has to wait: a verdict without it would be wrong."""
        followed = self._followed.get(run_id)
        if followed is None:
            return
        self._touched.append(followed)
        has_more = True
        while has_more:
            piece, has_more = followed.read()
            if followed.refusal is not None:
                raise followed.refusal
            if piece is not None:
                yield piece

    def keep(self) -> None:
        """Everything that was read is recorded; a run that told its end tells nothing more."""
        for followed in self._touched:
            followed.keep()
            if followed.has_ended:
                self.unfollow(followed.run_id)
        self._touched.clear()

    def rewind(self) -> None:
        """Nothing of what was read is recorded."""
        for followed in self._touched:
            followed.rewind(followed.offset)
        self._touched.clear()

    def stand_at(self, run_id: int, offset: int) -> None:
        """The history has one journal up to *offset*."""
        self._followed[run_id].rewind(offset)

    def run_ids(self) -> list[int]:
        """Return the keys of the runs that are followed."""
        return list(self._followed)

    def close(self) -> None:
        """Close all files."""
        for run_id in self.run_ids():
            self.unfollow(run_id)


def told(pieces: list[Piece]) -> list[tuple[int, Event]]:
    """Return the events of *pieces*, each with its run's key."""
    return [(run_id, event) for run_id, _, _, events in pieces for event in events]
