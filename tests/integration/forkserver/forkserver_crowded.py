"""An engine on a machine that has no room for two processes, and then has."""

import errno
import os

from forkserver_entries import run

__all__ = ["run"]

_fork = os.fork
_failures = [errno.EAGAIN, errno.EAGAIN]


def fork() -> int:
    if _failures:
        error = _failures.pop()
        raise BlockingIOError(error, os.strerror(error))
    return _fork()


os.fork = fork
