"""One fork server in one place, though two daemons may have started one each: the second finds the first there."""

import fcntl
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidemill.domain.errors import ProtocolError
from tidemill.forkserver import sockets
from tidemill.forkserver.protocol import ForkserverError

_PATIENCE: Final = 5.0
"""Seconds that who listens there may take to answer; it may still be preparing. One that hangs loses the place."""


def take_place(path: Path, fingerprint: str) -> socket.socket | None:
    """Listen at *path*, or return None: a server with the same *fingerprint* takes orders there. Raises OSError.

    A daemon that is killed while its server starts has a successor that starts one too, and each would displace
    the other, by then in use, whose socket nobody would find any more.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # looking and taking are one step
        return None if _is_taken(path, fingerprint) else sockets.listen(path)
    finally:
        os.close(folder)


def _is_taken(path: Path, fingerprint: str) -> bool:
    if not path.exists():
        return False
    # Only now: nearly no server needs it, and every run would carry it along.
    from tidemill.forkserver.client import ForkserverClient

    with suppress(ForkserverError, ProtocolError), ForkserverClient.connect(path) as client:
        welcome = client.greet(_PATIENCE)
        return welcome.fingerprint == fingerprint and not welcome.retiring
    return False
