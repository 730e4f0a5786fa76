"""A real daemon on a folder of its own, commanded by the real CLI."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[2] / "daemon"
PATIENCE = 30.0


class Daemon:
    """A daemon process and everything a person would do with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.flows = folder / "flows"
        self.state = folder / "state"
        self.flows.mkdir()
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "daemon.log"
        self.prefix: list[str] = []
        """Words before the daemon's command: a program that makes it a place of its own and becomes it."""
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")},
            "PYTHONPATH": str(SOURCE),
            "TIDEMILL_FLOWS_DIR": str(self.flows),
            "TIDEMILL_STATE_DIR": str(self.state),
            "COLUMNS": "160",
        }

    def drop(self, name: str, text: str) -> Path:
        """Drop a flow file into the folder, as an editor does: whole, by a rename."""
        path = self.flows / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.tmp")
        fresh.write_text(textwrap.dedent(text))
        fresh.replace(path)
        return path

    def start(self, *options: str, wait: bool = True) -> "Daemon":
        """Start the daemon in the foreground, and wait until it serves."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-P", "-m", "tidemill.service", *options],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if wait:
            self.until(lambda: self.process.poll() is not None or self.status().get("running"), "the daemon serves")
            assert self.process.poll() is None, self.log.read_text()
        return self

    def kill(self) -> None:
        """End the daemon as a power cut of one process would."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """Ask the daemon to end, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def cli(self, *arguments: str, check: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run the CLI; *check* is the exit code it must have."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tidemill", *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE * 2,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        if check is not None:
            assert done.returncode == check, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str, check: int | None = 0) -> Any:
        """Run a reading command with --json and return the document."""
        return json.loads(self.cli(*arguments, "--json", check=check).stdout)

    def status(self) -> dict[str, Any]:
        """Return the status, whether the daemon serves or not."""
        done = self.cli("status", "--json", check=None)
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def run(self, flow: str, *options: str, check: int | None = 0) -> dict[str, Any]:
        """Run a flow to its end and return what is recorded of it."""
        self.cli("run", flow, *options, "--wait", check=check)
        return self.json("show", self.json("runs", "--flow", flow, "-n", "1")[0]["id"])

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait for a condition and return what it came to."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if answer := condition():
                return answer
            time.sleep(0.05)
        log = self.log.read_text() if self.log.exists() else ""
        raise AssertionError(f"not within {PATIENCE:g} s: {what}\n{log}")

    def flow(self, name: str) -> dict[str, Any] | None:
        """Return a flow as ``flows`` shows it."""
        return next((flow for flow in self.json("flows") if flow["name"] == name), None)

    def until_flow(self, name: str) -> dict[str, Any]:
        """Wait for a flow to be known."""
        return self.until(lambda: self.flow(name), f"the flow {name} is known")

    def until_run(self, flow: str, *states: str) -> dict[str, Any]:
        """Wait for the newest run of a flow to be in one of *states*."""

        def found() -> dict[str, Any] | None:
            runs = self.json("runs", "--flow", flow, "-n", "1", check=None) if self.flow(flow) else []
            return runs[0] if runs and runs[0]["state"] in states else None

        return self.until(found, f"a run of {flow} is {' or '.join(states)}")

    def sweep(self) -> None:
        """Leave no process of this world behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        marker = str(self.state).encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if marker in (entry / "cmdline").read_bytes() or marker in (entry / "environ").read_bytes():
                        os.kill(int(entry.name), signal.SIGKILL)
                except OSError:
                    continue


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    world = Daemon(tmp_path)
    try:
        yield world
    finally:
        world.sweep()
