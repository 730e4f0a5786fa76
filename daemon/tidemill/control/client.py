"""The command's side of the socket: blocking, on the standard library, imported by every command that acts."""

import contextlib
import errno
import select
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

from tidemill.control.address import address
from tidemill.control.answers import error_of
from tidemill.control.protocol import PROTOCOL, Frames, Message, pack
from tidemill.domain.errors import DaemonNotRunning, ProtocolError, Refused

_READ: Final = 1 << 16
_ABSENT: Final = frozenset({errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR})
_BUSY_PAUSE: Final = 0.05


class ControlClient:
    """A conversation with the daemon that serves one state directory; connects at the first request."""

    def __init__(self, path: Path, *, timeout: float = 10.0) -> None:
        self._path = path
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._frames = Frames()
        self._arrived: list[Message] = []
        self._is_greeted = False
        self.version: str | None = None
        """What the daemon says it is, once it has answered."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; a later request meets whoever listens then as a stranger."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._frames = Frames()
            self._arrived.clear()
            self._is_greeted = False

    def request(
        self,
        verb: str,
        *,
        timeout: float | None = None,
        on_progress: Callable[[Message], None] | None = None,
        **args: Any,
    ) -> Message:
        """Ask for *verb* and return the answer; raise the error that the daemon answers with."""
        self.send(verb, **args)
        for kind, message in self.answers(timeout):
            if kind == "ok":
                return message
            if on_progress is not None:
                on_progress(message)
        raise self._gone()

    def send(self, verb: str, **args: Any) -> None:
        """Ask for *verb* without waiting for the answer; what is None is not sent."""
        given = {name: value for name, value in args.items() if value is not None}
        frame = pack({"verb": verb, "args": given})
        if self._socket is None:
            self._socket = self._connect()
            # In one write: the answer to the greeting comes with the answer to the request.
            frame = pack({"protocol": PROTOCOL}) + frame
        try:
            self._socket.sendall(frame)
        except (BrokenPipeError, ConnectionResetError):
            pass  # The daemon refused us, and why lies in the socket still.
        except OSError as error:
            raise self._gone() from error

    def answers(self, timeout: float | None = None) -> Iterator[tuple[str, Message]]:
        """Give each progress message, and at last the answer, as ("progress" or "ok", message)."""
        patience = timeout or self._timeout
        while True:
            found = self.poll(patience)
            if found is None:
                raise DaemonNotRunning(f"the daemon did not answer within {patience:g} s; its log may tell why")
            yield found
            if found[0] == "ok":
                return

    def poll(self, timeout: float) -> tuple[str, Message] | None:
        """Return the next message of the request in hand, or None when *timeout* seconds brought none."""
        deadline = time.monotonic() + timeout
        while True:
            while self._arrived:
                if (found := self._take(self._arrived.pop(0))) is not None:
                    return found
            left = deadline - time.monotonic()
            if not self._receive(max(left, 0.0)):
                return None

    def wait_for_end(self, timeout: float) -> bool:
        """Tell whether the daemon hangs up within *timeout* seconds, as it does when it stops."""
        deadline = time.monotonic() + timeout
        try:
            while self._receive(max(deadline - time.monotonic(), 0.0)):
                pass
        except DaemonNotRunning:
            return True
        return False

    def _connect(self) -> socket.socket:
        deadline = time.monotonic() + self._timeout
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        connection.settimeout(self._timeout)
        while True:
            try:
                with address(self._path) as name:
                    connection.connect(name)
            except BlockingIOError:
                # The queue of peers is full: a Unix socket says so instead of waiting.
                if time.monotonic() > deadline:
                    connection.close()
                    raise self._gone() from None
                time.sleep(_BUSY_PAUSE)
            except OSError as error:
                connection.close()
                raise self._explain(error) from None
            else:
                return connection

    def _explain(self, error: OSError) -> Exception:
        if error.errno in _ABSENT:
            return DaemonNotRunning("the daemon is not running; start it with: tidemill start")
        if isinstance(error, PermissionError):
            return Refused(f"you may not command the daemon at {self._path}: {error.strerror}")
        return DaemonNotRunning(f"the daemon at {self._path} cannot be reached: {error.strerror or error}")

    def _receive(self, timeout: float) -> bool:
        """Take what has arrived within *timeout* seconds; False when nothing has."""
        connection = self._socket
        if connection is None:
            raise self._gone()
        waiting = select.poll()
        waiting.register(connection, select.POLLIN)
        if not waiting.poll(timeout * 1000):
            return False
        data = b""
        with contextlib.suppress(ConnectionResetError):
            data = connection.recv(_READ)
        if not data:
            self.close()
            raise self._gone()
        self._arrived += self._frames.feed(data)
        return True

    def _take(self, message: Message) -> tuple[str, Message] | None:
        """Return what *message* tells of the request in hand; the greeting tells nothing."""
        if (error := message.get("error")) is not None:
            fields = error if isinstance(error, dict) else {}
            raise error_of(fields.get("code"), fields.get("message", "the daemon refused without a reason"))
        if not self._is_greeted:
            if message.get("protocol") != PROTOCOL:
                raise ProtocolError(f"what listens at {self._path} is not this tidemill's daemon")
            self._is_greeted = True
            self.version = message.get("version")
            return None
        for kind in ("progress", "ok"):
            if isinstance(message.get(kind), dict):
                return kind, message[kind]
        raise ProtocolError(f"the daemon's answer means nothing: {str(message)[:80]}")

    @staticmethod
    def _gone() -> DaemonNotRunning:
        return DaemonNotRunning("the daemon went away before it answered; look with: tidemill status")
