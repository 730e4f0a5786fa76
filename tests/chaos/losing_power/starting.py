"""The first start of a daemon after the power came back: its own rooms, as far as they deal with what is left."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from chaos.simulation.loop import SimLoop
from chaos.simulation.physics import Hours
from tidemill.config.paths import StatePaths
from tidemill.dispatcher.dispatcher import Dispatcher
from tidemill.history.owing import load_all_owed
from tidemill.history.recorder import Recorder
from tidemill.history.writing import Writer
from tidemill.journal import processes as naming
from tidemill.service import processes, recovery
from tidemill.service.inbox import Inbox
from tidemill.service.limits import RunSlots, put_into_force
from tidemill.service.lock import StateLock, prepare_state
from tidemill.service.opening import open_history
from tidemill.service.recording import Recording
from tidemill.service.recovery import Recovery, load_left
from tidemill.service.roster import Roster
from tidemill.service.watching import ExitWatch

LOOKS: Final = 3.0
"""Seconds after which nothing comes any more that recovery waits for."""
EVERYTHING: Final = 10**6


class Start(NamedTuple):
    """What came of a start."""

    begun: dict[str, str]
    """The runs that were given to the fork server, and for retries the files of what they take over."""
    complaints: list[str]
    """What the daemon told of damage or loss."""
    owed: list[str]
    """The runs whose hooks would be called."""


def start(state: Path) -> Start:
    """Start with the state directory *state*, deal with everything that was left there, and end again."""
    paths = StatePaths(state)
    with _complaints() as complaints, _another_boot():
        prepare_state(paths)
        with StateLock(paths) as lock:
            lock.write_pid()
            begun, owed = _recover(paths)
    return Start(begun, complaints, owed)


def _recover(paths: StatePaths) -> tuple[dict[str, str], list[str]]:
    hours = Hours(time.time())
    loop: Any = SimLoop(hours)
    asyncio._set_running_loop(loop)
    recorder = Recorder(
        open_history(paths.database, paths),
        lambda facts: inbox.put(dispatcher.observe, facts),
        monotonic=hours.monotonic,
    )
    try:
        inbox = Inbox(loop)
        launcher = Launcher()
        put_into_force(paths, {})
        dispatcher = Dispatcher(
            Recording(recorder, inbox),
            launcher,
            paths.journal,
            slots=RunSlots(paths.limits),
            max_runs=EVERYTHING,
            cancel_grace=5.0,
            on_end=lambda run: None,
            monotonic=hours.monotonic,
        )
        taking = Recovery(dispatcher, ExitWatch(paths, dispatcher.exited), Roster())
        taking.take_up(_ask(recorder, partial(load_left, paths=paths)), ())
        owed = _ask(recorder, load_all_owed)
        deadline = hours.monotonic() + LOOKS
        while hours.monotonic() < deadline:
            if not (_turn(recorder) or loop.run_one()):
                hours.pass_by(0.1)
        while dispatcher.start_due(EVERYTHING):
            pass
        uids = [each.run.uid for each in owed]
        return launcher.begun, [uid for uid in uids if not paths.hooks_journal(uid).exists()]
    finally:
        recorder._close()
        loop.close()
        asyncio._set_running_loop(None)


def _ask(recorder: Recorder, work: Callable[[Writer], Any]) -> Any:
    answers: list[Any] = []
    recorder.submit(work, answers.append)
    _turn(recorder)
    if not answers:
        raise AssertionError(f"the history cannot be asked: {recorder.problem}")
    if isinstance(answers[0], BaseException):
        raise answers[0]
    return answers[0]


def _turn(recorder: Recorder) -> bool:
    """Do what the recorder's thread would; tell whether there was anything."""
    if not (recorder._queue or recorder._asked or recorder._hinted_at is not None or recorder._journals.has_more):
        return False
    recorder._turn()
    if recorder.problem is not None:
        raise AssertionError(f"the history cannot be written: {recorder.problem}")
    return True


class Launcher:
    """Notes down what would be executed, and executes nothing."""

    def __init__(self) -> None:
        self.begun: dict[str, str] = {}

    def launch(self, run: Any) -> None:
        """Take an order."""
        self.begun[run.uid] = run.finished


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Give what the daemon logs as errors, or worse."""
    told: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    listener, log = Listener(logging.ERROR), logging.getLogger("tidemill")
    log.addHandler(listener)
    try:
        yield told
    finally:
        log.removeHandler(listener)


@contextmanager
def _another_boot() -> Iterator[None]:
    """Let no process of before be alive, whoever has its number now; and nobody holds a journal open."""
    with (
        patch.object(naming, "boot_id", lambda: "the next"),
        patch.object(recovery, "boot_id", lambda: "the next"),
        patch.object(processes, "_holder_of", lambda journal: None),
    ):
        yield
