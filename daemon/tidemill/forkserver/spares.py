"""Processes kept ready for the next runs: each forked in a quiet moment, it has paid for its start already.

The moment after a run's end is one, when nothing else asks for attention: a spare that was made while the
run worked would take the processor from it. It waits for its order on a channel to the server, and ends
when the channel does. Under load there is no quiet moment; then every run is forked on demand.

Before it waits it copies the memory that every run writes to.
"""

import os
import socket
import time
from contextlib import suppress
from functools import partial
from typing import Final, NoReturn

from tidemill.forkserver import forking, kinship, protocol
from tidemill.forkserver.clients import Client
from tidemill.forkserver.protocol import MESSAGE_LIMIT, LiveRun, Start
from tidemill.forkserver.run_child import OOM_SCORE, RunEntry, be_run
from tidemill.forkserver.warming import Ranges, warm_up
from tidemill.journal.processes import birth

SPARES: Final = 2
"""One for the next run, and while runs come one for the run after it, asked for before the first has ended."""
BUSY: Final = 1.0
"""Seconds after a run was asked for in which another is likely; after them one spare is enough to keep."""
QUIET: Final = 0.02
"""Seconds without a message after which a spare is made, where no run has just ended."""
_READY: Final = b"!"
_PAUSE: Final = 5.0
"""Seconds until the next try when a spare could not be made or died unasked."""


class Spare:
    """The server's end of a process that waits."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.start_time = birth(pid) or 0
        channel.setblocking(False)
        self._channel = channel
        self._is_ready = False

    @property
    def is_ready(self) -> bool:
        """Tell whether it has prepared itself, and waits."""
        # Taken out, not peeked at: a channel closed with something unread in it takes back what was sent.
        with suppress(OSError):
            self._is_ready = self._is_ready or self._channel.recv(1) == _READY
        return self._is_ready

    def take(self, start: Start, client: Client) -> LiveRun | None:
        """Make it the run of *start*; None when it cannot be, for it has died or the order is too long."""
        data = protocol.encode(start)
        with self._channel:
            if len(data) > MESSAGE_LIMIT:
                return None
            try:
                protocol.send(self._channel, data, client.connection.fileno())
            except OSError:
                return None
        return LiveRun(start.order.process, self.pid, self.start_time)

    def dismiss(self) -> None:
        """Let it go."""
        self._channel.close()


class Spares:
    """One spare, up to *count* of them while runs come, and when to make the next."""

    def __init__(self, entry: RunEntry, hint_fd: int, *, count: int) -> None:
        self._entry = entry
        self.hot: Ranges = ()
        """The memory that every run writes to, as far as it is known."""
        self._hint_fd = hint_fd
        self._count = count
        self._not_before = 0.0
        self._asked_at = float("-inf")
        self._spares: dict[int, Spare] = {}
        self.is_time = True
        """Whether the next quiet moment will do, however short."""

    @property
    def wait(self) -> float | None:
        """Return the seconds of quiet after which to make one, or to let one go; None when all is as it should be."""
        if len(self._spares) > 1:
            return max(0.0, self._asked_at + BUSY - time.monotonic())
        if len(self._spares) >= self._target:
            return None
        return max(0.0 if self.is_time else QUIET, self._not_before - time.monotonic())

    def make(self) -> Spare | None:
        """Make one if it is time to; let one go that is too many."""
        if len(self._spares) > self._target:
            self._spares.popitem()[1].dismiss()
        if len(self._spares) >= self._target or time.monotonic() < self._not_before:
            return None
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            self._not_before = time.monotonic() + _PAUSE
            return None
        with theirs:
            try:
                pid = forking.fork(partial(_be_spare, theirs, self._entry, self._hint_fd, self.hot))
            except OSError:
                ours.close()
                self._not_before = time.monotonic() + _PAUSE
                return None
        spare = self._spares[pid] = Spare(pid, ours)
        self.is_time = False
        return spare

    def pop(self) -> Spare | None:
        """Hand out a spare that is ready."""
        self._asked_at = time.monotonic()
        for pid, spare in self._spares.items():
            if spare.is_ready:
                return self._spares.pop(pid)
        return None

    @property
    def _target(self) -> int:
        return self._count if time.monotonic() - self._asked_at < BUSY else min(self._count, 1)

    def mourn(self, pid: int) -> None:
        """Notice that a spare has died; it may have been one at hand."""
        spare = self._spares.pop(pid, None)
        if spare is not None:
            spare.dismiss()
            self._not_before = time.monotonic() + _PAUSE

    def end(self) -> None:
        """Keep none any more."""
        self._count = 0
        while self._spares:
            self._spares.popitem()[1].dismiss()


def _be_spare(channel: socket.socket, entry: RunEntry, hint_fd: int, hot: Ranges) -> None:
    """Prepare as far as is possible without an order, wait for one, and carry it out."""
    kinship.become_subreaper()
    forking.be_killed_first(OOM_SCORE)
    forking.close_others({channel.fileno(), hint_fd})
    warm_up(hot)
    try:
        channel.send(_READY)
        received = protocol.receive(channel)
    except OSError:
        received = None
    if received is None:  # dismissed, or the server is no more
        _end()
    data, (client_fd,) = received
    request = protocol.decode_request(data)
    if not isinstance(request, Start):
        _end()
    be_run(request.order, entry, socket.socket(fileno=client_fd), hint_fd)


def _end() -> NoReturn:
    os._exit(0)
