import time
from pathlib import Path

import pytest

from tidemill.dispatcher import dispatcher as module
from tidemill.dispatcher.dispatcher import Dispatcher
from tidemill.dispatcher.endings import STUCK
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.errors import Refused
from tidemill.domain.events import OfSubflow, RunEnded, RunNoted, RunStarted, SubflowStarted, TaskEnded, TaskStarted
from tidemill.domain.runs import ProcessName
from tidemill.domain.states import State
from tidemill.journal.writer import JournalWriter


class FakeRecords:
    def __init__(self):
        self.followed, self.settled, self.noted = [], [], []
        self.hold = False

    def follow(self, run_id, uid, journal, offset=0):
        self.followed.append((uid, offset))

    def settle(self, run, ending, status, done):
        self.settled.append((run.uid, ending.state, status))
        if not self.hold:
            done(ending.state if not run.ended else run.state)

    def note_state(self, run, state, note):
        self.noted.append((run.uid, state, note))


class FakeLauncher:
    def __init__(self):
        self.launched = []
        self.refusal = None

    def launch(self, run):
        if self.refusal:
            raise Refused(self.refusal)
        self.launched.append(run.uid)


class NoLimits:
    def of(self, tags):
        return ()


class World:
    def __init__(self, monkeypatch, max_runs=2):
        self.records, self.launcher, self.ended, self.signals, self.kills = FakeRecords(), FakeLauncher(), [], [], []
        self.time = 100.0
        monkeypatch.setattr(
            module, "signal_process", lambda process, number: self.signals.append((process.pid, number))
        )
        monkeypatch.setattr(module, "kill_group", lambda process: self.kills.append(process.pid))
        self.dispatcher = Dispatcher(
            self.records,
            self.launcher,
            Path,
            slots=NoLimits(),
            max_runs=max_runs,
            cancel_grace=10,
            on_end=lambda run: self.ended.append((run.uid, run.state)),
            monotonic=lambda: self.time,
        )
        self.ids = 0

    def queue(self, uid, flow="f", **fields):
        self.ids += 1
        run = ActiveRun(uid=uid, flow=flow, **fields)
        self.dispatcher.admit(run)
        self.dispatcher.recorded(run, self.ids)
        return run

    def start(self, uid, **fields):
        run = self.queue(uid, **fields)
        self.dispatcher.start_due()
        self.dispatcher.started(uid, ProcessName(self.ids, 1, "boot"))
        return run


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


def test_no_more_runs_live_than_there_are_slots(world):
    for uid in ("a", "b", "c"):
        world.queue(uid, flow=uid)

    world.dispatcher.start_due()

    assert world.launcher.launched == ["a", "b"]
    assert world.dispatcher.queued == 1


def test_the_end_of_a_process_frees_its_slot_whatever_was_recorded(world):
    for uid in ("a", "b", "c"):
        world.queue(uid, flow=uid)
    world.dispatcher.start_due()
    world.records.hold = True

    world.dispatcher.exited("a", -9)
    world.dispatcher.start_due()

    assert world.launcher.launched == ["a", "b", "c"]


def test_an_end_told_by_the_journal_keeps_the_slot_until_the_process_is_gone(world):
    run = world.start("a")

    world.dispatcher.observe([(run.id, RunStarted(1, 2, 3, "b")), (run.id, RunEnded(2, "completed"))])

    assert world.ended == [("a", State.COMPLETED)]
    assert [live.uid for live in world.dispatcher.live_runs] == ["a"]
    world.dispatcher.exited("a", 0)
    assert world.dispatcher.live_runs == []
    assert world.ended == [("a", State.COMPLETED)]


def test_a_flow_limit_holds_and_hands_over(world):
    world.queue("a", limit=1)
    world.queue("b", limit=1)
    world.dispatcher.start_due()
    assert world.launcher.launched == ["a"]

    world.dispatcher.exited("a", 0)
    world.dispatcher.start_due()

    assert world.launcher.launched == ["a", "b"]


def test_a_waiting_run_is_cancelled_at_once(world):
    world.queue("a", limit=1)
    world.queue("b", limit=1)
    world.dispatcher.start_due()

    assert world.dispatcher.cancel("b", "by hand") is State.CANCELLED

    assert ("b", State.CANCELLED, None) in world.records.settled
    world.records.hold = True
    run = world.queue("c", limit=1)
    world.dispatcher.cancel("c", "by hand")
    assert run.state is State.CANCELLED  # asked for again before it is recorded
    assert world.dispatcher.queued == 0


def test_a_live_run_is_asked_to_stop_and_killed_after_the_grace(world):
    world.start("a")

    assert world.dispatcher.cancel("a", "by hand") is State.CANCELLING
    world.dispatcher.cancel("a", "by hand")
    assert len(world.signals) == 1
    world.time += 9
    world.dispatcher.enforce()
    assert world.kills == []
    world.time += 2
    world.dispatcher.enforce()

    assert world.kills == [1]
    world.dispatcher.exited("a", -9)
    assert world.ended == [("a", State.CANCELLED)]


def test_a_run_that_did_not_notice_is_asked_twice_more_before_it_is_killed(world):
    world.start("a")
    world.dispatcher.cancel("a", "by hand")
    asked = []

    for _ in range(9):
        world.time += 1
        world.dispatcher.enforce()
        asked.append(len(world.signals))

    assert asked == [2, 2, 2, 2, 3, 3, 3, 3, 3]
    assert world.kills == []


def test_a_cancel_before_the_process_is_known_reaches_it_when_it_is(world):
    world.queue("a")
    world.dispatcher.start_due()
    world.dispatcher.cancel("a", "by hand")
    assert world.signals == []

    world.dispatcher.started("a", ProcessName(7, 1, "boot"))

    assert world.signals[0][0] == 7


def test_a_run_past_its_time_out_is_killed_from_outside(world):
    world.start("a", timeout=30.0)
    world.time += 30 + module.KILL_MARGIN

    world.dispatcher.enforce()
    world.dispatcher.exited("a", -9)

    assert world.kills == [1]
    assert world.ended == [("a", State.TIMED_OUT)]


def test_a_process_that_outlives_its_flow_is_killed_but_not_blamed(world):
    run = world.start("a")
    world.dispatcher.observe([(run.id, RunEnded(2, "completed"))])
    world.time += 11

    world.dispatcher.enforce()
    world.dispatcher.exited("a", -9)

    assert world.kills == [1]
    assert world.ended == [("a", State.COMPLETED)]


def test_a_run_that_cannot_be_started_ends_with_the_reason(world):
    world.launcher.refusal = "its file was removed"
    world.queue("a")

    world.dispatcher.start_due()

    assert world.records.settled == [("a", State.CRASHED, None)]
    assert world.dispatcher.live_runs == []


def test_a_cancelled_run_that_cannot_be_started_is_cancelled(world):
    world.queue("a")
    world.dispatcher.start_due()
    world.dispatcher.cancel("a", "by hand")

    world.dispatcher.not_started("a", "the flow is gone")

    assert world.ended == [("a", State.CANCELLED)]


def test_an_adopted_run_takes_a_slot_and_is_read_on(world):
    run = ActiveRun(uid="a", flow="f", id=9, process=ProcessName(5, 1, "boot"))

    world.dispatcher.adopt(run, 1234)

    assert world.records.followed == [("a", 1234)]
    assert world.dispatcher.live_of("f") == [run]
    world.dispatcher.exited("a", None)
    assert world.ended == [("a", State.CRASHED)]


def test_nothing_starts_after_closing(world):
    world.queue("a")
    world.dispatcher.close()

    world.dispatcher.start_due()

    assert world.launcher.launched == []
    assert world.dispatcher.queued == 1


def test_a_run_being_recorded_counts_as_waiting(world):
    run = ActiveRun(uid="a", flow="f")
    world.dispatcher.admit(run)
    assert world.dispatcher.waiting_of("f") == 1

    world.dispatcher.withdraw(run)

    assert world.dispatcher.waiting_of("f") == 0
    assert world.dispatcher.find("a") is None


def test_runs_of_a_backfill_do_not_count_for_the_policies_of_what_is_due(world):
    world.dispatcher.admit(ActiveRun(uid="a", flow="f", trigger="backfill"))
    world.dispatcher.adopt(ActiveRun(uid="b", flow="f", id=9, trigger="backfill"), 0)

    assert (world.dispatcher.waiting_of("f"), world.dispatcher.live_of("f")) == (0, [])
    assert len(world.dispatcher.live_runs) == 1


def test_a_thousand_waiting_runs_of_one_flow_go_one_after_the_other(world):
    for number in range(1000):
        world.queue(f"r{number:04}", limit=1)
    for number in range(1000):
        world.dispatcher.start_due()
        assert len(world.dispatcher.live_runs) == 1
        world.dispatcher.exited(f"r{number:04}", 0)

    assert world.launcher.launched == [f"r{number:04}" for number in range(1000)]


def test_a_run_whose_code_never_let_go_past_a_tasks_time_out_is_timed_out(world, tmp_path):
    at = time.time_ns() // 1000
    for uid, deadline, state in (("late", at - 1, State.TIMED_OUT), ("early", at + 60_000_000, State.CRASHED)):
        run = world.start(uid, flow=uid)
        run.journal = tmp_path / f"{uid}.journal"
        journal = JournalWriter(run.journal)
        journal.write(TaskStarted(at - 20, 0, "first", 1, at - 10))
        journal.write(TaskEnded(at - 5, 0, "first", "completed", 1))
        journal.write(TaskStarted(at - 4, 1, "second", 1, deadline))

        world.dispatcher.exited(uid, STUCK)

        assert world.ended[-1] == (uid, state)


def test_a_time_out_of_a_task_within_a_sub_flow_counts_until_that_task_ends(world, tmp_path):
    at = time.time_ns() // 1000
    for uid, end, state in (
        ("late", RunNoted(at, "hm"), State.TIMED_OUT),
        ("early", TaskEnded(at, 0, "t", "failed", 1), State.CRASHED),
    ):
        run = world.start(uid, flow=uid)
        run.journal = tmp_path / f"{uid}.journal"
        journal = JournalWriter(run.journal)
        journal.write(TaskStarted(at - 5, 0, "child", 1))
        journal.write(OfSubflow("c", TaskStarted(at - 4, 0, "t", 1, at - 1)))
        journal.write(TaskEnded(at - 3, 0, "child", "failed", 1))
        journal.write(OfSubflow("other", TaskEnded(at - 3, 0, "t", "failed", 1)))
        journal.write(OfSubflow("other", RunEnded(at - 2, "failed")))
        journal.write(OfSubflow("c", end))

        world.dispatcher.exited(uid, STUCK)

        assert world.ended[-1] == (uid, state)


def test_what_is_told_of_a_sub_flow_is_not_told_of_the_run(world):
    run = world.start("a")
    run.state = State.RETRYING
    told = [SubflowStarted(1, "a", 0, "f", {}), TaskStarted(2, 0, "t", 1), RunEnded(3, "failed")]

    world.dispatcher.observe((run.id, OfSubflow("c", event)) for event in told)

    assert (run.state, run.ended, world.ended) == (State.RETRYING, False, [])
    assert [run.uid for run in world.dispatcher.active_of(run.flow)] == ["a"]


def test_an_exit_told_while_the_run_waits_again_keeps_it_from_being_started_twice(world):
    run = world.start("a")
    world.dispatcher.requeue(run)

    world.dispatcher.exited("a", 0)

    assert world.dispatcher.queued == 0
    assert not world.dispatcher.start_due()
    assert world.launcher.launched == ["a"]
    assert world.dispatcher.live_runs == []


def test_an_adopted_run_is_under_its_time_out_again(world):
    run = ActiveRun(uid="a", flow="f", id=9, process=ProcessName(5, 1, "boot"))
    world.dispatcher.adopt(run, 0)
    world.dispatcher.set_timeout(run, 30.0, spent=20.0)

    world.time += 10 + module.KILL_MARGIN
    world.dispatcher.enforce()

    assert world.kills == [5]
