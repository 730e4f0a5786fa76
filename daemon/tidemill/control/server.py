"""The daemon's ear: a Unix socket that only the daemon's own user, root and named uids may use."""

import asyncio
import logging
import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidemill.control.address import address
from tidemill.control.connections import Connection, Manners
from tidemill.control.requests import Handler
from tidemill.domain.errors import StateDirectoryError

log = logging.getLogger(__name__)

_BACKLOG: Final = 128


class ControlServer:
    """Accepts peers and gives each its connection; *handlers* answer the verbs, and there are no others."""

    def __init__(
        self,
        path: Path,
        handlers: Mapping[str, Handler],
        allow_uids: Iterable[int] = (),
        *,
        version: str = "",
        manners: Manners | None = None,
    ) -> None:
        self._path = path
        self._handlers = handlers
        self._allow_uids = frozenset(allow_uids)
        self._version = version
        self._manners = manners or Manners()
        self._server: asyncio.Server | None = None
        self._inode: tuple[int, int] | None = None
        self._connections: set[Connection] = set()

    async def start(self) -> None:
        """Listen; the caller holds the state directory's lock, so a socket that is there is stale."""
        listener = self._bind()
        self._server = await asyncio.get_running_loop().create_unix_server(
            self._make_connection, sock=listener, backlog=_BACKLOG
        )

    async def close(self) -> None:
        """Take no new peers, let the answers that are due go out, and remove the socket."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        if self._is_ours():
            with suppress(OSError):  # a file system that is read-only by now; nobody listens there any more
                self._path.unlink()
        # A copy: a connection leaves the set as it ends.
        await asyncio.gather(*(connection.finish() for connection in list(self._connections)))

    async def ensure_reachable(self) -> None:
        """Listen anew where somebody removed or replaced the socket's file; cheap, for a heartbeat."""
        if self._server is not None and not self._is_ours():
            self._server.close()
            try:
                await self.start()
            except StateDirectoryError as error:  # the next look tries again
                log.error("the control socket was removed, and cannot be made again yet: %s", error)
            else:
                log.warning("the control socket %s was removed; made again", self._path)

    def _make_connection(self) -> Connection:
        return Connection(self._handlers, self._allow_uids, self._version, self._manners, self._connections)

    def _bind(self) -> socket.socket:
        """Bind with the mode set before anybody can connect: until listen() the kernel refuses them."""
        try:
            self._path.unlink(missing_ok=True)
            return self._bound()
        except OSError as error:
            raise StateDirectoryError(
                f"the control socket {self._path} cannot be made ({error.strerror}); see to the disk that holds it"
            ) from error

    def _bound(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            with address(self._path) as name:
                listener.bind(name)
            # Others whom the operator named must reach the socket; the peer's uid still decides.
            self._path.chmod(0o666 if self._allow_uids else 0o600)
            self._inode = self._identity()
        except BaseException:
            listener.close()
            raise
        return listener

    def _identity(self) -> tuple[int, int] | None:
        """Return what names the socket's file, or None where there is none."""
        try:
            found = os.lstat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _is_ours(self) -> bool:
        """Tell whether the file at our path is the socket we listen on."""
        return self._inode is not None and self._identity() == self._inode
