"""Who is at the other end, as the kernel knows it: the only authentication there is."""

import os
import socket
import struct
from collections.abc import Iterable

_CREDENTIALS = struct.Struct("3i")


def peer_uid(connection: socket.socket) -> int:
    """Return the uid of the process that connected, as it was when it did."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _pid, uid, _gid = _CREDENTIALS.unpack(raw)
    return int(uid)


def may_command(uid: int, allow_uids: Iterable[int]) -> bool:
    """Tell whether *uid* may command this daemon: its own user, root, and those the operator named."""
    return uid in (0, os.geteuid()) or uid in allow_uids
