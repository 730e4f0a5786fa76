"""What other threads tell the loop: in order, and never so much at once that a command has to wait."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

BUDGET: Final = 0.002
"""Seconds of one turn of the loop that facts may take; then sockets have their turn."""

log = logging.getLogger(__name__)


class Inbox:
    """Takes facts from any thread and hands them to their listeners on the loop, a few milliseconds at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._is_called = False

    def put(self, listener: Callable[[T], None], fact: T) -> None:
        """Have *listener* called with *fact* on the loop; a loop that has closed hears no more."""
        self._waiting.append((listener, fact))
        if not self._is_called:
            self._call()

    def _call(self) -> None:
        self._is_called = True
        try:
            self._loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            log.debug("the loop has closed")

    def _deliver(self) -> None:
        until = self._loop.time() + BUDGET
        while self._waiting:
            listener, fact = self._waiting.popleft()
            try:
                listener(fact)
            except Exception:
                log.exception("a fact was not taken: %r", fact)
            if self._waiting and self._loop.time() > until:
                self._call()  # and nobody else does meanwhile: two deliveries in one turn would take twice the budget
                return
        self._is_called = False
        if self._waiting:  # put between the last look and the line above, by someone who relied on this call
            self._call()
