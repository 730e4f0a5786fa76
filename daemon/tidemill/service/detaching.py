"""Going into the background, by python-daemon, with an answer to the person who waits.

The one place that imports python-daemon. Everything that must not cross the fork (loop, threads, the
history) is made afterwards; the parent exits only when the daemon is ready, or tells why it is not.
"""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from tidemill.config.paths import StatePaths
from tidemill.domain.errors import ConfigurationError, TidemillError

READY = b"ready"


def detach(paths: StatePaths, serve: Callable[[Callable[[], None]], int]) -> int:
    """Run *serve* in the background; return in the parent, once it is ready or has failed, with its exit code.

    *serve* is called in the daemon with a function that it must call when it is ready.
    """
    ready, telling = os.pipe()
    pid = os.fork()
    if pid:
        os.close(telling)
        os.waitpid(pid, 0)
        return _await(ready)
    os.close(ready)
    try:
        code = _become_daemon(paths, telling, serve)
    except TidemillError as error:
        code = _tell(telling, str(error), 5)
    except BaseException as error:  # the parent must hear of every end, whatever it was
        code = _tell(telling, f"{type(error).__name__}: {error}", 1)
    os._exit(code)


def _become_daemon(paths: StatePaths, telling: int, serve: Callable[[Callable[[], None]], int]) -> int:
    log = open(paths.daemon_log, "a", buffering=1, opener=_private)  # noqa: SIM115 - held for the daemon's life
    context = _daemon_context(
        umask=0o077,
        working_directory=str(paths.root),
        signal_map={},
        files_preserve=[telling, log.fileno()],
        stdout=log,
        stderr=log,
        detach_process=True,
    )
    context.open()

    def on_ready() -> None:
        os.write(telling, READY)
        os.close(telling)

    try:
        return serve(on_ready)
    except TidemillError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the daemon's log
        return _tell(telling, str(error), 5)


def _daemon_context(**options: Any) -> Any:
    """Make python-daemon's context; a folder called ``daemon`` on the path must not pass for it."""
    library = importlib.import_module("daemon")
    if not hasattr(library, "DaemonContext"):
        raise ConfigurationError(
            f"python-daemon is not installed, and {list(library.__path__)} is found in its place; "
            "install it with: pip install python-daemon"
        )
    return library.DaemonContext(**options)


def _await(ready: int) -> int:
    answer = b""
    while piece := os.read(ready, 65536):
        answer += piece
        if answer == READY:
            return 0
    if answer.startswith(b"!"):
        code, _, text = answer[1:].decode(errors="replace").partition(" ")
        sys.stderr.write(f"tidemill: {text}\n")
        return int(code)
    sys.stderr.write("tidemill: the daemon ended before it was ready; its log tells why\n")
    return 1


def _tell(telling: int, text: str, code: int) -> int:
    try:
        os.write(telling, f"!{code} {text}".encode())
    except OSError:
        return code
    return code


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
