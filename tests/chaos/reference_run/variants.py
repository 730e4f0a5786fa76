"""What the reference run begins with: nothing, a history of an older version, or what killed processes have left."""

import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from chaos.reference_run.stack import ReferenceStack
from chaos.reference_run.telling import Teller

VARIANTS: Final = ("fresh", "migration", "recovery", "shutdown")

_BACK: Final = """
DROP INDEX backfills;
DROP INDEX runs_ended;
DROP TABLE removals;
UPDATE alembic_version SET version_num = '0003';
"""


def prepare(folder: Path, variant: str = "fresh", launch: Callable[..., Any] = subprocess.Popen) -> ReferenceStack:
    """Make the state directory that the story begins with, in *folder*, which is there and empty; nobody is watched.

    *fresh* begins with nothing, and *shutdown* too: its story ends by a stop that waits for the runs. *migration*: a
    history with runs, two versions of the schema older. *recovery*: a daemon and one run were killed, another run
    lives, a third waits for nothing but a daemon.
    """
    stack = ReferenceStack(folder, variant)
    stack.launch = launch
    if variant in ("migration", "recovery"):
        teller = Teller(stack)
        teller.until_it_serves()
        if variant == "migration":
            _have_ended(stack, teller)
        else:
            _leave_behind(stack, teller)
        stack.before = teller.acks.deeds
        stack.daemon = None
    return stack


def _have_ended(stack: ReferenceStack, teller: Teller) -> None:
    """Let a run end, stop, and take from the history what its newest versions have brought."""
    run = teller.do("run", "graph", flow="graph")
    teller.until(lambda: teller.has_ended(run), "the run ends")
    teller.stop()
    with closing(sqlite3.connect(stack.state / "history.db")) as history:
        history.executescript(_BACK)


def _leave_behind(stack: ReferenceStack, teller: Teller) -> None:
    """Kill the daemon and a run, and let another live on."""
    doomed, spared = (str(teller.do("run", "slow", flow="slow")) for _ in range(2))
    teller.until(lambda: stack.is_at_work(doomed) and stack.is_at_work(spared), "both are at work")
    teller.do("run", "graph", flow="graph")
    stack.kill_daemon()
    stack.daemon.wait()
    for process in stack.processes():
        if process.run == doomed:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
