"""A real daemon, commanded by the real CLI: most commands in this process, some in one of their own.

A command in this process goes the whole way of one in a shell, from its words through the real history and the real
socket to its exit code; what is saved is the start of a Python, which is twenty times the rest.
"""

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from acceptance.conftest import SOURCE, Daemon
from chaos.commanding.flow_files import SETTINGS
from tidemill.cli.main import main

PATIENCE = 60.0
"""Seconds within which what was asked for is seen: a file in force, a crash shown."""
UNFORESEEN = "TIDEMILL_DEBUG"
"""What the CLI says where nobody thought of something."""


class Told(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document it printed."""
        return json.loads(self.out)


class World(Daemon):
    """The folder, the daemon in the background, and a person at the shell."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.place = folder / "place"
        (self.place / "let_go").mkdir(parents=True)
        self.config = folder / "tidemill.toml"
        self.config.write_text(SETTINGS)
        self.environment["TIDEMILL_CONFIG"] = str(self.config)
        self.commands = 0
        self.processes = 0

    def tell(self, *words: str, alone: bool = False) -> Told:
        """Give a command, *alone* in a process of its own; whatever it says, it says it in sentences."""
        self.commands += 1
        told = self._tell_alone(words) if alone else self._tell_here(words)
        # A run in this terminal may tell of its own code; of ours nobody ever sees a line.
        assert "Traceback" not in told.err or str(SOURCE) not in told.err, f"{words}: {told.err}"
        assert UNFORESEEN not in told.err, f"{words}: {told.err}"
        assert told.code in range(7), f"{words}: {told}"
        if told.code > 1:
            assert told.err.startswith(("tidemill: ", "Usage")) or "\ntidemill: " in told.err or told.code == 3, told
        return told

    def _tell_alone(self, words: tuple[str, ...]) -> Told:
        self.processes += 1
        line = [sys.executable, "-P", "-m", "tidemill", *words]
        done = subprocess.run(
            line,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Told(done.returncode, done.stdout, done.stderr)

    def _tell_here(self, words: tuple[str, ...]) -> Told:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with mock.patch.dict(os.environ, self.environment, clear=True), redirect_stdout(out), redirect_stderr(err):
            code = main(words)
        texts = [stream.buffer.getvalue().decode("utf-8") for stream in (out, err)]
        return Told(code, *texts)

    def read(self, *words: str) -> Any:
        """Give a reading command and return its document."""
        told = self.tell(*words, "--json")
        assert told.code == 0, f"{words}: {told}"
        return told.document

    @property
    def has_history(self) -> bool:
        """Tell whether a daemon ever served, or a run was recorded."""
        return (self.state / "history.db").exists()

    @property
    def pid(self) -> int:
        """The daemon's."""
        return int((self.state / "daemon.pid").read_text())

    def asked(self, question: str) -> Any:
        """Ask the history, and return the first row of the answer."""
        with closing(sqlite3.connect(f"file:{self.state}/history.db?mode=ro", uri=True)) as connection:
            return connection.execute(question).fetchone()

    def strike(self, pid: int) -> None:
        """Kill a process and wait until it is gone."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.until(lambda: _is_gone(pid), f"process {pid} is gone")

    def let_go(self, name: str) -> None:
        """Let one held run end, or "all"."""
        (self.place / "let_go" / name).touch()

    def soon(self, question: Callable[[], str]) -> None:
        """Wait until a question is answered with nothing that is wrong."""
        deadline = time.monotonic() + PATIENCE
        while wrong := question():
            assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {wrong}"
            time.sleep(0.02)


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith(("Z", "X"))
    except OSError:
        return True
