"""Runs flow files as the fork server does: in a forked child with a journal, a log and a process group of its own."""

import os
import pickle
import signal
import sys
import textwrap
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemill.domain.events import Event, RunEnded, RunNoted, TaskEnded, TaskRetrying, TaskStarted
from tidemill.domain.identifiers import new_run_id
from tidemill.domain.manifests import FileManifest
from tidemill.domain.runs import InspectionOrder, RunOrder
from tidemill.engine.files.inspection import inspect
from tidemill.engine.process import main
from tidemill.journal.reader import JournalReader

DEADLINE = 20.0


@dataclass
class Record:
    """What a run left behind."""

    order: RunOrder
    events: list[Event]
    log: str
    exit_code: int
    tasks: dict[str, TaskEnded] = field(default_factory=dict)

    @property
    def end(self) -> RunEnded:
        (end,) = self.of(RunEnded)
        return end

    @property
    def state(self) -> str:
        return self.end.state

    def of(self, *kinds: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]

    def states(self) -> dict[str, str]:
        return {name: task.state for name, task in self.tasks.items()}

    def lines(self) -> list[str]:
        """Return the log without its times."""
        return [line.partition(" ")[2] for line in self.log.splitlines()]


def write_flow(folder: Path, text: str, name: str = "etl.py") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


def inspect_file(path: Path, root: Path | None = None, source: Path | None = None) -> FileManifest:
    """Inspect in a child, as inspections always are."""
    order = InspectionOrder(str(path), str(root or path.parent), None if source is None else str(source))
    answer = _in_child(lambda: inspect(order), path.parent)
    assert isinstance(answer, FileManifest), answer
    return answer


def run_file(
    path: Path,
    flow: str = "",
    *,
    state: Path,
    root: Path | None = None,
    meanwhile: Callable[[int, Path], None] | None = None,
    **fields: Any,
) -> Record:
    """Run a flow in a child; *meanwhile* is called with its pid and its log."""
    run = new_run_id()
    place = state / run
    place.mkdir(parents=True)
    fields.setdefault("sources", {})
    order = RunOrder(
        run=run,
        flow=flow,
        path=os.path.realpath(path),
        root=str(root or path.parent),
        journal=str(place / "journal"),
        log=str(place / "log"),
        results_dir=str(place / "results"),
        **fields,
    )
    pid = os.fork()
    if pid == 0:
        _be_run(order)
    if meanwhile is not None:
        meanwhile(pid, place / "log")
    exit_code = _wait(pid)
    with closing(JournalReader(place / "journal")) as reader:
        events, _ = reader.read(100_000_000)
    log = (place / "log").read_text()
    return Record(
        order, events, log, exit_code, {event.name: event for event in events if isinstance(event, TaskEnded)}
    )


def wait_for_line(log: Path, text: str) -> None:
    """Return when the log holds *text*."""
    end = time.monotonic() + DEADLINE
    while not (log.exists() and text in log.read_text()):
        assert time.monotonic() < end, f"the log never said {text!r}"
        time.sleep(0.005)


def _be_run(order: RunOrder) -> None:
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        journal = os.open(order.journal, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        log = os.open(order.log, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        main(order, journal, log, None)
        os._exit(0)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    os._exit(70)


def _wait(pid: int) -> int:
    end = time.monotonic() + DEADLINE
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise AssertionError("the run never ended")
        time.sleep(0.002)


def _in_child(work: Callable[[], object], folder: Path) -> object:
    answer = folder.parent / f"answer-{new_run_id()}"
    pid = os.fork()
    if pid == 0:
        try:
            sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - for the child's whole life
            answer.write_bytes(pickle.dumps(work()))
        except BaseException:
            answer.write_bytes(pickle.dumps(traceback.format_exc()))
        os._exit(0)
    _wait(pid)
    return pickle.loads(answer.read_bytes())


__all__ = [
    "Record",
    "RunNoted",
    "TaskRetrying",
    "TaskStarted",
    "inspect_file",
    "run_file",
    "wait_for_line",
    "write_flow",
]
