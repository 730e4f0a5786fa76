"""What an earlier daemon left behind: runs that wait, runs that live, and runs that died meanwhile."""

import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from tidemill.config.paths import StatePaths
from tidemill.dispatcher.dispatcher import Dispatcher
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.outcomes import Trigger
from tidemill.domain.runs import ProcessName
from tidemill.domain.states import State
from tidemill.forkserver.protocol import LiveRun
from tidemill.history.records import StoredRun
from tidemill.history.writing import Writer
from tidemill.journal.processes import boot_id
from tidemill.service.finished import finished_path, keep_finished
from tidemill.service.processes import process_of
from tidemill.service.roster import Roster
from tidemill.service.watching import ExitWatch

log = logging.getLogger(__name__)

Left = tuple[StoredRun, str]
"""A run without an end, and for a retry that may not have begun the file of the tasks it must not execute again."""


def load_left(writer: Writer, paths: StatePaths) -> list[Left]:
    """Return every run that has no end."""
    return [(run, _keep_finished(writer, run, paths)) for run in writer.load_live()]


class Recovery:
    """Takes each run up where it is found."""

    def __init__(self, dispatcher: Dispatcher, watch: ExitWatch, roster: Roster) -> None:
        self._dispatcher = dispatcher
        self._watch = watch
        self._roster = roster
        self._taken: list[tuple[ActiveRun, int | None]] = []

    def take_up(self, left: Iterable[Left], living: Iterable[LiveRun]) -> None:
        """Adopt the runs whose processes were made, and queue those that never got one.

        A journal, or the fork server's word, is the proof that a process was made; so a run that was ordered
        in the instant of the crash is neither lost nor started twice. Of a run that is recorded to have begun a power
        cut may have taken the journal.
        """
        processes = {live.run: ProcessName(live.pid, live.start_time, boot_id()) for live in living}
        adopted = queued = 0
        for stored, finished in left:
            run = _active(stored, finished)
            self._taken.append((run, stored.started_at))
            was_made = stored.uid in processes or stored.started_at is not None
            if was_made or Path(self._dispatcher.journal_of(run)).exists():
                self._adopt(run, stored, processes)
                adopted += 1
            else:
                self._dispatcher.admit(run)
                self._dispatcher.recorded(run, stored.id)
                if run.cancelled:
                    self._dispatcher.cancel(run.uid, stored.note or "cancelled before it had a process")
                queued += not run.gone
        if adopted or queued:
            log.info("found %d runs under way and %d waiting", adopted, queued)

    def apply_flows(self) -> None:
        """Give the runs that were left what their flows say now: limits, tags and time-outs are not stored."""
        for flow in self._roster:
            self._dispatcher.flow_changed(flow.manifest.name, flow.limit, flow.manifest.tags)
        now = time.time()
        for run, started_at in self._taken:
            known = self._roster.find(run.flow)
            if known is not None and not run.gone:
                spent = 0.0 if started_at is None else now - started_at / 1_000_000
                self._dispatcher.set_timeout(run, known.manifest.timeout, spent)
        self._taken.clear()

    def _adopt(self, run: ActiveRun, stored: StoredRun, processes: Mapping[str, ProcessName]) -> None:
        journal = self._dispatcher.journal_of(run)
        run.process = processes.get(run.uid) or stored.process or process_of(journal)
        self._dispatcher.adopt(run, stored.journal_offset)
        if run.process is not None and run.process.boot_id != boot_id():
            self._dispatcher.died_with_machine(run.uid)
        else:
            # Even where its fork server tells the exit: it may have told it before the run was taken up.
            self._watch.add(run, journal)


def _keep_finished(writer: Writer, run: StoredRun, paths: StatePaths) -> str:
    """Write down anew what a retry takes over: of what was written before, a power cut may have left anything."""
    if run.trigger != Trigger.RETRY or paths.journal(run.uid).exists():
        return ""
    past = writer.load_resume(run.uid)
    path = finished_path(paths, run.uid)
    keep_finished(writer, past, path)
    return str(path) if past else ""


def _active(stored: StoredRun, finished: str) -> ActiveRun:
    return ActiveRun(
        uid=stored.uid,
        flow=stored.flow,
        id=stored.id,
        parameters=stored.parameters,
        trigger=stored.trigger,
        scheduled_for=stored.scheduled_for,
        schedule_id=stored.schedule_id,
        attempt=stored.attempt,
        parent=stored.parent,
        finished=finished,
        priority=stored.priority,
        state=stored.state,
        cancelled=stored.state is State.CANCELLING,
        journal=stored.journal or None,
    )
