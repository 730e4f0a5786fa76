"""One world of a sweep: a story, the death of one process right before one call, and the judgement."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL
from typing import Any, Final, NamedTuple

from chaos.killing.rest import SHARED
from chaos.reference_run.judging import judge, settle
from chaos.reference_run.stack import ReferenceStack
from chaos.reference_run.telling import Acks, Teller, tell
from chaos.reference_run.variants import prepare
from chaos.sweeping.nursery import nursery
from chaos.sweeping.points import VARIANTS, Numbering, Point, changes_something
from chaos.tracing.calls import KILL, PASS, Call, Verdict
from chaos.tracing.tracer import Tracer
from tidemill.domain.errors import TidemillError


class Outcome(NamedTuple):
    """What came of a world."""

    point: str
    hits: int
    """How many processes were killed: 2 for a pair of which both were."""
    violations: list[str]
    starts: int
    """Daemons that were started."""
    litter: int
    """Files that killed processes left in the folder for temporary ones, and drafts that wait for the pruning."""
    seconds: float


class Striker:
    """Kills who makes the call that is the point, and for a pair who makes a certain one afterwards."""

    def __init__(self, point: Point, folder: Path) -> None:
        self.hits = 0
        self.is_over = True
        """Nobody is to be killed any more."""
        self._point = point._replace(then=None)
        self._left = point.then or 0
        self.numbering = Numbering(VARIANTS[point.phase], folder)
        self._struck: set[int] = set()

    def strike_on(self, stack: ReferenceStack) -> None:
        """From here on calls are numbered."""
        self._struck = stack.struck
        self.is_over = False

    def decide(self, call: Call) -> Verdict:
        """Kill at the point."""
        if self.is_over:
            return PASS
        if self.hits:
            self._left -= changes_something(call)
            return PASS if self._left else self._kill(call)
        return self._kill(call) if self.numbering.number(call) == self._point else PASS

    def _kill(self, call: Call) -> Verdict:
        self.hits += 1
        self.is_over = not self._left
        if call.role == "daemon":
            self._struck.add(call.pid)
        return KILL


class Struck(Exception):
    """All kills of this world were made: what is left of the story would be like its first part."""


class Interrupted(Teller):
    """Tells the story until all kills were made."""

    def __init__(self, stack: ReferenceStack, striker: Striker) -> None:
        super().__init__(stack)
        self._striker = striker

    def see_to_daemon(self) -> None:
        """Look whether there is anything left to tell, and start a daemon where none lives."""
        if self._striker.is_over:
            raise Struck
        super().see_to_daemon()


def kill_at(point: Point, folder: Path) -> Outcome:
    """Tell the story of the point's variant in *folder*, kill at the point, and judge."""
    began = time.monotonic()
    striker = Striker(point, folder)
    tracer = Tracer(decide=striker.decide, spawn=nursery())
    variant = VARIANTS[point.phase]
    stack = prepared(folder, variant, tracer, striker.numbering)
    striker.strike_on(stack)
    try:
        teller = Interrupted(stack, striker)
        with suppress(Struck):
            TELLINGS[variant](stack, teller)
        striker.is_over = True
        try:
            violations = settle(stack)
        except TidemillError as error:
            violations = [f"it did not come to rest: {error}"]
    finally:
        stack.sweep()
        tracer.stop()
    violations += judge(stack, teller.acks)
    violations += [
        f"a daemon that nobody had killed ended with {code}" for code in teller.acks.ends if code != -SIGKILL
    ]
    litter = len([*(folder / "tmp").iterdir(), *_drafts(stack)])
    return Outcome(str(point), striker.hits, violations, stack.starts, litter, round(time.monotonic() - began, 2))


def prepared(folder: Path, variant: str, tracer: Tracer, numbering: Numbering) -> ReferenceStack:
    """Prepare what the variant begins with, temporary files within its folder; *numbering* learns of its end."""
    folder.mkdir()
    (folder / "tmp").mkdir()
    stack = prepare(folder, variant, tracer.launch)
    stack.environment["TMPDIR"] = str(folder / "tmp")
    ask, terminate = stack.ask, stack.terminate

    def asked(verb: str, *args: Any, **options: Any) -> Any:
        if verb == "stop":
            numbering.leave()
        return ask(verb, *args, **options)

    def terminated(patience: float) -> int | None:
        numbering.leave()
        return terminate(patience)

    stack.ask, stack.terminate = asked, terminated
    return stack


def _drafts(stack: ReferenceStack) -> Iterator[Path]:
    for folder in SHARED:
        yield from stack.state.glob(f"{folder}/??/.*")


def _take_over(stack: ReferenceStack, teller: Teller | None = None) -> Acks:
    """Wait until a daemon has taken over what the last one had left, and until that has ended."""
    teller = teller or Teller(stack)
    teller.acks.deeds.extend(stack.before)
    if teller.until_it_serves():
        for deed in stack.before:
            if deed.verb == "run" and deed.run is not None:
                teller.until(lambda run=deed.run: teller.has_ended(run), f"the run {deed.run} ends")
    return teller.acks


TELLINGS: Final[dict[str, Callable[..., Acks]]] = {
    "fresh": tell,
    "shutdown": tell,
    "migration": _take_over,
    "recovery": _take_over,
}
