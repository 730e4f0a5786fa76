"""From a due moment to its outcome: judged, written into the ledger with its run, handed to the dispatcher.

The ledger row and the run are one transaction, and the run starts after it. A moment whose row cannot be
written is not lost: the schedule's cursor has not moved, and the next start catches up.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

from tidemill.dispatcher.dispatcher import Dispatcher
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.errors import HistoryError
from tidemill.domain.identifiers import new_run_id
from tidemill.domain.outcomes import Catchup, Trigger
from tidemill.domain.schedules import ScheduleSpec
from tidemill.domain.states import State
from tidemill.domain.times import to_micros
from tidemill.history.writing import Writer
from tidemill.scheduler.catchup import plan_catchup
from tidemill.scheduler.judgement import LATE_AFTER, FlowFacts, Verdict, judge
from tidemill.scheduler.moments import DueMoment
from tidemill.service.entering import Entry, enter
from tidemill.service.recording import Recording
from tidemill.service.roster import KnownFlow, Roster

log = logging.getLogger(__name__)

_OVERTAKEN = "its next moment came, and overlap is cancel"
_TICK = timedelta(microseconds=1)
_LEAP = "the daemon was held up, the machine slept or its clock was set forward"


class Timekeeper:
    """Decides what becomes of each due moment."""

    def __init__(
        self,
        roster: Roster,
        dispatcher: Dispatcher,
        recording: Recording,
        start_due: Callable[[], None],
        *,
        max_catchup: int,
        now: Callable[[], datetime],
    ) -> None:
        self._roster = roster
        self._dispatcher = dispatcher
        self._recording = recording
        self._start_due = start_due
        self._now = now
        self.max_catchup = max_catchup

    def due(self, moments: Iterable[DueMoment]) -> None:
        """Judge moments that have just become due."""
        now = self._now()
        entries: list[Entry] = []
        for schedule_id, together in groupby(moments, key=attrgetter("schedule_id")):
            flow = self._roster.of_schedule(schedule_id)
            if flow is None:
                continue  # its file left the folder while the moment was on its way
            for verdict in self._judge(flow, flow.schedules[schedule_id], list(together), now):
                entries.append(self._enter(flow, schedule_id, verdict))
        self._record(entries)

    def _judge(
        self, flow: KnownFlow, spec: ScheduleSpec, moments: Sequence[DueMoment], now: datetime
    ) -> Iterator[Verdict]:
        """Judge the moments of one schedule, each with the facts that the one before it left behind."""
        first, last = moments[0], moments[-1]
        if len(moments) == 1 and first.until is None:
            yield judge(first.moment, now, self._facts(flow, spec))
        elif _are_timely(moments, now, spec.jitter):
            # None of them is late: the first was put off for longer than the next.
            for due in moments:
                yield judge(due.moment, now, self._facts(flow, spec))
        else:
            # Time leapt over them, which is a matter of catching up.
            yield from self._plan(flow, spec, first.moment - _TICK, last.until or last.moment, why=_LEAP)

    def catch_up(self, flow: KnownFlow, schedule_id: int, cursor: datetime, now: datetime) -> datetime:
        """Account for the moments of a schedule after *cursor*, while nobody watched; return up to which it did.

        That is *now*, but for a schedule with jitter: of its newest moments not all would have been started yet.
        """
        spec = flow.schedules[schedule_id]
        end = max(cursor, now - timedelta(seconds=spec.jitter))
        verdicts = self._plan(flow, spec, cursor, end)
        self._record([self._enter(flow, schedule_id, verdict) for verdict in verdicts])
        return end

    def reboot(self, flow: KnownFlow, schedule_id: int, boot: str) -> None:
        """Make the run of an ``@reboot`` schedule, unless this *boot* had its own; its moment is now."""
        moment, key = self._now(), f"reboot {schedule_id}"
        verdict = judge(moment, moment, self._facts(flow, flow.schedules[schedule_id]))
        entry = self._enter(flow, schedule_id, replace(verdict, reason=f"{verdict.reason}: the machine booted"))

        def is_first(writer: Writer) -> bool:
            seen = writer.get_meta(key) == boot
            writer.set_meta(key, boot)
            return not seen

        self._record([entry], is_first)

    def _plan(
        self,
        flow: KnownFlow,
        spec: ScheduleSpec,
        cursor: datetime,
        end: datetime,
        why: str = "the daemon was not running",
    ) -> list[Verdict]:
        verdicts = plan_catchup(
            spec,
            cursor,
            end,
            catchup=flow.manifest.catchup,
            grace=flow.manifest.grace,
            max_catchup=self.max_catchup,
            paused=flow.paused_at is not None,
            why=why,
        )
        if verdicts and verdicts[-1].starts and flow.manifest.catchup == Catchup.LATEST:
            verdicts[-1] = self._heed_overlap(flow, spec, verdicts[-1])
        return verdicts

    def _heed_overlap(self, flow: KnownFlow, spec: ScheduleSpec, late: Verdict) -> Verdict:
        """Let the policy decide about a moment that is made up for while a run of the flow is still going.

        Runs that wait do not count: they make up for moments of the flow's other schedules.
        """
        facts = replace(self._facts(flow, spec), queued_runs=0, grace=None)
        judged = judge(late.moment, late.moment, facts)
        if judged.starts:
            return replace(late, cancel_live=judged.cancel_live, queue=judged.queue)
        return replace(late, outcome=judged.outcome, reason=judged.reason, starts=False)

    def _facts(self, flow: KnownFlow, spec: ScheduleSpec) -> FlowFacts:
        manifest = flow.manifest
        live = self._dispatcher.live_of(manifest.name)
        return FlowFacts(
            paused=flow.paused_at is not None,
            live_runs=len(live),
            queued_runs=self._dispatcher.waiting_of(manifest.name),
            overlap=manifest.overlap,
            max_active_runs=manifest.max_active_runs,
            grace=manifest.grace,
            live_run=live[0].uid if live else None,
            jitter=spec.jitter,
        )

    def _enter(self, flow: KnownFlow, schedule_id: int, verdict: Verdict) -> Entry:
        spec = flow.schedules[schedule_id]
        if not verdict.starts:
            return Entry(schedule_id, spec, verdict, None, flow.version)
        manifest = flow.manifest
        run = ActiveRun(
            uid=new_run_id(),
            flow=manifest.name,
            parameters=dict(spec.parameters),
            trigger=Trigger.SCHEDULE,
            scheduled_for=to_micros(verdict.moment),
            schedule_id=schedule_id,
            priority=manifest.priority,
            timeout=manifest.timeout,
            limit=flow.limit,
            tags=manifest.tags,
        )
        self._dispatcher.admit(run)
        return Entry(schedule_id, spec, verdict, run, flow.version)

    def _record(self, entries: Sequence[Entry], condition: Callable[[Writer], bool] = lambda _: True) -> None:
        if not entries:
            return
        at = to_micros(self._now())
        doomed = {
            entry.run.flow: self._doomed(entry.run.flow) for entry in entries if entry.run and entry.verdict.cancel_live
        }

        def work(writer: Writer) -> list[int | None]:
            if not condition(writer):
                return [None] * len(entries)
            run_ids = []
            overtaken = {flow: list(others) for flow, others in doomed.items()}  # anew, each time that this is done
            for entry in entries:
                run_ids.append(run_id := enter(writer, entry, at))
                if entry.run is not None and run_id is not None and entry.verdict.cancel_live:
                    # With the moment, so that the next daemon goes on with it if this one dies before they are asked.
                    for other in overtaken[entry.run.flow]:
                        writer.note(other, State.CANCELLING, _OVERTAKEN, at)
                    overtaken[entry.run.flow].append(run_id)
            return run_ids

        def done(answer: list[int | None] | BaseException) -> None:
            if isinstance(answer, BaseException):
                log.error("%d due moments could not be recorded: %s", len(entries), answer)
                answer = [None] * len(entries)
            for entry, run_id in zip(entries, answer, strict=True):
                if entry.run is None:
                    continue
                if run_id is None:
                    self._dispatcher.withdraw(entry.run)
                else:
                    if entry.verdict.cancel_live:
                        self._cancel_others(entry.run)
                    self._dispatcher.recorded(entry.run, run_id)
            self._start_due()

        self._recording.submit(work, done)

    def _doomed(self, flow: str) -> list[int]:
        """Return the keys of the runs that end when the next moment of *flow* comes, and overlap is cancel."""
        return [active.id for active in self._dispatcher.active_of(flow) if active.id and not active.gives_way]

    def _cancel_others(self, run: ActiveRun) -> None:
        for active in self._dispatcher.active_of(run.flow):
            if not active.gives_way:
                with suppress(HistoryError):  # it is closing: the next daemon finds that they are to be cancelled
                    self._dispatcher.cancel(active.uid, _OVERTAKEN)


def _are_timely(moments: Iterable[DueMoment], now: datetime, jitter: float) -> bool:
    """Tell whether several moments came at once only because each was put off for a while of its own."""
    limit = timedelta(seconds=jitter + LATE_AFTER)
    return jitter > 0 and all(due.until is None and now - due.moment <= limit for due in moments)
