"""The socket in the file system: only its owner may connect, and its path may be long."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_BACKLOG: Final = 64
_CREDENTIALS: Final = struct.Struct("3i")


def listen(path: Path) -> socket.socket:
    """Take the place of whatever socket stood at *path*, in one step, and listen there. Raises OSError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.setblocking(False)
    own = path.with_name(f".{path.name}")  # one name: what a killed server leaves of it is taken away by the next
    previous = os.umask(0o177)
    try:
        own.unlink(missing_ok=True)
        with _short(own) as address:
            listener.bind(address)
        listener.listen(_BACKLOG)
        own.rename(path)
    except OSError:
        listener.close()
        with suppress(OSError):
            own.unlink()
        raise
    finally:
        os.umask(previous)
    return listener


def withdraw(path: Path, inode: int) -> None:
    """Remove the socket file, unless another server has taken the place."""
    with suppress(OSError):
        if path.stat().st_ino == inode:
            path.unlink()


def connect(path: Path) -> socket.socket:
    """Connect to the server that listens at *path*."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with _short(path) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def peer_uid(connection: socket.socket) -> int:
    """Return who connected, as the kernel saw it."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(data)[1])


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Give *path* as an address within the 107 bytes that a socket's may have, through its folder."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
