"""The threads that wait for inspections: a file that never finishes loading holds one of them, not the catalog."""

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tidemill.domain.manifests import FileManifest

_log = logging.getLogger(__name__)
LANES: Final = 4
_PER_PATH: Final = 2
"""An endless text must not keep its corrected one waiting, nor take every lane when it is edited often."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A text of a file is to be inspected."""

    path: str
    hash: str
    data: bytes | None
    """The text; None: it is kept under its hash."""
    number: int
    root: str
    is_urgent: bool = True
    """Not urgent: the file did not change, it might only do better now."""


Answer = FileManifest | Exception
"""The manifest, or what kept the inspection from happening."""


class Lanes:
    """Carries out tickets on a few threads, the urgent ones first and never all lanes for the others."""

    def __init__(self, inspect: Callable[[Ticket], FileManifest], done: Callable[[Ticket, Answer], None]) -> None:
        self._inspect = inspect
        self._done = done
        self._changed = threading.Condition()
        self._queue: deque[Ticket] = deque()
        self._patient: deque[Ticket] = deque()
        self._under_way: Counter[str] = Counter()
        self._patient_under_way = 0
        self._idle = 0
        self._threads = 0
        self._stopping = False

    def submit(self, ticket: Ticket) -> None:
        """Inspect as soon as a lane is free; an older ticket of the same file that has not begun is dropped."""
        with self._changed:
            for queue in (self._queue, self._patient):
                for older in [other for other in queue if other.path == ticket.path]:
                    queue.remove(older)
            (self._queue if ticket.is_urgent else self._patient).append(ticket)
            if not self._idle and self._threads < LANES:
                self._threads += 1
                # A daemon thread: an inspection that hangs must not keep the process from ending.
                threading.Thread(target=self._serve, name=f"inspect-{self._threads}", daemon=True).start()
            self._changed.notify()

    def stop(self) -> None:
        """Begin nothing more."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _serve(self) -> None:
        while (ticket := self._take()) is not None:
            answer: Answer
            try:
                answer = self._inspect(ticket)
            except Exception as error:  # the catalog decides what it means
                answer = error
            with self._changed:
                self._under_way -= Counter((ticket.path,))
                self._patient_under_way -= not ticket.is_urgent
                self._changed.notify_all()
            self._done(ticket, answer)

    def _take(self) -> Ticket | None:
        with self._changed:
            self._idle += 1
            try:
                while not self._stopping:
                    ticket = self._next()
                    if ticket is not None:
                        self._under_way[ticket.path] += 1
                        self._patient_under_way += not ticket.is_urgent
                        return ticket
                    self._changed.wait()
            finally:
                self._idle -= 1
        return None

    def _next(self) -> Ticket | None:
        queues = (self._queue,) if self._patient_under_way else (self._queue, self._patient)
        for queue in queues:
            for ticket in queue:
                if self._under_way[ticket.path] < _PER_PATH:
                    queue.remove(ticket)
                    return ticket
        return None
