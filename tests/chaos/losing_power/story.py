"""A longer story on the real stack: some hundred runs, kills, a backup, a pruning, a run in a terminal."""

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from chaos.killing.stack import Stack
from chaos.killing.workload import Workload
from chaos.losing_power.facts import BACKED_UP, RECORDED, REMOVED, REMOVING
from chaos.losing_power.watching import Watcher
from chaos.reference_run.flows import REFERENCE
from chaos.reference_run.telling import Teller
from chaos.tracing.tracer import Tracer

KEEP: Final = 15
"""Runs of each flow that the pruning leaves."""
QUIET: Final = 6.0
"""Seconds after which the write-ahead log is cut."""
WORKLOAD: Final = Workload(
    REFERENCE.settings,
    {
        **REFERENCE.files,
        "frail.py": """
@task
def prepare(token):
    spend(0)
    return "y" * 20_000

@task
def rest(prepare):
    spend(60)

def crashed(flow, run, state):
    tell(run.id, "frail/crashed", 1, "hook")

frail = Flow("frail", tasks=[rest.bind(prepare=prepare)], overlap="allow", on_crashed=[crashed])
""",
    },
)


class Story:
    """Told to the end once; *hundreds* of runs are made in it."""

    def __init__(self, folder: Path, watcher: Watcher, tracer: Tracer, stack: Stack, hundreds: float = 1.0) -> None:
        self._folder = folder
        self._watcher = watcher
        self._tracer = tracer
        self._stack = stack
        self._portion = round(25 * hundreds)
        self._teller = Teller(stack)

    def tell(self) -> None:
        """Tell it."""
        self._serve()
        self._run_many()
        self._command("backup", str(self._folder / "first.db"), done=self._backed_up("first.db"))
        crashed = self._crash_one()
        self._run_many()
        self._prune()
        self._kill()
        self._run_many()
        self._teller.do("retry", crashed, run=crashed)
        self._command("backup", "--force", str(self._folder / "first.db"), done=self._backed_up("first.db"))
        time.sleep(QUIET)
        self._teller.stop()
        self._run_here()
        self._serve()
        self._run_many()
        self._prune()
        self._teller.stop()

    def _serve(self) -> None:
        self._teller.until_it_serves()

    def _run_many(self) -> None:
        """Run, pause, resume, cancel; wait until the last has ended."""
        do = self._teller.do
        slow = do("run", "slow", flow="slow")
        do("pause", "beat", flow="beat")
        last = None
        for number in range(self._portion):
            last = do("run", "graph", flow="graph")
            if number == self._portion // 2:
                do("cancel", slow, run=slow)
                do("resume", "beat", flow="beat")
        self._until_ended(last)

    def _crash_one(self) -> str:
        """Kill the process of a run, whose hook is called then."""
        stack = self._stack
        frail = stack.ask("run", flow="frail", parameters={"token": "x"})["run"]
        self._until(lambda: f"{frail} frail/rest 1 begin" in stack.ledger.read_text(), "it is at work")
        for process in stack.processes():
            if process.run == frail:
                os.kill(process.pid, signal.SIGKILL)
        self._until_ended(frail)
        self._until(lambda: f"{frail} frail/crashed 1 hook" in stack.ledger.read_text(), "its hook is called")
        return str(frail)

    def _kill(self) -> None:
        """Kill the daemon while a run lives, and start another."""
        self._teller.do("run", "slow", flow="slow")
        self._teller.do("run", "graph", flow="graph")
        self._stack.kill_daemon()
        self._stack.daemon.wait(10)
        self._serve()

    def _prune(self) -> None:
        before = self._uids()
        self._watcher.tell(REMOVING, None)
        self._command("prune", "--keep", str(KEEP))
        self._watcher.tell(REMOVED, sorted(before - self._uids()))

    def _run_here(self) -> None:
        """Run a file in a terminal, with no daemon."""
        before = self._uids()
        file = f"{self._stack.flows / 'byhand.py'}:graph"
        self._command("run", file, "-p", "token=here", done=lambda: self._recorded(before))

    def _recorded(self, before: set[str]) -> None:
        for uid in self._uids() - before:
            self._watcher.tell(RECORDED, uid)

    def _backed_up(self, name: str) -> Callable[[], None]:
        runs = len(self._uids())
        return lambda: self._watcher.tell(BACKED_UP, {"path": name, "runs": runs})

    def _command(self, *arguments: str, done: Callable[[], None] = lambda: None) -> None:
        """Have the command line do something; *done* is called as soon as it says so."""
        with (self._folder / "daemon.log.commands").open("ab") as log:
            command = self._tracer.launch(
                [sys.executable, "-P", "-m", "tidemill", *arguments],
                env=self._stack.environment, cwd=self._folder, stdout=log, stderr=log,
            )  # fmt: skip
            if (code := command.wait(60)) != 0:
                raise AssertionError(f"tidemill {' '.join(arguments)} ended with {code}: see {log.name}")
        done()

    def _uids(self) -> set[str]:
        with closing(self._stack.history()) as history:
            return {uid for (uid,) in history.execute("SELECT uid FROM runs WHERE root_id IS NULL")}

    def _until_ended(self, run: str | None) -> None:
        with suppress(sqlite3.Error):
            self._until(lambda: self._teller.has_ended(run), f"the run {run} ends")

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        if not self._teller.until(condition, what, 60.0):
            raise AssertionError(f"not within a minute: {what}")
