"""Takes recordings: of the reference run, of a longer story, of a small program."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from chaos.killing.stack import SOURCE, Stack
from chaos.losing_power.image import differences
from chaos.losing_power.recording import Recording
from chaos.losing_power.story import WORKLOAD, Story
from chaos.losing_power.telling import Onlooker, listen
from chaos.losing_power.watching import Watcher
from chaos.reference_run.judging import settle
from chaos.reference_run.telling import tell
from chaos.reference_run.variants import prepare
from chaos.tracing.tracer import Tracer

VARIANTS: Final = ("fresh", "migration", "shutdown")
"""Of the reference run those in which nobody lives who was not watched from the beginning."""
SMALL: Final = Path(__file__).with_name("small.py")
MEMORY: Final = Path("/dev/shm")  # where what is put there thousands of times touches no disk


def record_reference(variant: str) -> Recording:
    """Record the reference run."""
    with _folder() as folder:
        stack = prepare(folder, variant)

        def go_on(watcher: Watcher, tracer: Tracer) -> None:
            stack.launch = tracer.launch
            listen(stack, watcher)
            tell(stack)
            if wrong := settle(stack):
                raise AssertionError(f"undisturbed, and yet: {wrong}")

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


def _record(stack: Stack, go_on: Callable[[Watcher, Tracer], None]) -> Recording:
    watcher = Watcher(stack.folder)
    onlooker = Onlooker(stack, watcher)
    try:
        with Tracer(decide=watcher.decide, seen=watcher.seen, data=True) as tracer:
            onlooker.start()
            try:
                go_on(watcher, tracer)
            finally:
                onlooker.stop()
        return _checked(watcher)
    finally:
        stack.sweep()


def _checked(watcher: Watcher) -> Recording:
    """Refuse a recording that does not end in what is there."""
    if differ := differences(watcher.recording):
        raise AssertionError(f"the recording does not lead to what is there: {differ[:8]}, {len(differ)} in all")
    return watcher.recording
