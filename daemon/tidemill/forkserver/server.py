"""The fork server's loop: one thread that takes orders, forks, reaps and tells."""

import errno
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidemill.domain.errors import ProtocolError
from tidemill.forkserver import protocol, sockets
from tidemill.forkserver.children import Children, Ended, Inspection
from tidemill.forkserver.clients import Client
from tidemill.forkserver.inspection_child import InspectionEntry
from tidemill.forkserver.orders import Orders, measure_floor
from tidemill.forkserver.protocol import (
    Enclosed,
    Exited,
    Failed,
    Floor,
    Floors,
    Hello,
    Inspect,
    Inspected,
    Refused,
    Request,
    Retire,
    Start,
    Welcome,
)
from tidemill.forkserver.recording import ExitsRecord
from tidemill.forkserver.run_child import RunEntry
from tidemill.forkserver.spares import SPARES, Spare, Spares
from tidemill.forkserver.warming import Ranges
from tidemill.journal.processes import boot_id

CLIENT_LIMIT: Final = 200
_RETRY: Final = 1.0
_BREATH: Final = 0.05


class Forkserver:
    """Serves clients of *listener*, the socket at *socket_path*, until it is retired or idle."""

    def __init__(
        self,
        socket_path: Path,
        listener: socket.socket,
        exits_path: Path,
        run_entry: RunEntry,
        inspection_entry: InspectionEntry,
        *,
        fingerprint: str = "",
        problems: tuple[str, ...] = (),
        idle: float = 60.0,
        spares: int = SPARES,
    ) -> None:
        self._socket_path = socket_path
        self._fingerprint = fingerprint
        self._problems = problems
        self._idle = idle
        self._idle_since = time.monotonic()
        self._hint_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._spares = Spares(run_entry, self._hint_fd, count=spares)
        self._children = Children()
        self._clients: dict[int, Client] = {}
        self._orders = Orders(self._children, self._spares, run_entry, inspection_entry, self._hint_fd)
        self._record = ExitsRecord(exits_path)
        self._told_to_retire = False
        self._retiring = False
        self._listener = listener
        self._inode = socket_path.stat().st_ino
        self._poll = select.epoll()
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        self._wakeup, wakeup_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(self._wakeup, select.EPOLLIN)
        signal.set_wakeup_fd(wakeup_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._tell_to_retire)
        signal.signal(signal.SIGINT, self._tell_to_retire)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def know_hot_memory(self, ranges: Ranges) -> None:
        """Let spares copy *ranges* before they have an order."""
        self._spares.hot = ranges

    def serve(self) -> None:
        """Serve until there is nothing left to serve."""
        boot_id()  # read once here, known to every run
        while not self._is_done():
            arrived = self._poll.poll(self._patience())
            if not arrived and (spare := self._spares.make()):
                self._children.add(spare.pid, spare)
            for fd, events in arrived:
                if fd == self._wakeup:
                    os.read(self._wakeup, 4096)
                elif fd == self._listener.fileno():
                    self._accept()
                elif fd in self._clients:
                    self._attend(self._clients[fd], events)
            if self._told_to_retire:
                self._retire()
            self._children.end_late_inspections(time.monotonic())
            for ended in self._children.reap():
                self._tell(ended)
            self._record.write()
            self._let_go()
        self._retire()

    def _is_done(self) -> bool:
        if self._children.at_work or self._children.owes or self._record.owes:
            return False
        if self._retiring:
            return True
        return not self._clients and time.monotonic() - self._idle_since >= self._idle

    def _patience(self) -> float | None:
        """Return how long the loop may sleep."""
        now = time.monotonic()
        waits = [_RETRY] if self._record.owes or self._children.owes else []
        if (spare := self._spares.wait) is not None:
            waits.append(spare)
        deadline = self._children.next_deadline()
        if deadline is not None:
            waits.append(deadline - now)
        if not self._clients and not self._children.at_work:
            waits.append(self._idle_since + self._idle - now)
        return max(0.0, min(waits)) if waits else None

    def _tell_to_retire(self, *_: object) -> None:
        self._told_to_retire = True

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                time.sleep(_BREATH)  # whoever knocks goes on knocking
            return
        if sockets.peer_uid(connection) not in (0, os.getuid()) or len(self._clients) >= CLIENT_LIMIT:
            connection.close()
            return
        self._clients[connection.fileno()] = Client(connection)
        self._poll.register(connection.fileno(), select.EPOLLIN)

    def _attend(self, client: Client, events: int) -> None:
        """Take all requests of a client, and give it what it had no room for.

        All: what a dead daemon has ordered must be known before the next one is told what lives.
        """
        if events & select.EPOLLOUT:
            client.flush()
        while not client.gone:
            try:
                received = client.receive()
                if received is None:
                    return
                request, fds = received
                try:
                    self._answer(client, request, fds)
                finally:
                    protocol.close_all(fds)
            except ProtocolError as error:
                client.send(Refused(str(error)))
            except Exception as error:
                sys.excepthook(*sys.exc_info())  # whatever it is: one request fails, and the runs keep their parent
                client.send(Refused(f"the fork server failed: {error!r}"))

    def _answer(self, client: Client, request: Request, fds: list[int]) -> None:
        match request:
            case Start(order) if self._retiring:
                client.send(
                    Failed(order.process, "this fork server is retiring; another one takes orders", retiring=True)
                )
            case Start():
                self._orders.start(client, request)
            case Inspect(order):
                self._orders.inspect(client, order, fds)
            case Hello():
                client.follows = True
                live = self._children.runs
                welcome = Welcome(self._fingerprint, os.getpid(), live, self._retiring, self._problems)
                client.send(welcome, self._hint_fd)
            case Retire():
                self._retire()
            case Floor(count):
                client.send(Floors(measure_floor(count)))
            case Enclosed():
                raise ProtocolError("an enclosed request came without its file, or within another")

    def _tell(self, ended: Ended) -> None:
        """Record an end, then tell it to whoever wants to know."""
        if isinstance(ended.child, Inspection):
            ended.child.client.send(Inspected(ended.status, ended.child.timed_out))
            return
        if isinstance(ended.child, Spare):
            self._spares.mourn(ended.pid)
            return
        self._spares.is_time = not self._children.at_work  # beside others it would only take their processor
        exit_ = ended.as_exit(ended.child)
        self._record.add(exit_)
        for client in self._clients.values():
            if client.follows:
                client.send(Exited(*exit_))

    def _let_go(self) -> None:
        """Drop clients that have gone, and listen for room where messages wait."""
        for fd, client in list(self._clients.items()):
            if client.gone:
                del self._clients[fd]
                self._poll.unregister(fd)  # by hand: a child may still hold the connection for a moment
                client.close()
            else:
                self._poll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if client.waits else 0))
        if self._clients or self._children.at_work:
            self._idle_since = time.monotonic()

    def _retire(self) -> None:
        """Listen no more: the next server takes the place."""
        if self._retiring:
            return
        self._retiring = True
        self._spares.end()
        with suppress(OSError):
            self._poll.unregister(self._listener.fileno())
        sockets.withdraw(self._socket_path, self._inode)
        self._listener.close()
