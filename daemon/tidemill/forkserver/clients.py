"""One connected client, as the server sees it."""

import socket
from collections import deque
from contextlib import suppress
from typing import Final

from tidemill.forkserver import protocol
from tidemill.forkserver.protocol import Enclosed, Reply, Request

OUTBOX_LIMIT: Final = 10_000
"""Messages kept for a client that does not read; a slower one is let go, and finds the exits in their journal."""


class Client:
    """A connection that never makes the server wait."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.follows = False
        """Whether it is told of every exit."""
        self.gone = False
        self._deaf = False
        self._outbox: deque[bytes] = deque()

    @property
    def waits(self) -> bool:
        """Tell whether messages wait for room in the socket."""
        return bool(self._outbox)

    def receive(self) -> tuple[Request, list[int]] | None:
        """Return the next request with its file descriptors; None when there is none."""
        try:
            try:
                received = protocol.receive(self.connection)
            except ConnectionResetError:
                # It left without reading our last answer. That is told once, before what it has sent: its orders stand.
                received = protocol.receive(self.connection)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            received = None
        if received is None:
            self.gone = True
            return None
        data, fds = received
        try:
            request = protocol.decode_request(data)
            if isinstance(request, Enclosed) and fds:
                memory = fds.pop(0)
                try:
                    request = protocol.decode_request(protocol.open_enclosed(memory))
                finally:
                    protocol.close_all([memory])
        except BaseException:
            protocol.close_all(fds)
            raise
        return request, fds

    def send(self, reply: Reply, fd: int | None = None) -> None:
        """Send *reply* now, or as soon as the client reads."""
        if self._deaf:
            return
        data = protocol.encode(reply)
        if self._outbox:
            self._keep(data)
            return
        try:
            protocol.send(self.connection, data, fd)
        except BlockingIOError:
            self._keep(data)
        except OSError:
            self._turn_deaf()

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        try:
            while self._outbox:
                protocol.send(self.connection, self._outbox[0])
                self._outbox.popleft()
        except BlockingIOError:
            return
        except OSError:
            self._turn_deaf()

    def close(self) -> None:
        """Let the client go."""
        with suppress(OSError):
            self.connection.close()

    def _turn_deaf(self) -> None:
        """Send no more; what it has sent before it went is still read: an order that was sent is carried out."""
        self._deaf = True
        self._outbox.clear()

    def _keep(self, data: bytes) -> None:
        self._outbox.append(data)
        if len(self._outbox) > OUTBOX_LIMIT:
            self.gone = True
