"""What the tests of examples share: a copy of flows/ to run in, and the engine in a process of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tidemill.domain.events import Event, RunEnded, TaskEnded
from tidemill.domain.identifiers import new_run_id
from tidemill.domain.runs import RunOrder
from tidemill.journal.reader import JournalReader

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """What a run of a file came to."""

    code: int
    output: str
    log: str
    events: list[Event]

    @property
    def state(self) -> str | None:
        """The run's last word."""
        return next((event.state for event in self.events if isinstance(event, RunEnded)), None)

    def task(self, name: str) -> TaskEnded:
        """The end of a task."""
        return next(event for event in self.events if isinstance(event, TaskEnded) and event.name == name)

    def value(self, name: str) -> Any:
        """What a task returned, when the history would hold it as JSON."""
        result = self.task(name).result
        assert result is not None
        assert result.value is not None
        return msgspec.json.decode(result.value)


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    """A copy of the examples: what they write must not meet the next test."""
    return Path(
        shutil.copytree(ROOT / "flows", tmp_path / "flows", ignore=shutil.ignore_patterns("out", "__pycache__"))
    )


@pytest.fixture
def run_file(tmp_path: Path) -> Callable[..., Outcome]:
    """Run a flow file with the engine, as `tidemill run FILE` does."""

    def run(path: Path, **parameters: Any) -> Outcome:
        state = tmp_path / "state" / new_run_id()
        state.mkdir(parents=True)
        order = RunOrder(
            run=new_run_id(),
            flow=path.stem,
            path=str(path),
            sources={},
            root=str(path.parent),
            journal=str(state / "journal"),
            log=str(state / "log"),
            results_dir=str(state / "results"),
            cache_dir=str(tmp_path / "cache"),
            parameters=parameters,
        )
        (state / "order.json").write_bytes(msgspec.json.encode(order))
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tidemill.engine", str(state / "order.json")],
            env={**os.environ, "PYTHONPATH": str(ROOT / "daemon")},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        journal = state / "journal"
        with closing(JournalReader(journal)) as reader:
            events, _ = reader.read()
        log = (state / "log").read_text() if (state / "log").exists() else ""
        return Outcome(done.returncode, done.stdout + done.stderr, log, list(events))

    return run
