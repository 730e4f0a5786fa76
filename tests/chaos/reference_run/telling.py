"""The story of the reference run, as a person and systemd tell it; a daemon that dies is started again."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from chaos.killing.person import Deed
from chaos.killing.stack import Stack
from chaos.reference_run.stack import ReferenceStack
from tidemill.domain.errors import DaemonNotRunning, TidemillError

PATIENCE: Final = 90.0
"""Seconds for each step of the story: a daemon may be started many times in them, on a machine that is busy."""
PAUSE: Final = 0.1
"""Seconds before a daemon that died is started again, and a step that came to nothing is tried again."""


class Acks(NamedTuple):
    """What people were told, and how daemons ended."""

    deeds: list[Deed]
    refusals: list[str]
    """Answers that were errors: sentences."""
    ends: list[int]
    """The exit code of each daemon that ended before it was asked to."""
    stuck: list[str]
    """Steps that came to nothing for as long as anybody would wait."""


class Teller:
    """Drives the stack through the story, and notes down what it is told."""

    def __init__(self, stack: Stack) -> None:
        self.acks = Acks([], [], [], [])
        self._stack = stack

    def see_to_daemon(self) -> None:
        """Start a daemon where none lives, as systemd does."""
        stack = self._stack
        if stack.daemon is not None and (code := stack.daemon.poll()) is not None:
            if stack.daemon.pid not in stack.struck:
                self.acks.ends.append(code)
                time.sleep(PAUSE)
            stack.daemon = None
        if stack.daemon is None:
            stack.start()

    def until(self, condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> bool:
        """Wait for *condition*, with a daemon always alive."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            self.see_to_daemon()
            if condition():
                return True
            time.sleep(0.02)
        self.acks.stuck.append(f"not within {patience:g} s: {what}")
        return False

    def until_it_serves(self) -> bool:
        """Wait for a daemon that answers."""
        return self.until(self._stack.serves, "a daemon serves")

    def do(self, verb: str, subject: str, **arguments: object) -> str | None:
        """Ask until it is answered; return the run that the answer names. Each time is a deed of its own."""
        answers: list[str | None] = []

        def ask() -> bool:
            sent, token = _now(), f"{len(self.acks.deeds)}"
            given = {"parameters": {"token": token}} if subject in ("graph", "slow") else {}
            try:
                answer = self._stack.ask(verb, timeout=5.0, **arguments, **given)
            except TidemillError as error:
                self.acks.deeds.append(Deed(verb, subject, sent, None, None, token))
                if not isinstance(error, DaemonNotRunning):
                    self.acks.refusals.append(f"{verb} {subject}: {error}")
                    if "is over already" in str(error):
                        answers.append(None)
                time.sleep(PAUSE if not answers else 0)
                return bool(answers)
            self.acks.deeds.append(Deed(verb, subject, sent, _now(), answer.get("run"), token))
            answers.append(answer.get("run"))
            return True

        self.until(ask, f"{verb} {subject}")
        return answers[0] if answers else None

    def has_ended(self, run: str | None) -> bool:
        """Tell whether the history says that *run* has ended."""
        return self._stack.state_of(run) not in (None, "scheduled", "pending", "running", "retrying", "cancelling")

    def stop(self) -> None:
        """Ask the daemon to end; one that does not is told as stuck, and killed."""
        stack = self._stack
        if not stack.is_up():
            return
        if (code := stack.terminate(PATIENCE)) is None:
            self.acks.stuck.append("a daemon that was asked to end did not")
            stack.kill_daemon()
        elif code != 0:
            self.acks.ends.append(code)


def tell(stack: ReferenceStack, teller: Teller | None = None) -> Acks:
    """Start, run, cancel, pause, resume, stop; return what was answered. Takes what dies on the way for granted."""
    teller = teller or Teller(stack)
    teller.acks.deeds.extend(stack.before)
    if not teller.until_it_serves():
        return teller.acks
    if stack.variant == "shutdown":
        _stop_and_wait(stack, teller)
        return teller.acks
    slow = teller.do("run", "slow", flow="slow")
    runs = [teller.do("run", "graph", flow="graph")]
    teller.do("pause", "beat", flow="beat")
    if slow is not None:
        teller.until(lambda: stack.is_at_work(slow) or teller.has_ended(slow), "what is to be cancelled is at work")
        teller.do("cancel", slow, run=slow)
    teller.do("resume", "beat", flow="beat")
    teller.until(lambda: teller.has_ended(runs[0]), "the first run ends")
    runs.append(teller.do("run", "graph", flow="graph"))
    for run in (slow, runs[1]):
        if run is not None:
            teller.until(lambda run=run: teller.has_ended(run), f"the run {run} ends")
    teller.do("run", "slow", flow="slow")  # lives on while the daemon ends
    teller.stop()
    return teller.acks


def _stop_and_wait(stack: Stack, teller: Teller) -> None:
    """Ask for a stop that lets live runs end first."""
    teller.do("run", "slow", flow="slow")
    teller.do("run", "graph", flow="graph")
    with suppress(TidemillError):
        stack.ask("stop", drain=True)
    deadline = time.monotonic() + PATIENCE
    while stack.is_up() and time.monotonic() < deadline:
        time.sleep(0.02)
    teller.stop()


def _now() -> int:
    return time.time_ns() // 1000
