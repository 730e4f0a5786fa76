from datetime import UTC, datetime, timedelta

import pytest

from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.errors import HistoryError
from tidemill.domain.manifests import FlowManifest
from tidemill.domain.outcomes import Outcome
from tidemill.domain.schedules import every
from tidemill.scheduler.moments import DueMoment
from tidemill.service import timekeeping as module
from tidemill.service.roster import KnownFlow, Roster
from tidemill.service.timekeeping import Timekeeper

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


class FakeDispatcher:
    def __init__(self):
        self.admitted = []

    def live_of(self, flow):
        return []

    def active_of(self, flow):
        return self.live_of(flow)

    def waiting_of(self, flow):
        return len(self.admitted)

    def admit(self, run):
        self.admitted.append(run)

    def recorded(self, run, run_id):
        run.id = run_id

    def withdraw(self, run):
        self.admitted.remove(run)


class Keeper(Timekeeper):
    def _record(self, entries, condition=None):
        self.recorded = [(entry.verdict.moment, entry.verdict.outcome) for entry in entries]
        super()._record(entries)


class FakeRecording:
    """Writes nothing, and answers with keys, or that the moments have their rows already."""

    def __init__(self):
        self.is_seen = False

    def submit(self, work, done):
        self.work = work
        self.done = lambda runs: done([None if self.is_seen else 7] * runs)


@pytest.fixture
def keeper():
    def make(spec, overlap="allow"):
        roster = Roster()
        flow = KnownFlow(FlowManifest("f", "graph", overlap=overlap), "/f.py", {}, "v")
        roster.put(flow)
        roster.schedule("f", {1: spec})
        made = Keeper(roster, FakeDispatcher(), FakeRecording(), lambda: None, max_catchup=100, now=lambda: NOW)
        made.flow = flow
        return made

    return make


def test_moments_that_jitter_brought_together_are_judged_one_by_one(keeper):
    made = keeper(every(seconds=10, jitter=60))
    made.due([DueMoment(1, ago(40)), DueMoment(1, ago(30)), DueMoment(1, ago(20))])
    assert made.recorded == [(ago(seconds), Outcome.RAN) for seconds in (40, 30, 20)]


def test_each_of_them_sees_the_one_before(keeper):
    made = keeper(every(seconds=10, jitter=60), overlap="skip")
    made.due([DueMoment(1, ago(40)), DueMoment(1, ago(30))])
    assert [outcome for _, outcome in made.recorded] == [Outcome.RAN, Outcome.SKIPPED]


@pytest.mark.parametrize("jitter", [0, 5])
def test_moments_that_time_leapt_over_share_a_run(keeper, jitter):
    made = keeper(every(seconds=10, jitter=jitter))
    made.due([DueMoment(1, ago(40)), DueMoment(1, ago(30)), DueMoment(1, ago(20))])
    assert [outcome for _, outcome in made.recorded] == [Outcome.COALESCED, Outcome.COALESCED, Outcome.LATE]


def test_after_a_pause_moments_that_jitter_still_puts_off_are_left_to_the_clock(keeper):
    made = keeper(every(seconds=10, anchor=NOW, jitter=25))
    seen = made.catch_up(made.flow, 1, ago(60), NOW)
    assert seen == ago(25)
    assert made.recorded == [(ago(50), Outcome.COALESCED), (ago(40), Outcome.COALESCED), (ago(30), Outcome.LATE)]


def test_moments_that_have_their_rows_are_not_judged_again_after_a_restart(keeper):
    made = keeper(every(seconds=10, anchor=NOW, jitter=25))
    assert made.catch_up(made.flow, 1, ago(10), NOW) == ago(10)
    assert made.recorded == []


def test_without_jitter_everything_up_to_now_is_caught_up(keeper):
    made = keeper(every(seconds=10, anchor=NOW))
    assert made.catch_up(made.flow, 1, ago(15), NOW) == NOW
    assert [moment for moment, _ in made.recorded] == [ago(10), NOW]


@pytest.mark.parametrize(
    ("overlap", "outcome", "cancelled"),
    [
        ("skip", Outcome.SKIPPED, []),
        ("queue", Outcome.LATE, []),
        ("allow", Outcome.LATE, []),
        ("cancel", Outcome.LATE, ["old"]),
    ],
)
def test_what_is_made_up_for_heeds_a_run_that_is_still_going(keeper, monkeypatch, overlap, outcome, cancelled):
    made = keeper(every(seconds=10, anchor=NOW), overlap=overlap)
    old, ended = ActiveRun("old", "f", id=1), []
    monkeypatch.setattr(made._dispatcher, "live_of", lambda flow: [old])
    monkeypatch.setattr(made._dispatcher, "active_of", lambda flow: [old], raising=False)
    monkeypatch.setattr(made._dispatcher, "cancel", lambda uid, reason: ended.append(uid), raising=False)

    made.catch_up(made.flow, 1, ago(35), NOW)

    assert [found for _, found in made.recorded] == [Outcome.COALESCED] * 3 + [outcome]
    assert ended == []
    made._recording.done(4)
    assert ended == cancelled


class NotedWriter:
    """Knows the runs that were noted, and gives new ones the keys from 7 on."""

    def __init__(self):
        self.noted = []
        self.entered = 6

    def enter(self, entry, at):
        self.entered += 1
        return self.entered

    def note(self, run_id, state, note, at):
        self.noted.append((run_id, str(state), note))


def test_whom_a_moment_cancels_is_written_with_it_so_that_no_crash_forgets_it(keeper, monkeypatch):
    made = keeper(every(seconds=10, jitter=60), overlap="cancel")
    old, past = ActiveRun("old", "f", id=1), ActiveRun("past", "f", id=2, trigger="backfill")
    unrecorded = ActiveRun("new", "f")
    monkeypatch.setattr(made._dispatcher, "live_of", lambda flow: [old])
    monkeypatch.setattr(made._dispatcher, "active_of", lambda flow: [old, past, unrecorded])
    monkeypatch.setattr(module, "enter", lambda writer, entry, at: writer.enter(entry, at))
    writer = NotedWriter()

    made.due([DueMoment(1, ago(40)), DueMoment(1, ago(30))])
    run_ids = made._recording.work(writer)

    why = "its next moment came, and overlap is cancel"
    assert run_ids == [7, 8]
    assert writer.noted == [(run_id, "cancelling", why) for run_id in (1, 1, 7)]
    again = NotedWriter()  # as after a commit whose answer was lost
    assert made._recording.work(again) == [7, 8]
    assert again.noted == writer.noted


def test_at_the_end_the_next_daemon_is_left_to_cancel_them(keeper, monkeypatch):
    def cancel(uid, reason):
        raise HistoryError("the history is closing; nothing more is recorded")

    made = keeper(every(seconds=10, anchor=NOW), overlap="cancel")
    monkeypatch.setattr(made._dispatcher, "live_of", lambda flow: [ActiveRun("old", "f", id=1)])
    monkeypatch.setattr(made._dispatcher, "cancel", cancel, raising=False)

    made.due([DueMoment(1, NOW)])
    made._recording.done(1)

    (run,) = made._dispatcher.admitted
    assert run.id == 7


def test_a_moment_that_has_its_run_already_cancels_nothing(keeper, monkeypatch):
    made = keeper(every(seconds=10, anchor=NOW), overlap="cancel")
    made._recording.is_seen = True
    ended = []
    monkeypatch.setattr(made._dispatcher, "live_of", lambda flow: [ActiveRun("old", "f", id=1)])
    monkeypatch.setattr(made._dispatcher, "cancel", lambda uid, reason: ended.append(uid), raising=False)

    made.due([DueMoment(1, NOW)])
    made._recording.done(1)

    assert ended == made._dispatcher.admitted == []


def test_what_is_made_up_for_does_not_mind_the_flows_other_schedules(keeper):
    made = keeper(every(seconds=10, anchor=NOW), overlap="skip")
    made._dispatcher.admitted.append(ActiveRun("other", "f"))

    made.catch_up(made.flow, 1, ago(15), NOW)

    assert made.recorded[-1] == (NOW, Outcome.LATE)


def test_the_next_moment_cancels_no_backfill(keeper, monkeypatch):
    made = keeper(every(seconds=10, anchor=NOW), overlap="cancel")
    old, past, ended = ActiveRun("old", "f", id=1), ActiveRun("past", "f", id=2, trigger="backfill"), []
    monkeypatch.setattr(made._dispatcher, "live_of", lambda flow: [old])
    monkeypatch.setattr(made._dispatcher, "active_of", lambda flow: [old, past], raising=False)
    monkeypatch.setattr(made._dispatcher, "cancel", lambda uid, reason: ended.append(uid), raising=False)

    made.due([DueMoment(1, NOW)])
    made._recording.done(1)

    assert (made.recorded, ended) == ([(NOW, Outcome.RAN)], ["old"])
