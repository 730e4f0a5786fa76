"""People who command the daemon while it is being killed, and note down what they were answered."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from itertools import count
from random import Random
from typing import NamedTuple

from chaos.killing.stack import Stack
from chaos.killing.workload import BY_HAND, STEPS
from tidemill.control.answers import code_of
from tidemill.domain.errors import DaemonNotRunning, TidemillError


class Deed(NamedTuple):
    """One command and its answer."""

    verb: str
    subject: str
    """The flow or the run it was about."""
    sent: int
    """Microseconds since 1970."""
    answered: int | None
    """None: no answer came, so it may have been done or not."""
    run: str | None = None
    token: str | None = None


class Person(threading.Thread):
    """Commands at random until told to stop; *strike* is called right after some answers."""

    def __init__(
        self,
        stack: Stack,
        random: Random,
        number: int,
        strike: Callable[[], None],
        *,
        flows: Sequence[str] = BY_HAND,
        rest: tuple[float, float] = (0.02, 0.5),
        retry_within: float = 86_400.0,
    ) -> None:
        super().__init__(daemon=True, name=f"person-{number}")
        self.deeds: list[Deed] = []
        self.refused = 0
        self.strange: list[str] = []
        """Answers that no person should ever get."""
        self.over = threading.Event()
        self._stack = stack
        self._random = random
        self._number = number
        self._tokens = count()
        self._strike = strike
        self._flows = flows
        self._rest = rest
        """The least and the most seconds between two commands."""
        self._retry_within = retry_within
        """Seconds after its end in which a run is retried; none that may be on its way out of the history."""

    def run(self) -> None:
        """Be the thread."""
        while not self.over.wait(self._random.uniform(*self._rest)):
            act = self._random.choices(
                [self._run, self._retry, self._cancel, self._pause, self._run_by_cli], [60, 25, 8, 4, 3]
            )[0]
            try:
                act()
            except DaemonNotRunning:
                self.over.wait(0.2)
            except TidemillError as error:
                self.refused += 1
                if code_of(error) not in (4, 6):
                    self.strange.append(str(error))

    def _do(self, verb: str, subject: str, token: str | None = None, **arguments: object) -> None:
        sent = time.time_ns() // 1000
        try:
            answer = self._stack.ask(verb, **arguments)
        except DaemonNotRunning as error:
            if not str(error).startswith("the daemon is not running"):  # else nobody has heard it
                self.deeds.append(Deed(verb, subject, sent, None, None, token))
            raise
        self.deeds.append(Deed(verb, subject, sent, time.time_ns() // 1000, answer.get("run"), token))
        if self._random.random() < 0.08:
            self._strike()

    def _token(self) -> str:
        return f"{self._number}-{next(self._tokens)}"

    def _run(self) -> None:
        flow, token = self._random.choice(self._flows), self._token()
        self._do("run", flow, token, flow=flow, parameters={"token": token})

    def _run_by_cli(self) -> None:
        flow, token = self._random.choice(self._flows), self._token()
        sent = time.time_ns() // 1000
        command = [sys.executable, "-P", "-m", "tidemill", "run", flow, "-p", f'token="{token}"']
        process = subprocess.Popen(
            command, env=self._stack.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if self._random.random() < 0.2:  # a command may be killed as well
            self.over.wait(self._random.uniform(0, 0.3))
            with suppress(OSError):
                os.kill(process.pid, signal.SIGKILL)
        out, errors = process.communicate()
        if "Traceback" in errors:
            self.strange.append(errors)
        told = out.split()[-1] if out.endswith("\n") else None
        answered = None if told is None else time.time_ns() // 1000
        self.deeds.append(Deed("run", flow, sent, answered, told, token))

    def _retry(self) -> None:
        since = time.time_ns() // 1000 - round(self._retry_within * 1_000_000)
        run = self._pick(f"finished_at > {since} AND state NOT IN ('completed') ORDER BY queued_at DESC LIMIT 60")
        if run is not None:
            self._do("retry", run, run=run)

    def _cancel(self) -> None:
        run = self._pick("finished_at IS NULL LIMIT 20")
        if run is not None:
            self._do("cancel", run, run=run)

    def _pause(self) -> None:
        """Pause a flow for a while; one person only, so that nobody pauses what another resumes."""
        if self._number != 0:
            return
        flow = self._random.choice(list(STEPS))
        with suppress(DaemonNotRunning):
            self._do("pause", flow, flow=flow)
        self.over.wait(self._random.uniform(0.5, 4))
        while True:  # in any case, and when it is over too: a flow left paused would hide the rest
            with suppress(DaemonNotRunning):
                self._do("resume", flow, flow=flow)
                return
            time.sleep(0.2)

    def _pick(self, condition: str) -> str | None:
        """Return a run of the history at random."""
        try:
            with closing(self._stack.history()) as connection:
                rows = connection.execute(f"SELECT uid FROM runs WHERE root_id IS NULL AND {condition}").fetchall()
        except sqlite3.OperationalError:
            return None
        return self._random.choice(rows)[0] if rows else None
