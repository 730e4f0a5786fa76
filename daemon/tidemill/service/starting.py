"""When waiting runs are started: soon after anything that may have made room, a slice at a time."""

import asyncio

from tidemill.dispatcher.dispatcher import Dispatcher
from tidemill.service.launching import ForkserverLink

SLICE = 8
"""Orders given in one turn of the loop, so that thousands due at once do not hold up a command."""
LOOK_AGAIN = 0.1
"""Seconds between looks while runs wait for a slot that tasks or other programs hold: nobody tells of its end."""


class Starter:
    """Calls the dispatcher at most once a turn of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, dispatcher: Dispatcher, link: ForkserverLink) -> None:
        self._loop = loop
        self._dispatcher = dispatcher
        self._link = link
        self._is_asked = False
        self._is_open = False
        self._next_look: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begin to start runs: everything an earlier daemon left behind is accounted for."""
        self._is_open = True
        self.soon()

    def soon(self) -> None:
        """Start what can be started, in the next turn of the loop."""
        if self._is_open and not self._is_asked:
            self._is_asked = True
            self._loop.call_soon(self._start)

    def _start(self) -> None:
        self._is_asked = False
        if self._link.is_connected and self._dispatcher.start_due(SLICE):
            self.soon()
        elif self._dispatcher.is_held_back and self._next_look is None:
            self._next_look = self._loop.call_later(LOOK_AGAIN, self._look_again)

    def _look_again(self) -> None:
        self._next_look = None
        self.soon()
