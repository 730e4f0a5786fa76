"""Daemons that are forked from a process which has imported their modules: that is nine tenths of their start-up.

Importing changes nothing outside of the process, so a sweep has no points in it; a daemon that is made here differs
from another in nothing else.
"""

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from chaos.tracing.launch import begin
from chaos.tracing.spawning import Newborn

_MODULES: Final = ("tidemill.service.main", "tidemill.service.assembly", "alembic.command", "alembic.config")
_SERVICE: Final = "tidemill.service"
_TESTS: Final = Path(__file__).parents[2]


class Nursery:
    """Makes daemons; as the ``spawn`` of a tracer."""

    def __init__(self) -> None:
        self._here, there = socket.socketpair()
        path = os.pathsep.join([str(_TESTS), str(_TESTS.parent / "daemon")])
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")}
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "chaos.sweeping.nursery", str(there.fileno()), _SERVICE],
                env={**environment, "PYTHONPATH": path},
                pass_fds=[there.fileno()],
                start_new_session=True,
            )

    def __call__(self, gate: int, instructions: bytes, argv: Sequence[str], options: dict[str, Any]) -> Newborn:
        """Fork a daemon that waits at *gate*, and takes the filter when it is let through."""
        assert argv[-1] == _SERVICE
        request = {"env": options["env"], "cwd": str(options["cwd"]), "filter": instructions.hex()}
        with Path(os.devnull).open("rb") as nothing:
            streams = [nothing.fileno(), options["stdout"].fileno(), options["stderr"].fileno()]
            socket.send_fds(self._here, [json.dumps(request).encode()], [gate, *streams])
        return Newborn(int(self._here.recv(64)), is_begun=True)


@cache
def nursery() -> Nursery:
    """Return the one of this process."""
    return Nursery()


def main() -> None:
    """Fork daemons as the socket says."""
    for module in _MODULES:
        import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who follows a daemon learns how it ended; it is reaped at once
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        while True:
            text, fds, _, _ = socket.recv_fds(orders, 1 << 20, 4)
            if not text:
                return
            if (pid := os.fork()) == 0:
                orders.close()
                break
            for fd in fds:
                os.close(fd)
            orders.send(str(pid).encode())
    _be_daemon(json.loads(text), *fds)


def _be_daemon(request: dict[str, Any], gate: int, *streams: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    sys.argv[1:] = []
    begin(gate, bytes.fromhex(request["filter"]))
    runpy.run_module(_SERVICE, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
