"""Hooks for the ends that no run process lived to tell: each run's are called by a process of their own.

At most once: the process makes a journal of its own before anything else, and where that exists no other process is
ordered, whichever daemon asks. Nothing is lost before: what is owed stands in the history until it is settled.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from tidemill.config.paths import StatePaths
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.errors import Refused
from tidemill.domain.hooks import OWED_HOOKS
from tidemill.domain.runs import RunOrder
from tidemill.history.owing import OwedHooks, hooks_settled, load_owed
from tidemill.history.writing import Writer
from tidemill.service.hook_process import HookProcess
from tidemill.service.launching import ForkserverLink
from tidemill.service.recording import Recording
from tidemill.service.roster import Roster

log = logging.getLogger(__name__)

AT_ONCE: Final = 4
"""Processes that call hooks at one time: when the machine is in trouble, many runs die together."""
PATIENCE: Final = 5.0
"""Seconds after which an order that no process was made of is given again."""
TRIES: Final = 3
LOOK: Final = 0.2
"""Seconds between the looks at what processes have told."""


class HookCalls:
    """Knows what is owed, has it done a few at a time, and notes on each run what came of it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        recording: Recording,
        link: ForkserverLink,
        roster: Roster,
        paths: StatePaths,
        *,
        order: Callable[[OwedHooks], RunOrder],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop = loop
        self._monotonic = monotonic
        self._recording = recording
        self._link = link
        self._roster = roster
        self._paths = paths
        self._order = order
        self._known: set[str] = set()
        self._waiting: deque[OwedHooks] = deque()
        self._live: list[HookProcess] = []
        self._is_open = self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None

    def ended(self, run: ActiveRun) -> None:
        """See whether hooks are owed to a run whose end is durable."""
        if run.state in OWED_HOOKS and not self._is_closed:
            uid = run.uid
            self._recording.submit(lambda writer: load_owed(writer, uid), self._found)

    def take_up(self, owed: Iterable[OwedHooks]) -> None:
        """Add what an earlier daemon left owing."""
        for one in owed:
            self._add(one)

    def open(self) -> None:
        """Begin: the flows are known."""
        self._is_open = True
        self._look()

    def close(self) -> None:
        """Begin nothing any more; what is under way goes on, and the next daemon tells what came of it."""
        self._is_open, self._is_closed = False, True
        if self._timer is not None:
            self._timer.cancel()

    def _found(self, answer: OwedHooks | BaseException | None) -> None:
        if isinstance(answer, BaseException):
            log.error("the hooks of a run are owed until the next start: %s", answer)
        elif answer is not None:
            self._add(answer)
            self._look()

    def _add(self, owed: OwedHooks) -> None:
        if owed.run.uid not in self._known:
            self._known.add(owed.run.uid)
            self._waiting.append(owed)

    def _look(self) -> None:
        """Begin what can be begun, look at what is under way, and come back while there is any."""
        if not self._is_open:
            return
        now = self._monotonic()
        for process in list(self._live):
            try:
                self._follow(process, now)
            except OSError as error:  # the next look tries again
                log.error("what became of the hooks of run %s cannot be learned yet: %s", process.owed.run.uid, error)
        while self._waiting and len(self._live) < AT_ONCE and self._link.is_connected:
            self._begin(self._waiting.popleft(), now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._live or self._waiting:
            self._timer = self._loop.call_later(LOOK, self._look)

    def _begin(self, owed: OwedHooks, now: float) -> None:
        if self._has_none(owed):
            self._settle(owed, None)
        elif not owed.run.sources:
            self._settle(owed, "the flow's hooks were not called: the version of it that ran is not known any more")
        else:
            process = HookProcess(owed, self._order(owed), self._paths.exits, now)
            self._live.append(process)
            if not process.was_made:  # for an earlier daemon
                self._give_order(process)

    def _has_none(self, owed: OwedHooks) -> bool:
        """Tell whether the flow is known to have no such hooks; of another version only the file itself can tell."""
        flow = self._roster.find(owed.run.flow)
        if flow is None or flow.version != owed.run.version:
            return False
        return OWED_HOOKS[owed.run.state] not in flow.manifest.end_hooks

    def _give_order(self, process: HookProcess) -> None:
        try:
            self._link.order(process.order)
        except Refused as refusal:
            log.warning("the %s hooks of run %s wait: %s", process.kind, process.order.run, refusal)

    def _follow(self, process: HookProcess, now: float) -> None:
        if process.was_made:
            if process.look(now):
                self._finish(process, process.note)
        elif now > process.ordered_at + PATIENCE and self._link.is_connected:
            if process.tries == TRIES:
                self._finish(process, f"the {process.kind} hooks were not called: no process could be made for them")
                return
            process.tries += 1
            process.ordered_at = now
            self._give_order(process)

    def _finish(self, process: HookProcess, note: str | None) -> None:
        self._live.remove(process)
        self._settle(process.owed, note, process)

    def _settle(self, owed: OwedHooks, note: str | None, process: HookProcess | None = None) -> None:
        uid, run_id, at = owed.run.uid, owed.run.id, time.time_ns() // 1000

        def work(writer: Writer) -> None:
            hooks_settled(writer, uid)
            if note is not None:
                writer.note(run_id, None, note, at)

        def settled(answer: BaseException | None) -> None:
            if isinstance(answer, BaseException):
                log.error("what came of the hooks of run %s is told after the next start: %s", uid, answer)
                return
            self._known.discard(uid)
            if process is not None:
                process.forget()

        self._recording.submit(work, settled)
