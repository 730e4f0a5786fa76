"""Waiting for the end of a run: over the socket while there is a daemon, in the history when it went away."""

import time
from typing import Any

from tidemill.cli.finding import Record
from tidemill.cli.invocation import Invocation
from tidemill.cli.states import LIVE
from tidemill.cli.terminal import say
from tidemill.domain.errors import DaemonNotRunning


class Awaited:
    """A run that was asked for with ``wait``; *state* is what it ended in, once it has."""

    def __init__(self, invocation: Invocation, verb: str, **args: Any) -> None:
        self._invocation = invocation
        self._is_alone = False
        self.state: str | None = None
        invocation.client.send(verb, wait=True, **args)
        # The first message names the run, which is then durable; the answer names it too.
        kind, first = next(invocation.client.answers())
        self.first = first
        """What the daemon told when the run was recorded."""
        self.uid: str = first["run"]
        if kind == "ok":
            self.state = first.get("state")

    def look(self, patience: float) -> bool:
        """Tell whether the run has ended, after waiting at most *patience* seconds for it."""
        if self.state is None:
            self._look_at_history(patience) if self._is_alone else self._listen(patience)
        return self.state is not None

    def detail(self) -> Record:
        """Return the run with its tasks as the history has it now."""
        return self._invocation.reader.run_detail(self.uid)

    def progress(self, limit: int) -> Record:
        """Return how far the run is, with at most *limit* of its tasks."""
        return self._invocation.reader.progress(self.uid, limit)

    def _listen(self, patience: float) -> None:
        try:
            found = self._invocation.client.poll(patience)
        except DaemonNotRunning:
            # The run outlives the daemon, and so does the wish to see its end.
            self._is_alone = True
            say(
                f"the daemon went away; the run {self.uid} goes on, and its end is seen when a daemon serves again",
                err=True,
            )
            return
        if found is not None and found[0] == "ok":
            self.state = found[1].get("state")

    def _look_at_history(self, patience: float) -> None:
        time.sleep(patience)
        state = self._invocation.reader.run(self.uid)["state"]
        if state not in LIVE:
            self.state = state
