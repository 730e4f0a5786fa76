"""Faults seeded into the product on purpose: each has to be noticed, or the judgement is worth nothing."""

import asyncio
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from chaos.simulation.faults import MortalPen
from tidemill.dispatcher import dispatcher
from tidemill.dispatcher.dispatcher import Dispatcher
from tidemill.dispatcher.queue import PendingQueue
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.states import State
from tidemill.history import ingest as ingesting
from tidemill.history import schedule_writing, taking_back, turns
from tidemill.history.following import Journals
from tidemill.history.ledger import LedgerWriting
from tidemill.history.pacing import Pace
from tidemill.history.recorder import Recorder
from tidemill.history.resuming import Resuming
from tidemill.history.run_writing import RunWriting
from tidemill.history.writing import Writer
from tidemill.journal.reader import JournalReader
from tidemill.scheduler.clock import Clock
from tidemill.service import entering, recording, recovery, setting_right
from tidemill.service.daemon import Daemon
from tidemill.service.handlers import backfill
from tidemill.service.recording import Recording
from tidemill.service.recovery import Recovery
from tidemill.service.roster import Roster
from tidemill.service.timekeeping import Timekeeper
from tidemill.service.watching import ExitWatch


@contextmanager
def launched_before_it_is_recorded():
    admit = Dispatcher.admit

    def admit_and_start(self, run):
        admit(self, run)
        if run.trigger == "schedule" and not run.id:
            self._queue.add(run)

    with patch.object(Dispatcher, "admit", admit_and_start):
        yield


@contextmanager
def a_moment_may_have_two_runs():
    def add_due_run(self, occurrence, run):
        run_id = self.add_run(run)
        if self._is_free(occurrence):
            self._add(occurrence, run_id)
        return run_id

    with patch.object(LedgerWriting, "add_due_run", add_due_run):
        yield


@contextmanager
def acknowledged_before_the_commit():
    submit = Recording.submit

    def hasty(self, work, done=None, *, reading=None):
        def act(writer):
            answer = work(writer)
            if done is not None and isinstance(answer, int):
                self._inbox.put(done, answer)
            return answer

        def later(answer):
            if not isinstance(answer, int):
                done(answer)

        submit(self, act, None if done is None else later, reading=reading)

    with patch.object(Recording, "submit", hasty):
        yield


@contextmanager
def the_ledger_is_not_in_the_transaction_of_its_run():
    def enter(self, entries, condition=None):
        for entry in entries:
            self._recording.submit(lambda writer, entry=entry: writer.advance_cursor(entry.schedule_id, 10**16))
        record(self, entries) if condition is None else record(self, entries, condition)

    record = Timekeeper._record
    with patch.object(Timekeeper, "_record", enter):
        yield


@contextmanager
def the_offset_is_not_moved_with_the_rows():
    with patch.object(ingesting, "_OFFSET", "UPDATE runs SET journal_offset = ?3 WHERE id = ?2 AND ?1 = ?1"):
        yield


@contextmanager
def a_torn_line_is_passed_over():
    whole = JournalReader._whole_lines

    def any_lines(self, limit):
        data = whole(self, limit)
        return data or (self._fd is not None and Path(self.path).read_bytes()[self.offset :]) or b""

    with patch.object(JournalReader, "_whole_lines", any_lines):
        yield


@contextmanager
def recovery_starts_what_lives():
    def take_up(self, left, living):
        for stored, finished in left:
            run = recovery._active(stored, finished)
            self._taken.append((run, stored.started_at))
            self._dispatcher.admit(run)
            self._dispatcher.recorded(run, stored.id)

    with patch.object(Recovery, "take_up", take_up):
        yield


@contextmanager
def a_dead_run_is_forgotten():
    def look_up(self, run, looks):
        self._watched.pop(run.uid, None)

    with patch.object(ExitWatch, "_look_up", look_up):
        yield


@contextmanager
def a_slot_is_not_given_back():
    def leave(self, run):
        run.gone = True
        self._waiting.remove(run)
        self._queue.remove(run)
        if run.process is not None and run.process.pid % 5:
            self._live.remove(run)
        self._queue.unpark(run.flow)

    with patch.object(Dispatcher, "_leave", leave):
        yield


@contextmanager
def a_parked_run_is_not_let_out():
    with patch.object(PendingQueue, "unpark", lambda self, flow: None):
        yield


@contextmanager
def a_retry_executes_everything():
    with patch.object(Resuming, "load_past", lambda self, uid, restart=None: []):
        yield


@contextmanager
def a_late_line_overwrites_the_end():
    def end_run(self, run_id, state, error, at):
        self.execute("UPDATE runs SET state = ?, finished_at = ? WHERE id = ?", (str(state), at, run_id))
        return state

    with patch.object(RunWriting, "end_run", end_run):
        yield


@contextmanager
def what_follows_is_counted_from_now():
    catch_up = Timekeeper.catch_up

    def forgetful(self, flow, schedule_id, cursor, now):
        return catch_up(self, flow, schedule_id, now, now)

    with patch.object(Timekeeper, "catch_up", forgetful):
        yield


@contextmanager
def a_leap_of_the_clock_is_not_caught_up():
    take = Clock._hand_over

    def newest_only(self, moments):
        moments._passed = moments._passed[-1:]
        take(self, moments)

    with patch.object(Clock, "_hand_over", newest_only):
        yield


@contextmanager
def a_failed_commit_loses_its_works():
    def fail(self, error):
        self._queue.clear()
        self._pace.failed_at(self._monotonic())

    with patch.object(Recorder, "_fail", fail):
        yield


@contextmanager
def journals_stay_ahead_of_a_failed_commit():
    with patch.object(Journals, "rewind", lambda self: self._touched.clear()):
        yield


@contextmanager
def after_one_error_nothing_is_tried_again():
    def failed_at(self, now):
        self.retry_at = float("inf")

    with patch.object(Pace, "failed_at", failed_at):
        yield


@contextmanager
def a_cancel_is_forgotten_by_the_next_daemon():
    forgotten = set()

    def active(stored, finished):
        run = made(stored, finished)
        run.cancelled = False
        forgotten.add(run.uid)
        return run

    def heed(writer, run, ending):
        return ending if run.uid in forgotten else heed_cancel(writer, run, ending)

    made, heed_cancel = recovery._active, recording._heed_cancel
    with patch.object(recovery, "_active", active), patch.object(recording, "_heed_cancel", heed):
        yield


@contextmanager
def attempts_are_counted_anew_by_the_next_daemon():
    def active(stored, finished):
        run = made(stored, finished)
        run.attempt = 1
        return run

    made = recovery._active
    with patch.object(recovery, "_active", active):
        yield


@contextmanager
def a_run_that_is_silent_for_a_second_is_called_dead():
    def enforce(self):
        for run in self.live_runs:
            if run.process is not None and self._monotonic() % 7 > 6:
                self.exited(run.uid, None)

    with patch.object(Dispatcher, "enforce", enforce):
        yield


@contextmanager
def a_new_version_of_a_flow_is_not_paused():
    with patch.object(Roster, "pause", lambda self, name, at: None):
        yield


@contextmanager
def a_range_is_refused_whole():
    with patch.object(entering, "fill_gaps", lambda *_: 0):
        yield


@contextmanager
def a_cursor_ahead_of_the_clock_stays_there():
    with patch.object(setting_right, "take_back", lambda writer, now: []):
        yield


@contextmanager
def what_was_decided_in_a_wrong_time_stands():
    with patch.object(taking_back, "TOLERANCE", 10**18):
        yield


@contextmanager
def a_schedule_is_taken_away_in_silence():
    with patch.object(schedule_writing, "fill_gaps", lambda *_: 0):
        yield


@contextmanager
def a_cancelled_run_is_started_by_the_next_daemon():
    cancel = Dispatcher.cancel

    def unless_it_waits(self, uid, reason):
        run = self._runs[uid]
        return run.state if run.cancelled and not run.launched else cancel(self, uid, reason)

    def not_started(self, uid, reason):
        run = self._runs[uid]
        run.cancelled = False
        refuse(self, uid, reason)

    refuse = Dispatcher.not_started
    with patch.object(Dispatcher, "cancel", unless_it_waits), patch.object(Dispatcher, "not_started", not_started):
        yield


@contextmanager
def a_pause_is_kept_in_memory():
    def set_paused(self, flow, at):
        return True

    with patch.object(Writer, "set_paused", set_paused):
        yield


@contextmanager
def a_flows_limit_is_not_looked_at():
    with patch.object(Dispatcher, "_may_start", lambda self, run: True):
        yield


@contextmanager
def a_crash_is_called_a_failure():
    judge = dispatcher.judge_exit

    def mild(status, **facts):
        ending = judge(status, **facts)
        return ending._replace(state=State.FAILED) if ending.state is State.CRASHED else ending

    with patch.object(dispatcher, "judge_exit", mild):
        yield


@contextmanager
def a_turn_is_believed_before_it_is_committed():
    write = turns._write

    def early(pen, works, journals, perform, take_in):
        journals.keep()
        return write(pen, works, journals, perform, take_in)

    with patch.object(turns, "_write", early), patch.object(Journals, "rewind", Journals.keep):
        yield


@contextmanager
def the_history_is_opened_by_hand():
    tidy = MortalPen.keep_place

    def look_inside(self):
        self._path.read_bytes()[:16]
        tidy(self)

    with patch.object(MortalPen, "keep_place", look_inside):
        yield


@contextmanager
def a_backfill_does_not_know_its_own_runs():
    with patch.object(backfill, "_is_made", lambda writer, runs: False):
        yield


@contextmanager
def a_backfill_answers_before_its_commit():
    async def record_all(self, write):
        answered = asyncio.get_running_loop().create_future()

        def hasty(writer):
            made = write(writer)
            if not answered.done():
                self._recording._inbox.put(answered.set_result, None)
            return made

        def admit(made):
            for run, run_id in made if isinstance(made, list) else ():
                self.dispatcher.admit(run)
                self.dispatcher.recorded(run, run_id)

        self._recording.submit(hasty, admit)
        await answered

    with patch.object(Daemon, "record_all", record_all):
        yield


@contextmanager
def a_backfill_is_cancelled_by_the_next_moment():
    with patch.object(ActiveRun, "gives_way", False):
        yield


# Each with the first world that notices it; the search begins there.
BUGS = {
    launched_before_it_is_recorded: 10,
    a_moment_may_have_two_runs: 10,
    acknowledged_before_the_commit: 14,
    the_ledger_is_not_in_the_transaction_of_its_run: 2,
    the_offset_is_not_moved_with_the_rows: 1,
    a_torn_line_is_passed_over: 1,
    recovery_starts_what_lives: 2,
    a_dead_run_is_forgotten: 1,
    a_slot_is_not_given_back: 1,
    a_parked_run_is_not_let_out: 4,
    a_retry_executes_everything: 17,
    a_late_line_overwrites_the_end: 1,
    what_follows_is_counted_from_now: 1,
    a_leap_of_the_clock_is_not_caught_up: 35,
    a_failed_commit_loses_its_works: 1,
    journals_stay_ahead_of_a_failed_commit: 27,
    after_one_error_nothing_is_tried_again: 1,
    a_cancel_is_forgotten_by_the_next_daemon: 1,
    attempts_are_counted_anew_by_the_next_daemon: 5,
    a_run_that_is_silent_for_a_second_is_called_dead: 8,
    a_new_version_of_a_flow_is_not_paused: 1,
    a_range_is_refused_whole: 23,
    a_cursor_ahead_of_the_clock_stays_there: 1,
    what_was_decided_in_a_wrong_time_stands: 1,
    a_schedule_is_taken_away_in_silence: 4,
    a_cancelled_run_is_started_by_the_next_daemon: 43,
    the_history_is_opened_by_hand: 1,
    a_pause_is_kept_in_memory: 1,
    a_flows_limit_is_not_looked_at: 4,
    a_crash_is_called_a_failure: 1,
    a_turn_is_believed_before_it_is_committed: 17,
    a_backfill_does_not_know_its_own_runs: 8,
    a_backfill_answers_before_its_commit: 16,
    a_backfill_is_cancelled_by_the_next_moment: 4,
}
