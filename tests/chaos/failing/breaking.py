"""One telling of the reference run with one fault, and what must be true of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from chaos.failing.acknowledging import Order
from chaos.failing.disturbance import Disturbance
from chaos.failing.faults import Fault
from chaos.killing.evidence import Evidence
from chaos.reference_run.judging import judge, settle
from chaos.reference_run.stack import ReferenceStack
from chaos.reference_run.telling import Acks
from chaos.sweeping.nursery import nursery
from chaos.sweeping.points import Point
from chaos.sweeping.worlds import TELLINGS, prepared
from chaos.tracing.spawning import Launched
from chaos.tracing.tracer import Tracer
from tidemill.domain.errors import DaemonNotRunning


class Outcome(NamedTuple):
    """What came of one telling."""

    fault: str
    violations: list[str]
    points: list[Point]
    """What was passed before anything failed."""
    is_hit: bool
    refused: dict[str, int]
    ends: list[int]
    """Exit codes of daemons that could not start."""
    states: dict[str, int]
    """How many runs of people's ended in which state."""


def break_once(folder: Path, variant: str, fault: Fault | None = None) -> Outcome:
    """Tell the story of *variant* in *folder*, which it makes, with *fault*; let all come to rest, and judge."""
    disturbance, order = Disturbance(folder, variant, fault), Order()
    # Imports are what a daemon that may open nothing more fails at first; all others need not do them each time.
    spawn = Launched if fault is not None and fault.error == "EMFILE" else nursery()
    tracer = Tracer(decide=disturbance.decide, seen=order.seen, data=True, spawn=spawn)
    stack = prepared(folder, variant, tracer, disturbance.numbering)
    lives = Lives(stack)
    disturbance.is_let = True
    try:
        stack.launch = lambda argv, **options: lives.begin(tracer.launch(argv, **options))
        acks = TELLINGS[variant](stack)
        disturbance.heal()
        stack.launch = tracer.launch
        try:
            violations = settle(stack)
        except DaemonNotRunning as error:
            violations = [f"I14 a daemon that nobody disturbs did not answer: {error}"]
    finally:
        disturbance.heal()
        stack.sweep()
        tracer.stop()
    violations += judge(stack, acks)
    answered = [deed.run for deed in acks.deeds if deed.verb == "run" and deed.run and deed not in stack.before]
    states, wrong = _ends(stack, acks, fault, disturbance)
    violations += [*order.too_early(answered), *lives.violations(acks, is_hit=disturbance.is_hit), *wrong]
    violations += _servers(stack)
    return Outcome(
        str(fault), violations, disturbance.points, disturbance.is_hit, dict(disturbance.refused), acks.ends, states
    )


class Lives:
    """The daemons of one telling, each with where its words begin in the log."""

    def __init__(self, stack: ReferenceStack) -> None:
        self._stack = stack
        self._begun: list[tuple[Any, int]] = []

    def begin(self, daemon: Any) -> Any:
        """Take note of a daemon that was started."""
        self._begun.append((daemon, self._stack.log.stat().st_size))
        return daemon

    def violations(self, acks: Acks, *, is_hit: bool) -> Iterator[str]:
        """Give what no daemon may do: die once it serves, die by a signal or without a word, or when nothing failed."""
        words = self._stack.log.read_bytes()
        ends = [begin for _, begin in self._begun[1:]] + [len(words)]
        for (daemon, begin), end in zip(self._begun, ends, strict=True):
            code, told = daemon.returncode, words[begin:end].decode(errors="replace")
            if code == 0 or code not in acks.ends:
                continue
            if code is None or code < 0 or "serving" in told or not is_hit:
                yield f"a daemon died with {code}: {told[-500:]}"
            elif len(re.findall(r"^tidemill: .+", told, re.M)) != 1:
                yield f"a daemon that could not start, and ended with {code}, said: {told[-500:]}"


def _ends(
    stack: ReferenceStack, acks: Acks, fault: Fault | None, disturbance: Disturbance
) -> tuple[dict[str, int], list[str]]:
    """Count how runs ended; one without success has a sentence that names the fault."""
    states: dict[str, int] = {}
    wrong: list[str] = []
    doomed = {acks.deeds[0].run} if stack.variant == "recovery" else set()
    cancelled = {deed.subject for deed in acks.deeds if deed.verb == "cancel"}
    evidence = Evidence(stack.state, stack.ledger, acks.deeds, [])
    try:
        for uid, run in evidence.tops.items():
            states[run["state"]] = states.get(run["state"], 0) + 1
            if run["state"] == "completed" or uid in doomed or (uid in cancelled and run["state"] == "cancelled"):
                continue
            error = run["error"] or ""
            if fault is None or not disturbance.is_hit or not error or "Traceback" in error:
                wrong.append(f"the run {uid} of {run['flow']} is {run['state']}: {error}")
    finally:
        evidence.close()
    return states, wrong


def _servers(stack: ReferenceStack) -> Iterator[str]:
    """Give the tracebacks in the logs of fork servers and of the daemon's own."""
    for path in (stack.state / "logs").glob("*.log"):
        text = path.read_text(errors="replace")
        if "Traceback" in text:
            yield f"{path.name}: {text[text.index('Traceback') :][-1500:]}"
