"""Find the fork server, or start one that outlives whoever started it."""

import hashlib
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidemill.config.paths import StatePaths
from tidemill.domain.errors import ProtocolError
from tidemill.forkserver import protocol
from tidemill.forkserver.client import ForkserverClient
from tidemill.forkserver.protocol import ForkserverError

START_LIMIT: Final = 30.0
"""Seconds a new server may take until it answers; preloads are part of it."""
_LOOK_EVERY: Final = 0.005
_PACKAGE: Final = Path(__file__).parents[1]
_CHANGES_ALWAYS: Final = re.compile(
    "_|PWD|OLDPWD|SHLVL|COLUMNS|LINES|TERM.*|WINDOWID|INVOCATION_ID|JOURNAL_STREAM|NOTIFY_SOCKET|WATCHDOG_.*|LISTEN_.*|"
    "SYSTEMD_EXEC_PID|MAINPID|MANAGERPID|CREDENTIALS_DIRECTORY|PYTEST_.*|SSH_.*|XDG_SESSION_ID|DISPLAY|MAKE.*|MFLAGS"
)
"""Variables that say nothing about how runs should go."""


def ensure(
    paths: StatePaths,
    preload: Sequence[str] = (),
    log: Path | None = None,
    *,
    on_retired: Callable[[ForkserverClient], None] = ForkserverClient.close,
    interpreter: str = sys.executable,
    options: Sequence[str] = (),
) -> ForkserverClient:
    """Return a client, greeted, of a fork server that has today's code, preloads and environment.

    A server with others is retired: it keeps its runs to their end and takes no new ones; *on_retired*
    is given its client, which still tells their exits. *log* is where a new server writes its own
    messages; *interpreter* is the Python that runs are executed by, and must have what the engine needs;
    *options* are for tests.
    """
    wanted = fingerprint((interpreter, *preload, *options))
    client = _greet(paths.forkserver_socket)
    if client is not None:
        assert client.welcome is not None
        if client.welcome.fingerprint == wanted and not client.welcome.retiring:
            return client
        with suppress(ForkserverError):
            client.retire()
        on_retired(client)
    command = [interpreter, *_arguments(paths, preload, wanted), *options]
    return _start(paths, log or paths.daemon_log, wanted, command)


def fingerprint(facts: Sequence[str] = ()) -> str:
    """Return a hash of what makes a server fit: code, environment and *facts*."""
    digest = hashlib.sha256(repr((protocol.VERSION, sys.version, tuple(facts))).encode())
    for file in sorted(_PACKAGE.rglob("*.py")):
        with suppress(OSError):
            status = file.stat()
            digest.update(f"{file}\0{status.st_mtime_ns}\0{status.st_size}\n".encode())
    for name, value in sorted(os.environb.items()):
        if not _CHANGES_ALWAYS.fullmatch(os.fsdecode(name)):
            digest.update(name + b"=" + value + b"\0")
    return digest.hexdigest()


def reap(pid: int) -> bool:
    """Tell whether the server *pid* has ended; if it was a child of this process, it is a zombie no more."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False


def _greet(path: Path) -> ForkserverClient | None:
    try:
        client = ForkserverClient.connect(path)
    except ForkserverError:
        return None
    try:
        client.greet()
    except ForkserverError:
        client.close()
        return None
    except ProtocolError:
        # Of a version whose answers are other ones: it leaves with its last run, and its exits are in their journal.
        with suppress(ForkserverError):
            client.retire()
        client.close()
        return None
    return client


def _start(paths: StatePaths, log: Path, wanted: str, command: list[str]) -> ForkserverClient:
    pid = _spawn(command, log)
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        has_ended = reap(pid)  # before the greeting: it leaves where another serves, which is then found
        client = _greet(paths.forkserver_socket)
        if client is not None and client.welcome is not None and client.welcome.fingerprint == wanted:
            while client.welcome.pid != pid and not has_ended and time.monotonic() < deadline:
                time.sleep(_LOOK_EVERY)
                has_ended = reap(pid)
            return client
        if client is not None:  # an older server that hangs, and keeps the place until the new one takes it
            client.close()
        if has_ended:
            raise ForkserverError(f"the fork server ended as soon as it was started; see the end of {log}")
        time.sleep(_LOOK_EVERY)
    raise ForkserverError(f"the fork server did not answer within {START_LIMIT:g} s; see the end of {log}")


def _arguments(paths: StatePaths, preload: Sequence[str], wanted: str) -> list[str]:
    arguments = ["-P", "-m", "tidemill.forkserver", "--socket", str(paths.forkserver_socket)]
    arguments += ["--exits", str(paths.exits), "--fingerprint", wanted, "--source-root", str(_PACKAGE.parent)]
    for module in preload:
        arguments += ["--preload", module]
    return arguments


def _spawn(command: list[str], log: Path) -> int:
    """Start the server in a session of its own, with nothing open but its log."""
    environment = dict(os.environ)
    path = [str(_PACKAGE.parent), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(path)  # the server takes its part out again: runs do not see it
    append = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    return os.posix_spawn(
        command[0],
        command,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD),
    )
