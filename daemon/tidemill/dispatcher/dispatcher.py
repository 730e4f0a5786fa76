"""The dispatcher: which recorded run starts now, and what becomes of each.

Everything here happens on the daemon's loop. Slots are derived from the runs whose processes live,
never counted up and down, so none can leak.
"""

import signal
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from tidemill.dispatcher.endings import STUCK, Ending, has_overrun, judge_exit, judge_reboot
from tidemill.dispatcher.limiting import Limiter, Slots
from tidemill.dispatcher.processes import kill_group, signal_process
from tidemill.dispatcher.queue import PendingQueue
from tidemill.dispatcher.runs import ActiveRun, RunsByFlow
from tidemill.domain.errors import Refused
from tidemill.domain.events import Event, RunEnded, RunRetrying, RunStarted, TaskRetrying, TaskStarted
from tidemill.domain.results import ErrorInfo
from tidemill.domain.runs import ProcessName
from tidemill.domain.states import State

KILL_MARGIN = 5.0
"""Seconds after a run's own time-out at which its processes are killed from outside."""
REMINDERS = (0.1, 0.5)
"""Parts of the grace after which a run that was asked to stop is asked once more."""


class Records(Protocol):
    """What the dispatcher asks of the history."""

    def follow(self, run_id: int, uid: str, journal: str, offset: int = 0) -> None:
        """Read the run's journal from now on."""

    def settle(self, run: ActiveRun, ending: Ending, status: int | None, done: Callable[[State], None]) -> None:
        """Read the run's journal to its end and, if it has no verdict, give it *ending*; then call *done*."""

    def note_state(self, run: ActiveRun, state: State | None, note: str) -> None:
        """Record that the run is in a passing state, or a mere remark."""


class Launcher(Protocol):
    """What the dispatcher asks of the fork server."""

    def launch(self, run: ActiveRun) -> None:
        """Give the run's order to the fork server, or raise Refused with the reason why it cannot be started."""


class Dispatcher:
    """Holds the runs that wait and the runs that live."""

    def __init__(
        self,
        records: Records,
        launcher: Launcher,
        journal_of: Callable[[str], str],
        *,
        slots: Slots,
        max_runs: int,
        cancel_grace: float,
        on_end: Callable[[ActiveRun], None],
        met: Callable[[str, int | None], str | None] = lambda uid, status: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._records = records
        self._launcher = launcher
        self._journal_of = journal_of
        self._max_runs = max_runs
        self._cancel_grace = cancel_grace
        self._on_end = on_end
        self._met = met
        self._monotonic = monotonic
        self._runs: dict[str, ActiveRun] = {}
        self._by_id: dict[int, ActiveRun] = {}
        self._waiting = RunsByFlow()
        self._live = RunsByFlow()
        self._limiter = Limiter(slots)
        self._queue = PendingQueue(self._limiter.lane_of)
        self._is_open = True

    # What is going on

    @property
    def live_runs(self) -> list[ActiveRun]:
        """The runs that take a slot."""
        return list(self._live)

    @property
    def queued(self) -> int:
        """How many runs wait."""
        return len(self._queue)

    @property
    def is_held_back(self) -> bool:
        """Tell whether runs wait for slots that may become free without a word."""
        return self._is_open and self._limiter.is_waiting

    def find(self, uid: str) -> ActiveRun | None:
        """Return the run if it waits or lives."""
        return self._runs.get(uid)

    def live_of(self, flow: str) -> list[ActiveRun]:
        """Return the live runs of *flow*, without those of a backfill."""
        return [run for run in self._live.of(flow) if not run.gives_way]

    def active_of(self, flow: str) -> list[ActiveRun]:
        """Return the recorded runs of *flow* that wait or live."""
        return [run for run in (*self._live.of(flow), *self._waiting.of(flow)) if run.id]

    def journal_of(self, run: ActiveRun) -> str:
        """Return the run's own record."""
        return run.journal or self._journal_of(run.uid)

    def waiting_of(self, flow: str) -> int:
        """Return how many runs of *flow* are admitted and have no process yet, recorded or about to be.

        Runs of a backfill do not count: whatever is due comes before them.
        """
        return sum(not run.gives_way for run in self._waiting.of(flow))

    # From being admitted to being started

    def admit(self, run: ActiveRun) -> None:
        """Take a run whose record is being written; it counts for its flow's policies from now on."""
        self._runs[run.uid] = run
        self._waiting.add(run)

    def withdraw(self, run: ActiveRun) -> None:
        """Forget a run that could not be recorded."""
        self._forget(run)

    def recorded(self, run: ActiveRun, run_id: int) -> None:
        """Queue a run whose record is durable."""
        run.id = run_id
        self._by_id[run_id] = run
        self._queue.add(run)

    def adopt(self, run: ActiveRun, offset: int) -> None:
        """Take over a live run that an earlier daemon started; its journal is read on from *offset*."""
        self._runs[run.uid] = run
        self._by_id[run.id] = run
        self._live.add(run)
        run.launched = True
        self._records.follow(run.id, run.uid, self.journal_of(run), offset)
        if run.cancelled:
            run.deadline = self._monotonic() + self._cancel_grace

    def start_due(self, limit: int = 50) -> bool:
        """Start waiting runs while there are slots, at most *limit* of them; tell whether more could start."""
        if not self._is_open:
            return False
        slots = self._max_runs - len(self._live)
        self._queue.open_lanes()
        self._limiter.begin()
        try:
            for _ in range(min(slots, limit)):
                run = self._queue.take(self._may_start, self._fits)
                if run is None:
                    return False
                self._start(run)
        finally:
            self._limiter.end()
        return slots > limit and len(self._queue) > 0

    def set_timeout(self, run: ActiveRun, timeout: float | None, spent: float) -> None:
        """Put an adopted run under its flow's time-out again, of which it has *spent* some seconds."""
        run.timeout = timeout
        if timeout is not None and run.launched and run.deadline is None:
            run.deadline = self._monotonic() + max(0.0, timeout - spent) + KILL_MARGIN

    def close(self) -> None:
        """Start nothing any more: the daemon is stopping. Waiting runs stay in the history for the next one."""
        self._is_open = False

    def set_limits(self, max_runs: int, cancel_grace: float) -> None:
        """Put new settings into force; live runs beyond a smaller limit go on."""
        self._max_runs = max_runs
        self._cancel_grace = cancel_grace

    def limits_changed(self) -> None:
        """Apply changed named limits to the waiting runs."""
        self._queue.sort_anew()

    def flow_changed(self, flow: str, limit: int | None, tags: tuple[str, ...]) -> None:
        """Apply a flow's new limit and tags to its waiting runs."""
        waiting = self._waiting.of(flow)
        is_elsewhere = any(run.tags != tags for run in waiting)
        for run in (*waiting, *self._live.of(flow)):
            run.limit, run.tags = limit, tags
        self._queue.unpark_all(flow)
        if is_elsewhere:
            self._queue.sort_anew()

    def _may_start(self, run: ActiveRun) -> bool:
        return run.limit is None or len(self._live.of(run.flow)) < run.limit

    def _fits(self, run: ActiveRun) -> bool:
        if self._limiter.fits(run):
            return True
        if not run.told_why and (reason := self._limiter.reason(run)) is not None:
            run.told_why = True
            self._records.note_state(run, None, reason)
        return False

    def _start(self, run: ActiveRun) -> None:
        run.launched = True
        self._waiting.remove(run)
        self._live.add(run)
        self._records.follow(run.id, run.uid, self.journal_of(run))
        try:
            self._launcher.launch(run)
        except Refused as refusal:
            self.not_started(run.uid, str(refusal))

    # What the fork server and the journals tell

    def requeue(self, run: ActiveRun) -> None:
        """Let a run wait again whose order reached no process."""
        self._live.remove(run)
        run.launched = False
        self._waiting.add(run)
        self._queue.unpark(run.flow)
        self._queue.add(run)

    def started(self, uid: str, process: ProcessName) -> None:
        """Note the process of a run."""
        run = self._runs.get(uid)
        if run is None:
            return
        run.process = process
        if run.timeout is not None:
            run.deadline = self._monotonic() + run.timeout + KILL_MARGIN
        if run.cancelled:
            self._ask_to_stop(run)

    def not_started(self, uid: str, reason: str) -> None:
        """End a run that no process could be made for."""
        run = self._runs.get(uid)
        if run is not None and not run.gone:
            self._leave(run)
            crashed = Ending(State.CRASHED, ErrorInfo("NotStarted", reason))
            self._settle(run, Ending(State.CANCELLED, None) if run.cancelled else crashed, None)

    def exited(self, uid: str, status: int | None) -> None:
        """Judge a run whose process is gone."""
        run = self._runs.get(uid)
        if run is None or run.gone:
            return
        self._leave(run)
        if status == STUCK and not run.ended:
            run.overdue = run.overdue or has_overrun(self.journal_of(run), time.time_ns() // 1000)
        met = self._met(uid, status)
        if met is not None:
            self._records.note_state(run, None, met)
        self._settle(run, judge_exit(status, cancelled=run.cancelled, overdue=run.overdue, met=met), status)

    def died_with_machine(self, uid: str) -> None:
        """Judge an adopted run that was alive when the machine went down."""
        run = self._runs[uid]
        self._leave(run)
        self._settle(run, judge_reboot(cancelled=run.cancelled), None)

    def observe(self, facts: Iterable[tuple[int, Event]]) -> None:
        """Follow the states that journals told, once they are in the history."""
        for run_id, event in facts:
            run = self._by_id.get(run_id)
            if run is None:
                continue
            match event:
                case RunEnded(state=state):
                    self._end(run, State(state))
                case RunStarted() | TaskStarted() if run.state in (State.PENDING, State.RETRYING):
                    run.state = State.RUNNING
                case RunRetrying() | TaskRetrying() if run.state is State.RUNNING:
                    run.state = State.RETRYING
                case _:
                    pass

    # Cancelling and time-outs

    def cancel(self, uid: str, reason: str) -> State:
        """Ask a run to stop, and see to it that it does; return the state it is in now."""
        run = self._runs[uid]
        if run.ended or (run.gone and not run.cancelled):  # it has died, and how is being recorded
            return run.state
        if not run.launched:
            run.launched = run.cancelled = True
            run.state = State.CANCELLED  # At once: who cancels it again is told the same.
            self._leave(run)
            self._records.follow(run.id, run.uid, self.journal_of(run))
            self._settle(run, Ending(State.CANCELLED, ErrorInfo("Cancelled", reason)), None)
            return State.CANCELLED
        if not run.cancelled:
            run.cancelled = True
            run.state = State.CANCELLING
            self._records.note_state(run, State.CANCELLING, reason)
            self._ask_to_stop(run)
        return run.state

    def enforce(self) -> None:
        """Kill what is past its deadline; called every second."""
        now = self._monotonic()
        for run in self.live_runs:
            if run.deadline is not None and now >= run.deadline and run.process is not None:
                run.overdue = run.overdue or (not run.cancelled and not run.ended)
                run.deadline = now + self._cancel_grace
                kill_group(run.process)
            elif self._wants_reminder(run, now) and run.process is not None:
                run.reminders += 1
                signal_process(run.process, signal.SIGTERM)

    def _wants_reminder(self, run: ActiveRun, now: float) -> bool:
        """Tell whether to ask once more: a signal may have come before the run listened for it.

        Or in the instant between its look for signals and a call that waits, where nothing notices it.
        """
        if not run.cancelled or run.ended or run.deadline is None or run.reminders == len(REMINDERS):
            return False
        return now >= run.deadline - self._cancel_grace * (1 - REMINDERS[run.reminders])

    def _ask_to_stop(self, run: ActiveRun) -> None:
        if run.process is not None:
            run.deadline = self._monotonic() + self._cancel_grace
            signal_process(run.process, signal.SIGTERM)

    # Ends

    def _settle(self, run: ActiveRun, ending: Ending, status: int | None) -> None:
        self._records.settle(run, ending, status, lambda state: self._end(run, state))

    def _end(self, run: ActiveRun, state: State) -> None:
        if not run.ended:
            run.ended = True
            run.state = state
            if not run.gone and run.process is not None:
                # The flow is over; whatever still holds the process (atexit, a stray thread) gets the same grace.
                run.deadline = self._monotonic() + self._cancel_grace
            self._on_end(run)
        if run.gone:
            self._forget(run)

    def _leave(self, run: ActiveRun) -> None:
        """Free the slot of a run that has no process, or none any more."""
        run.gone = True
        self._waiting.remove(run)
        self._live.remove(run)
        self._queue.remove(run)
        self._queue.unpark(run.flow)

    def _forget(self, run: ActiveRun) -> None:
        self._runs.pop(run.uid, None)
        self._by_id.pop(run.id, None)
        self._waiting.remove(run)
