"""The daemon's end of the fork server's socket."""

import os
import select
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from tidemill.domain.errors import ProtocolError
from tidemill.domain.manifests import FileManifest
from tidemill.domain.runs import InspectionOrder, RunOrder
from tidemill.forkserver import protocol, sockets
from tidemill.forkserver.inspecting import read_manifest
from tidemill.forkserver.protocol import (
    MESSAGE_LIMIT,
    Enclosed,
    Floor,
    Floors,
    ForkserverError,
    Hello,
    Inspect,
    Inspected,
    Reply,
    Request,
    Retire,
    Start,
    Welcome,
)

ANSWER_LIMIT: Final = 10.0
"""Seconds an answer may take that costs the server no more than a look."""


class ForkserverClient:
    """A connection to the fork server.

    Orders are sent and answers come later, all kinds of them mixed: watch ``fileno`` and call
    ``receive``. ``inspect`` and ``measure_floor`` wait for their answer; use a connection of their own.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.gone = False
        """Whether the server has closed the connection: it died or retired."""
        self.welcome: Welcome | None = None
        """Who serves; known after ``greet``."""
        self.hint_fd: int | None = None
        """The eventfd that run processes write to; known after ``greet``."""

    @classmethod
    def connect(cls, path: Path) -> Self:
        """Connect to the server at *path*."""
        try:
            connection = sockets.connect(path)
        except OSError as error:
            raise ForkserverError(f"no fork server answers at {path}: {error.strerror}") from error
        connection.setblocking(False)
        return cls(connection)

    def fileno(self) -> int:
        """Return the descriptor that is readable when ``receive`` has something."""
        return self._connection.fileno()

    def greet(self, timeout: float = ANSWER_LIMIT) -> Welcome:
        """Ask who serves, and be told of every exit from now on."""
        self._send(Hello())
        reply, fds = self._await(timeout)
        if not isinstance(reply, Welcome):
            protocol.close_all(fds)
            raise ProtocolError(f"the fork server answered the greeting with {type(reply).__name__}")
        self.welcome = reply
        self.hint_fd = fds[0] if fds else None
        protocol.close_all(fds[1:])
        return reply

    def start(self, order: RunOrder) -> None:
        """Order a run: Started or Failed is the answer, and Exited follows a Started."""
        self._send(Start(order))

    def retire(self) -> None:
        """Make the server take no more orders and leave with its last child; exits are still told until then."""
        self._send(Retire())

    def inspect(self, order: InspectionOrder) -> FileManifest:
        """Have a file loaded, and return what it declares or why it cannot be used; waits for it.

        Where the process that loads it is killed, it is loaded once more: that may say nothing of the file.
        """
        answer = os.memfd_create("tidemill-manifest", os.MFD_CLOEXEC)
        try:
            ended = self._load(order, answer)
            if ended.status == -signal.SIGKILL and not ended.timed_out:
                os.ftruncate(answer, 0)
                ended = self._load(order, answer)
            return read_manifest(order, ended, answer)
        finally:
            os.close(answer)

    def measure_floor(self, count: int) -> list[float]:
        """Return the seconds that fork, exit and wait of an idle child took, *count* times."""
        self._send(Floor(count))
        reply, fds = self._await(ANSWER_LIMIT + count)
        protocol.close_all(fds)
        if not isinstance(reply, Floors):
            raise ProtocolError(f"the fork server answered a measurement with {type(reply).__name__}")
        return reply.seconds

    def receive(self) -> Sequence[Reply]:
        """Return every message that has arrived, without waiting; look at ``gone`` when there is none."""
        replies: list[Reply] = []
        while not self.gone:
            try:
                received = protocol.receive(self._connection)
            except BlockingIOError:
                break
            except OSError:
                received = None
            if received is None:
                self.gone = True
                break
            data, fds = received
            protocol.close_all(fds)
            replies.append(protocol.decode_reply(data))
        return replies

    def close(self) -> None:
        """Close the connection; runs do not notice."""
        self._connection.close()
        if self.hint_fd is not None:
            os.close(self.hint_fd)
            self.hint_fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load(self, order: InspectionOrder, answer: int) -> Inspected:
        """Have a file loaded by one process, and return how that ended."""
        self._send(Inspect(order), answer)
        reply, fds = self._await(order.timeout + ANSWER_LIMIT)
        protocol.close_all(fds)
        if not isinstance(reply, Inspected):
            raise ForkserverError(f"{order.path} cannot be inspected: {getattr(reply, 'error', reply)}")
        return reply

    def _send(self, request: Request, fd: int | None = None) -> None:
        """Send a request; a long one without a descriptor of its own goes enclosed."""
        data = protocol.encode(request)
        if len(data) <= MESSAGE_LIMIT:
            self._put(data, fd)
            return
        if fd is not None:
            raise ProtocolError(f"a request of {len(data)} bytes; {MESSAGE_LIMIT} is the most")
        memory = protocol.enclose(data)
        try:
            self._put(protocol.encode(Enclosed()), memory)
        finally:
            os.close(memory)

    def _put(self, data: bytes, fd: int | None) -> None:
        while True:
            try:
                protocol.send(self._connection, data, fd)
                return
            except BlockingIOError:
                if not _ready(self._connection, select.POLLOUT, ANSWER_LIMIT):
                    raise ForkserverError("the fork server takes no messages; it hangs") from None
            except OSError as error:
                self.gone = True
                raise ForkserverError(f"the fork server is gone: {error.strerror}") from error

    def _await(self, timeout: float) -> tuple[Reply, list[int]]:
        """Wait for one message."""
        if not _ready(self._connection, select.POLLIN, timeout):
            raise ForkserverError(f"the fork server did not answer within {timeout:g} s")
        try:
            received = protocol.receive(self._connection)
        except OSError:
            received = None
        if received is None:
            self.gone = True
            raise ForkserverError("the fork server is gone")
        data, fds = received
        try:
            return protocol.decode_reply(data), fds
        except ProtocolError:
            protocol.close_all(fds)
            raise


def _ready(connection: socket.socket, events: int, timeout: float) -> bool:
    poll = select.poll()
    poll.register(connection, events)
    return bool(poll.poll(timeout * 1000))
