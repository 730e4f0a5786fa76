"""The real stack in a folder of its own: its daemon, its fork servers, its runs, and how each is killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from chaos.killing.workload import CAMPAIGN, Workload
from tidemill.control.client import ControlClient
from tidemill.domain.errors import TidemillError

SOURCE = Path(__file__).parents[3] / "daemon"
DAEMON: Final = (sys.executable, "-P", "-m", "tidemill.service")


class Process(NamedTuple):
    """A process of the stack."""

    pid: int
    kind: str
    """daemon, forkserver, run, or child: one of the fork server's that is no run yet."""
    run: str | None = None
    """The id of the run, by the journal it holds open."""


class Stack:
    """One state directory, and everything that lives of it."""

    def __init__(self, folder: Path, workload: Workload = CAMPAIGN) -> None:
        self.folder = folder
        self.workload = workload
        self.launch: Callable[..., Any] = subprocess.Popen
        """How a daemon is made; whoever looks over its shoulder puts something of the same kind in its place."""
        self.flows = folder / "flows"
        self.state = folder / "state"
        self.ledger = folder / "ledger"
        self.log = folder / "daemon.log"
        self.daemon: Any = None
        self.struck: set[int] = set()
        """Pids of daemons that were killed on purpose."""
        self.starts = 0
        self.flows.mkdir()
        (folder / "tidemill.toml").write_text(workload.settings)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")},
            "PYTHONPATH": str(SOURCE),
            "TIDEMILL_CONFIG": str(folder / "tidemill.toml"),
            "TIDEMILL_FLOWS_DIR": str(self.flows),
            "TIDEMILL_STATE_DIR": str(self.state),
        }
        self._roots = [SOURCE]
        for name in workload.files:
            self.write(name)

    def know_version(self, root: Path) -> None:
        """Take another version of the package, below the source root *root*, for one to change to."""
        self._roots.append(root)

    def change_version(self) -> None:
        """Have every process that is started from now on be of the next version that is known."""
        self._roots.append(self._roots.pop(0))
        self.environment["PYTHONPATH"] = str(self._roots[0])

    def write(self, name: str, edit: int = 0, *, broken: bool = False) -> None:
        """Write a version of a flow file, whole."""
        text = self.workload.text(name, self.ledger, edit)
        fresh = self.flows / f".{name}.tmp"
        fresh.write_text(text + ("\nthis is broken" if broken else ""))
        fresh.replace(self.flows / name)

    def start(self) -> None:
        """Start a daemon, and do not wait for it."""
        self.starts += 1
        with self.log.open("ab") as log:
            self.daemon = self.launch(
                DAEMON,
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def is_up(self) -> bool:
        """Tell whether there is a daemon process."""
        return self.daemon is not None and self.daemon.poll() is None

    def kill_daemon(self) -> bool:
        """Kill the daemon; tell whether there was one."""
        daemon = self.daemon
        if daemon is None or daemon.poll() is not None:
            return False
        self.struck.add(daemon.pid)
        daemon.kill()
        return True

    def end_of_daemon(self) -> str | None:
        """Return how a daemon ended that nobody had killed; None when all is as it should be."""
        daemon = self.daemon
        if daemon is None or daemon.poll() is None or daemon.pid in self.struck:
            return None
        self.struck.add(daemon.pid)
        return f"the daemon {daemon.pid} ended by itself with {daemon.returncode}"

    def terminate(self, patience: float) -> int | None:
        """Ask the daemon to end; return its exit code, or None when it did not within *patience* seconds."""
        daemon = self.daemon
        assert daemon is not None
        daemon.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            code = daemon.wait(patience)
            self.struck.add(daemon.pid)
            return code
        return None

    def ask(self, verb: str, timeout: float = 15.0, **arguments: Any) -> dict[str, Any]:
        """Ask the daemon for something, as the CLI does."""
        with ControlClient(self.state / "control.sock", timeout=timeout) as client:
            return client.request(verb, **arguments)

    def serves(self) -> bool:
        """Tell whether the daemon answers."""
        with suppress(TidemillError):
            return bool(self.ask("ping", timeout=2.0)) or True
        return False

    def until_it_serves(self, patience: float) -> bool:
        """Wait for the daemon to answer."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and self.is_up():
            if self.serves():
                return True
            time.sleep(0.05)
        return False

    def state_of(self, run: str | None) -> str | None:
        """Return the state of a run as anybody can read it."""
        with suppress(sqlite3.Error), closing(self.history()) as connection:
            for (state,) in connection.execute("SELECT state FROM runs WHERE uid = ?", (run,)):
                return str(state)
        return None

    def history(self) -> sqlite3.Connection:
        """Open the history for reading."""
        return sqlite3.connect(f"file:{self.state}/history.db?mode=ro", uri=True, timeout=5)

    def processes(self) -> list[Process]:
        """Return every process that belongs to this state directory."""
        marker = f"TIDEMILL_STATE_DIR={self.state}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    if marker in (entry / "environ").read_bytes().split(b"\0"):
                        found += [process] if (process := identify(int(entry.name))) else []
        return found

    def sweep(self) -> None:
        """Leave no process behind."""
        self.kill_daemon()
        for process in self.processes():
            with suppress(OSError):
                os.kill(process.pid, signal.SIGKILL)


def identify(pid: int) -> Process | None:
    """Tell what a process of the stack is; None when it cannot be told. OSError when it is gone."""
    line = Path(f"/proc/{pid}/cmdline").read_bytes()
    if b"tidemill.service" in line:
        return Process(pid, "daemon")
    if b"tidemill.forkserver" not in line:
        return Process(pid, "command") if line else None
    if os.getsid(pid) == pid:
        return Process(pid, "forkserver")
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            target = fd.readlink()
            if target.suffix == ".journal":
                return Process(pid, "run", target.stem)
    return Process(pid, "child")
