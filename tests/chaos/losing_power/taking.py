"""Takes recordings: of the reference run, a longer story, starts on what is damaged or was lost, a small program."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from chaos.killing.stack import SOURCE, Stack
from chaos.killing.workload import Workload
from chaos.losing_power.facts import BEGIN, HARMED
from chaos.losing_power.image import differences, put
from chaos.losing_power.playing import begins, draw, image_of
from chaos.losing_power.recording import Recording, Told
from chaos.losing_power.story import WORKLOAD, Story
from chaos.losing_power.telling import Onlooker, listen
from chaos.losing_power.watching import Watcher
from chaos.reference_run.flows import REFERENCE
from chaos.reference_run.judging import settle
from chaos.reference_run.stack import ReferenceStack
from chaos.reference_run.telling import Teller, tell
from chaos.reference_run.variants import prepare
from chaos.tracing.tracer import Tracer

VARIANTS: Final = ("fresh", "migration", "shutdown")
"""Of the reference run those in which nobody lives who was not watched from the beginning."""
BY_HAND: Final = Workload(REFERENCE.settings, {"byhand.py": REFERENCE.files["byhand.py"]})
"""What nothing starts by itself."""
SMALL: Final = Path(__file__).with_name("small.py")
MEMORY: Final = Path("/dev/shm")  # where what is put there thousands of times touches no disk


def record_reference(variant: str) -> Recording:
    """Record the reference run."""
    with _folder() as folder:
        stack = prepare(folder, variant)
        return _record(stack, lambda watcher, tracer: _tell_reference(stack))


def record_mending(harm: Callable[[Path], None]) -> Recording:
    """Record a daemon that finds a history to which *harm* was done, what it does about it, and that it serves then."""
    with _folder() as folder:
        stack = Stack(folder, BY_HAND)
        runs = _killed_in_service(stack)
        harm(stack.state / "history.db")

        def go_on(watcher: Watcher, tracer: Tracer) -> None:
            watcher.tell(HARMED, runs)
            watcher.tell(BEGIN, None)
            _serve_for_a_while(stack)

        return _record(stack, go_on)


def record_again(seed: int) -> Recording:
    """Record the first start after a loss of power in the reference run, at a moment that *seed* draws."""
    with _folder() as folder:
        stack = prepare(folder, "fresh")
        first = _record(stack, lambda watcher, tracer: _tell_reference(stack))
        (state,) = draw(first, 1, seed)
        told = [deed for deed in first.deeds[begins(first) : state.cut] if isinstance(deed, Told)]
        put(image_of(first, state), folder)

        def go_on(watcher: Watcher, tracer: Tracer) -> None:
            for deed in told:
                watcher.tell(*deed)
            watcher.tell(BEGIN, None)
            _serve_for_a_while(stack)

        return _record(stack, go_on)


def record_story(hundreds: float) -> Recording:
    """Record the longer story."""
    with _folder() as folder:
        stack = Stack(folder, WORKLOAD)
        return _record(stack, lambda watcher, tracer: Story(folder, watcher, tracer, stack, hundreds).tell())


def record_small(runs: int, synchronous: int) -> Recording:
    """Record the small program."""
    with _folder() as folder:
        watcher = Watcher(folder)
        command = [sys.executable, "-P", str(SMALL), str(folder), str(runs), str(synchronous)]
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        with Tracer(decide=watcher.decide, seen=watcher.seen, data=True) as tracer:
            if (code := tracer.launch(command, env=environment).wait(60)) != 0:
                raise AssertionError(f"{command} ended with {code}")
        return _checked(watcher)


@contextmanager
def _folder() -> Iterator[Path]:
    """Give a folder, and leave nothing of it; what is played back has its place, for paths are recorded too."""
    folder = Path(tempfile.mkdtemp(prefix="power-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tell_reference(stack: ReferenceStack) -> None:
    tell(stack)
    if wrong := settle(stack):
        raise AssertionError(f"undisturbed, and yet: {wrong}")


def _serve_for_a_while(stack: Stack) -> None:
    """Start a daemon, have a run made and ended, and stop it."""
    teller = Teller(stack)
    teller.until_it_serves()
    _one_run(teller)
    teller.stop()
    stack.daemon = None
    if wrong := [*teller.acks.stuck, *teller.acks.refusals, *teller.acks.ends]:
        raise AssertionError(f"it did not serve: {wrong}")


def _killed_in_service(stack: Stack) -> list[str]:
    """Kill everything while a daemon serves; its log then holds a part of the history's pages. Return the runs."""
    teller = Teller(stack)
    teller.until_it_serves()
    log = stack.state / "history.db-wal"
    runs = [_one_run(teller) for _ in range(2)]
    teller.until(lambda: log.stat().st_size == 0, "the write-ahead log is folded into the file")
    runs.append(_one_run(teller))
    while stack.processes():
        stack.sweep()
        time.sleep(0.05)
    stack.daemon = None
    return runs


def _one_run(teller: Teller) -> str:
    """Have a run made, and wait for its end."""
    run = teller.do("run", "graph", flow="graph")
    teller.until(lambda: teller.has_ended(run), "a run ends")
    return str(run)


def _record(stack: Stack, go_on: Callable[[Watcher, Tracer], None]) -> Recording:
    """Record what the stack does while *go_on* goes on."""
    watcher = Watcher(stack.folder)
    onlooker = Onlooker(stack, watcher)
    ask, launch = stack.ask, stack.launch
    try:
        with Tracer(decide=watcher.decide, seen=watcher.seen, data=True) as tracer:
            stack.launch = tracer.launch
            listen(stack, watcher)
            onlooker.start()
            try:
                go_on(watcher, tracer)
            finally:
                onlooker.stop()
        return _checked(watcher)
    finally:
        stack.sweep()
        stack.ask, stack.launch, stack.daemon = ask, launch, None


def _checked(watcher: Watcher) -> Recording:
    """Refuse a recording that does not end in what is there."""
    if differ := differences(watcher.recording):
        raise AssertionError(f"the recording does not lead to what is there: {differ[:8]}, {len(differ)} in all")
    return watcher.recording
