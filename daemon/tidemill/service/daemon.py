"""The daemon while it serves: the operations that the control socket's verbs are made of."""

import asyncio
import difflib
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from tidemill.catalog.catalog import Catalog
from tidemill.config.paths import StatePaths
from tidemill.config.settings import Settings
from tidemill.dispatcher.dispatcher import Dispatcher
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.errors import NotFound, Refused, TidemillError
from tidemill.domain.identifiers import new_run_id
from tidemill.domain.outcomes import Trigger
from tidemill.domain.states import State
from tidemill.domain.times import to_micros
from tidemill.domain.version import VERSION
from tidemill.history.recorder import Recorder
from tidemill.history.records import NewRun, StoredRun
from tidemill.history.writing import Writer
from tidemill.limits.telling import shown
from tidemill.service.caretaking import Caretaking
from tidemill.service.limits import RunSlots, put_into_force
from tidemill.service.local_runs import record_local_run
from tidemill.service.recording import Recording, new_run_record
from tidemill.service.roster import KnownFlow, Roster
from tidemill.service.run_groups import RunGroups
from tidemill.service.telling import that_fit
from tidemill.service.timekeeping import Timekeeper
from tidemill.service.waiting import Waiters

T = TypeVar("T")

log = logging.getLogger(__name__)

LIVE_SETTINGS = ("dispatch", "runs", "schedule", "history", "retention", "limits")
"""Sections that a reload puts into force; the others name places and processes, and need a restart."""


@dataclass(slots=True)
class StopRequest:
    """How the daemon was asked to end."""

    drain: bool = False
    cancel: bool = False
    at_once: bool = False
    """Asked a second time: live runs are waited for no longer."""


class Daemon:
    """Everything the daemon is made of, and what can be done with it."""

    def __init__(
        self,
        settings: Settings,
        paths: StatePaths,
        read_settings: Callable[[], Settings],
        *,
        roster: Roster,
        recorder: Recorder,
        recording: Recording,
        dispatcher: Dispatcher,
        catalog: Catalog,
        waiters: Waiters,
        timekeeper: Timekeeper,
        slots: RunSlots,
        start_due: Callable[[], None],
        caretaking: Caretaking,
        groups: RunGroups,
    ) -> None:
        self.settings = settings
        self.paths = paths
        self.roster = roster
        self.dispatcher = dispatcher
        self.waiters = waiters
        self.caretaking = caretaking
        self.groups = groups
        self.stop_request: StopRequest | None = None
        self.stopping = asyncio.Event()
        self.exit_code = 0
        self._read_settings = read_settings
        self._recorder = recorder
        self._recording = recording
        self._catalog = catalog
        self._timekeeper = timekeeper
        self._slots = slots
        self._start_due = start_due
        self._started_at = datetime.now(UTC)

    # Flows

    def flow(self, name: str) -> KnownFlow:
        """Return the flow called *name*, or say which name is near."""
        flow = self.roster.find(name)
        if flow is not None:
            return flow
        near = difflib.get_close_matches(name, self.roster.names(), n=1)
        hint = f"; did you mean {near[0]}?" if near else "; see them with: tidemill flows"
        raise NotFound(f"there is no flow called {name}{hint}")

    async def set_paused(self, flow: KnownFlow, *, paused: bool) -> bool:
        """Pause or resume *flow*; tell whether that changed anything."""
        if (flow.paused_at is not None) == paused:
            return False
        at = to_micros(datetime.now(UTC)) if paused else None
        name = flow.manifest.name
        await self._recording.perform(lambda writer: writer.set_paused(name, at))
        self.roster.pause(name, at)  # by name: its file may have changed while that was written
        return True

    def reload_soon(self) -> None:
        """Reload without anybody waiting for the outcome: SIGHUP."""
        self._reloading = asyncio.get_running_loop().create_task(self._reload_and_tell())

    async def _reload_and_tell(self) -> None:
        try:
            await self.reload()
        except TidemillError as error:
            log.error("nothing was reloaded: %s", error)
        else:
            log.info("reloaded: %s", self.summary())

    async def reload(self) -> tuple[list[str], bool]:
        """Put changed settings into force and look at every file.

        Return the sections that need a restart, and whether all files were inspected in the time there is for it.
        """
        fresh = await asyncio.to_thread(self._read_settings)
        changed = [name for name in fresh._fields if getattr(fresh, name) != getattr(self.settings, name)]
        self.settings = self.settings._replace(**{name: getattr(fresh, name) for name in LIVE_SETTINGS})
        self.dispatcher.set_limits(self.settings.dispatch.max_runs, self.settings.dispatch.cancel_grace)
        put_into_force(self.paths, self.settings.limits)
        self.dispatcher.limits_changed()
        self._timekeeper.max_catchup = self.settings.schedule.max_catchup
        is_whole = await asyncio.to_thread(self._catalog.sweep_now)
        await self._recording.perform(lambda writer: None)
        self._start_due()
        return [name for name in changed if name not in LIVE_SETTINGS], is_whole

    # Runs

    def new_run(self, flow: KnownFlow, parameters: dict[str, Any], trigger: Trigger) -> ActiveRun:
        """Make a run of *flow* that is not recorded yet."""
        return ActiveRun(
            uid=new_run_id(),
            flow=flow.manifest.name,
            parameters=parameters,
            trigger=trigger,
            priority=flow.manifest.priority,
            timeout=flow.manifest.timeout,
            limit=flow.limit,
            tags=flow.manifest.tags,
        )

    async def record(self, run: ActiveRun, write: Callable[[Writer, NewRun], int] = Writer.add_run) -> None:
        """Make *run* durable, by *write*, and let it start; when this returns, its id may be told.

        Refused while nothing can be recorded: whoever gave up waiting would be surprised by the run later.
        """
        self._refuse_without_pen()
        self.dispatcher.admit(run)
        flow = self.roster.find(run.flow)
        new = new_run_record(run, flow.version if flow else None, to_micros(datetime.now(UTC)))
        try:
            run_id = await self._recording.perform(lambda writer: write(writer, new))
        except BaseException:
            self.dispatcher.withdraw(run)
            raise
        self.dispatcher.recorded(run, run_id)
        self._start_due()

    async def record_all(self, write: Callable[[Writer], Iterable[tuple[ActiveRun, int]]]) -> None:
        """Make durable the runs that *write* answers, each with its key, all or none; then let them start."""
        self._refuse_without_pen()
        for run, run_id in await self._recording.perform(write):
            flow = self.roster.find(run.flow)
            if flow is not None:  # as it is by now: its file may have changed while they were written
                run.limit, run.tags = flow.limit, flow.manifest.tags
            self.dispatcher.admit(run)
            self.dispatcher.recorded(run, run_id)
        self._start_due()

    def _refuse_without_pen(self) -> None:
        if self._recorder.problem is not None:
            raise Refused(f"the run was not taken: {self._recorder.problem}")

    async def cancel(self, uid: str, reason: str) -> State:
        """Ask a run to stop; when this returns, that is durable: a daemon killed now does not take it back."""
        run, state = self.dispatcher.find(uid), self.dispatcher.cancel(uid, reason)
        await self._recording.perform(lambda writer: None)
        return run.state if run is not None and run.ended else state

    async def cancel_all(self, runs: Iterable[ActiveRun], reason: str) -> tuple[int, int]:
        """Cancel *runs*, durably; return how many of them waited and how many lived.

        What waits goes first, and the newest before the others: else one would start as another is cancelled.
        """
        going = sorted((run for run in runs if not run.ended), key=lambda run: (run.launched, -run.id))
        waited = sum(not run.launched for run in going)
        for run in going:
            self.dispatcher.cancel(run.uid, reason)
        await self._recording.perform(lambda writer: None)
        return waited, len(going) - waited

    async def load_run(self, uid: str) -> StoredRun:
        """Return what the history knows of a run, or refuse an unknown one."""
        return await self.ask(lambda writer: writer.load_run(uid))

    async def ask(self, question: Callable[[Writer], T]) -> T:
        """Return what the history answers, with everything in it that was told before."""
        return await self._recording.perform(question)

    async def adopt_local(self, uid: str) -> None:
        """Record a run that was made in a terminal; its order tells what, its journal how it went."""
        await asyncio.to_thread(record_local_run, self._recorder, self.paths, uid)

    # The daemon itself

    def ask_to_stop(self, *, drain: bool = False, cancel: bool = False) -> None:
        """Begin the end; asking twice ends the waiting of the first."""
        if self.stop_request is not None:
            self.stop_request.at_once = True
        else:
            self.stop_request = StopRequest(drain=drain, cancel=cancel)
        self.stopping.set()

    def errors(self) -> list[dict[str, Any]]:
        """Return what is wrong with broken files, as ``status`` shows it."""
        return [
            {"file": path, "line": problem.line, "message": problem.message}
            for path, problems in sorted(self.roster.problems.items())
            for problem in problems
        ]

    def status(self) -> dict[str, Any]:
        """Return the fields of the contract."""
        errors, left_out = that_fit(self.errors())
        return {
            "running": True,
            "pid": os.getpid(),
            "version": VERSION,
            "started_at": self._started_at.isoformat(timespec="microseconds"),
            "flows": len(self.roster),
            "paused": sum(flow.paused_at is not None for flow in self.roster),
            "active_runs": len(self.dispatcher.live_runs),
            "queued_runs": self.dispatcher.queued,
            "flows_dir": str(self.settings.places.flows_dir),
            "state_dir": str(self.paths.root),
            "database": self.settings.places.database_url or str(self.paths.database),
            "errors": errors,
            "errors_left_out": left_out,
            "limits": shown(self._slots, self._slots.limits),
            "run_limits": self.groups.told(),
            "problem": self._recorder.problem,
        }

    def summary(self) -> str:
        """Return the line that ``systemctl status`` shows."""
        live, queued = len(self.dispatcher.live_runs), self.dispatcher.queued
        broken = len(self.roster.problems)
        text = f"{len(self.roster)} flows, {live} runs live, {queued} queued"
        if self.stop_request is not None and self.stop_request.drain:
            text = f"draining, and starting nothing more: {text}"
        if broken:
            text += f", {broken} broken files"
        return f"{text}; {self._recorder.problem}" if self._recorder.problem else text
