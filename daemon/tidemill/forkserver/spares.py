"""A process kept ready for the next run: forked in a quiet moment, it has paid for its start already.

The moment after a run's end is one, when nothing else asks for attention: a spare that was made while the
run worked would take the processor from it. It waits for its order on a channel to the server, and ends
when the channel does. Under load there is no quiet moment; then every run is forked on demand.

Before it waits it touches what every run touches; the module of the entry may go further and offer a
function ``warm_up``, which must leave nothing behind.
"""

import os
import socket
import sys
import time
from contextlib import suppress
from functools import partial
from typing import Final, NoReturn

from tidemill.domain.events import RunNoted
from tidemill.forkserver import forking, kinship, protocol
from tidemill.forkserver.clients import Client
from tidemill.forkserver.protocol import MESSAGE_LIMIT, LiveRun, Start
from tidemill.forkserver.run_child import OOM_SCORE, RunEntry, be_run
from tidemill.journal.format import encode
from tidemill.journal.processes import birth

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
        return LiveRun(start.order.run, self.pid, self.start_time)

    def dismiss(self) -> None:
        """Let it go."""
        self._channel.close()


class Spares:
    """The spare, when there is one, and when to make the next."""

    def __init__(self, entry: RunEntry, hint_fd: int, *, wanted: bool) -> None:
        self._entry = entry
        self._hint_fd = hint_fd
        self._wanted = wanted
        self._not_before = 0.0
        self._spare: Spare | None = None
        self.is_time = True
        """Whether the next quiet moment will do, however short."""

    @property
    def wait(self) -> float | None:
        """Return the seconds of quiet after which to make one; None when none is missing."""
        if not self._wanted or self._spare is not None:
            return None
        return max(0.0 if self.is_time else QUIET, self._not_before - time.monotonic())

    def make(self) -> Spare | None:
        """Make one if it is time to."""
        if not self._wanted or self._spare is not None or time.monotonic() < self._not_before:
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                pid = forking.fork(partial(_be_spare, theirs, self._entry, self._hint_fd))
            except OSError:
                ours.close()
                self._not_before = time.monotonic() + _PAUSE
                return None
        self._spare = Spare(pid, ours)
        self.is_time = False
        return self._spare

    def pop(self) -> Spare | None:
        """Hand out the spare if it is ready."""
        if self._spare is None or not self._spare.is_ready:
            return None
        spare, self._spare = self._spare, None
        return spare

    def mourn(self, pid: int) -> None:
        """Notice that a spare has died; it may have been the one at hand."""
        if self._spare is not None and self._spare.pid == pid:
            self._spare.dismiss()
            self._spare = None
            self._not_before = time.monotonic() + _PAUSE

    def end(self) -> None:
        """Keep none any more."""
        self._wanted = False
        if self._spare is not None:
            self._spare.dismiss()
            self._spare = None


def _be_spare(channel: socket.socket, entry: RunEntry, hint_fd: int) -> None:
    """Prepare as far as is possible without an order, wait for one, and carry it out."""
    kinship.become_subreaper()
    forking.be_killed_first(OOM_SCORE)
    forking.close_others({channel.fileno(), hint_fd})
    _touch()
    warm_up = getattr(sys.modules[entry.__module__], "warm_up", None)
    if warm_up is not None:
        with suppress(Exception):  # a rehearsal: the run itself will tell what is wrong
            warm_up()
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


def _touch() -> None:
    """Copy now the pages that every run writes to, by doing what every run does."""
    with suppress(OSError):
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    encode(RunNoted(time.time_ns() // 1000, ""))
    birth(os.getpid())


def _end() -> NoReturn:
    os._exit(0)
