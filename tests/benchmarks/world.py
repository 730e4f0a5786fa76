"""A daemon of its own for one measurement, and what is measured on it."""

import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[2] / "daemon"
sys.path.insert(0, str(SOURCE))

from tidemill.config.paths import StatePaths  # noqa: E402
from tidemill.control.client import ControlClient  # noqa: E402
from tidemill.domain.errors import TidemillError  # noqa: E402
from tidemill.forkserver.client import ForkserverClient  # noqa: E402

reported: list[dict[str, Any]] = []
"""Every figure of this run."""


class World:
    """A folder with flows, a state directory, and a daemon that can be started and stopped."""

    def __init__(self, folder: Path) -> None:
        self.flows, self.state = folder / "flows", folder / "state"
        self.flows.mkdir()
        self.paths = StatePaths(self.state)
        self.log = folder / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")},
            "PYTHONPATH": str(SOURCE),
            "TIDEMILL_FLOWS_DIR": str(self.flows),
            "TIDEMILL_STATE_DIR": str(self.state),
        }

    def start(self) -> float:
        """Start the daemon; return the seconds until it answered."""
        begun = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tidemill.service"], env=self.environment, stdout=log, stderr=log
            )
        self.until(self._answers, 120, 0.002)
        return time.monotonic() - begun

    def stop(self) -> None:
        """Stop the daemon."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def client(self) -> ControlClient:
        """Connect to the daemon."""
        return ControlClient(self.paths.control_socket, timeout=120)

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Ask the daemon once, on a connection of its own."""
        with self.client() as client:
            return client.request(verb, **arguments)

    def floor(self, count: int = 200) -> list[float]:
        """Fork, exit and wait of the lean fork server, in seconds."""
        with ForkserverClient.connect(self.paths.forkserver_socket) as server:
            return server.measure_floor(count)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Read the history."""
        with closing(sqlite3.connect(f"file:{self.paths.database}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(sql).fetchall()

    def until(self, condition: Callable[[], Any], limit: float = 60.0, pause: float = 0.01) -> Any:
        """Wait for a condition."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            if answer := condition():
                return answer
            time.sleep(pause)
        raise TimeoutError(self.log.read_text()[-2000:])

    def processes(self) -> list[int]:
        """The daemon and its fork server."""
        assert self.process is not None
        with ForkserverClient.connect(self.paths.forkserver_socket) as server:
            return [self.process.pid, server.greet().pid]

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            with self.client() as client:
                client.request("ping")
        except TidemillError:
            return False
        return True


@contextmanager
def world() -> Iterator[World]:
    """A world that is swept away afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tidemill-bench-"))
    made = World(folder)
    try:
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which *share* of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def report(name: str, value: float, unit: str, target: float, **beside: Any) -> None:
    """Print one figure as a line of JSON."""
    rounded = {key: round(v, 4) if isinstance(v, float) else v for key, v in beside.items()}
    figure = {"name": name, "value": round(value, 4), "unit": unit, "target": target, **rounded}
    reported.append(figure)
    print(json.dumps(figure), flush=True)


def python_floor(count: int = 15) -> float:
    """Seconds of ``python -c pass``, median."""
    return statistics.median(timed([sys.executable, "-c", "pass"]) for _ in range(count))


def timed(command: Sequence[str], environment: dict[str, str] | None = None) -> float:
    """Seconds that a command takes, start to end."""
    begun = time.monotonic()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.monotonic() - begun


def program() -> list[str]:
    """The command that a person calls."""
    installed = Path(sys.executable).with_name("tidemill")
    return [str(installed)] if installed.exists() else [sys.executable, "-P", "-m", "tidemill"]


def cpu(pids: Sequence[int]) -> float:
    """Seconds of processor time that the processes have taken."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def children_cpu() -> float:
    """Seconds of processor time of all commands that were called and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def pss(pid: int) -> float:
    """Megabytes of a process, what it shares divided among those that share it."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no Pss")
