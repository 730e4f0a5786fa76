import os
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tidemill.config.paths import StatePaths
from tidemill.config.settings import Settings
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.errors import HistoryError, Refused
from tidemill.domain.events import RunEnded, RunNoted, RunStarted
from tidemill.domain.manifests import FlowManifest
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State
from tidemill.history.owing import OwedHooks
from tidemill.history.records import StoredRun
from tidemill.journal.exits import ProcessExit, append_exit
from tidemill.journal.processes import boot_id, start_time
from tidemill.journal.writer import JournalWriter
from tidemill.service import hook_calls, hook_process
from tidemill.service.hook_calls import AT_ONCE, LOOK, PATIENCE, TRIES, HookCalls
from tidemill.service.hook_process import LIMIT, MARGIN, order_for_hooks
from tidemill.service.roster import KnownFlow, Roster

SOURCES = {"/flows/etl.py": "ab" * 32, "/flows/helper.py": "cd" * 32}


def owed(uid="k3f0000000", state=State.CRASHED, **fields):
    run = StoredRun(
        id=7,
        uid=uid,
        flow="etl",
        state=state,
        trigger="schedule",
        queued_at=0,
        started_at=0,
        finished_at=1,
        scheduled_for=0,
        attempt=2,
        priority=0,
        parent=None,
        parameters={"day": 3},
        schedule_id=None,
        process=None,
        journal=None,
        journal_offset=0,
        version="v1",
        sources=SOURCES,
        file="/flows/etl.py",
        note=None,
        root=None,
    )
    return OwedHooks(replace(run, **fields), "Crashed: killed")


class World:
    """A history that owes hooks, a fork server that may be there, and a clock."""

    def __init__(self, folder):
        self.paths = StatePaths(folder)
        self.paths.hooks_journal("k3f0000000").parent.mkdir(parents=True)
        self.owed, self.notes, self.orders, self.killed = {}, [], [], []
        self.is_connected, self.now, self.timers = True, 100.0, []
        self.roster = Roster()
        self.is_broken = False
        self.calls = HookCalls(
            self,
            self,
            self,
            self.roster,
            self.paths,
            order=lambda one: order_for_hooks(one, "/flows", self.paths, Settings()),
            monotonic=lambda: self.now,
        )

    # As the history

    def submit(self, work, done=None):
        answer = HistoryBrokenError() if self.is_broken else work(self)
        if done is not None:
            done(answer)

    def execute(self, sql, parameters=()):
        assert sql.startswith("DELETE FROM meta")
        self.owed.pop(parameters[0].removeprefix("owed_hooks/"), None)

    def note(self, run_id, state, text, at):
        self.notes.append((run_id, state, text))

    # As the fork server

    def order(self, order):
        if not self.is_connected:
            raise Refused("there is none")
        self.orders.append(order)

    # As the loop

    def call_later(self, seconds, act):
        timer = SimpleNamespace(act=act, cancel=lambda: self.timers.remove(timer) if timer in self.timers else None)
        self.timers.append(timer)
        return timer

    def turn(self, seconds=LOOK):
        (timer,) = self.timers
        self.timers.clear()
        self.now += seconds
        timer.act()

    # As the process that calls hooks

    def tell(self, *events, pid=None, uid="k3f0000000"):
        writer = JournalWriter(self.paths.hooks_journal(uid))
        if pid is not None:
            writer.write(RunStarted(1, pid, start_time(pid) or 0, boot_id()))
        for event in events:
            writer.write(event)
        writer.close()

    def owes(self, one):
        self.owed[one.run.uid] = one
        self.calls.take_up([one])
        self.calls.open()


class HistoryBrokenError(Exception):
    pass


@pytest.fixture
def world(tmp_path, monkeypatch):
    world = World(tmp_path)
    monkeypatch.setattr(hook_calls, "load_owed", lambda writer, uid: writer.owed.get(uid))
    monkeypatch.setattr(hook_process, "kill_group", world.killed.append)
    return world


def known(version="v1", hooks=("on_crashed",)):
    return KnownFlow(FlowManifest("etl", "function", end_hooks=hooks), "/flows/etl.py", {}, version)


def test_the_version_that_ran_is_ordered_to_call_them(world):
    world.owes(owed())

    (order,) = world.orders
    assert (order.run, order.process, order.flow) == ("k3f0000000", "k3f0000000:crash_hooks", "etl")
    assert order.path == "/flows/etl.py"
    assert order.sources == {path: str(world.paths.source(digest)) for path, digest in SOURCES.items()}
    assert order.verdict == ("crashed", "Crashed: killed")
    assert (order.timeout, order.attempt, order.parameters) == (LIMIT, 2, {"day": 3})
    assert order.journal.endswith("/k3/k3f0000000.hooks")
    assert order.log == str(world.paths.log("k3f0000000"))


def test_it_is_noted_that_they_were_called_and_nothing_is_owed_any_more(world):
    world.owes(owed())
    world.tell(RunEnded(2, "completed"), pid=os.getpid())

    world.turn()

    assert world.notes == [(7, None, "the on_crashed hooks were called, in a process of their own")]
    assert world.owed == {}
    assert not world.paths.hooks_journal("k3f0000000").exists()
    assert not world.timers


def test_what_went_wrong_is_noted(world):
    world.owes(owed())
    told = [
        RunNoted(1, "the on_crashed hook notify failed: KeyError: 'x'"),
        RunNoted(2, "the on_crashed hook b failed"),
    ]
    world.tell(*told, RunEnded(2, "failed", ErrorInfo("KeyError", "'x'")), pid=os.getpid())

    world.turn()

    assert [note[2] for note in world.notes] == [
        "the on_crashed hook notify failed: KeyError: 'x'; the on_crashed hook b failed"
    ]


def test_a_file_that_cannot_be_loaded_any_more_is_noted(world):
    world.owes(owed(state=State.CANCELLED))
    world.tell(RunEnded(2, "failed", ErrorInfo("ImportError", "no module")), pid=os.getpid())

    world.turn()

    assert world.notes[0][2] == "the on_cancellation hooks did not come to their end: ImportError: no module"


def test_a_version_without_such_hooks_leaves_no_note(world):
    world.owes(owed())
    world.tell(RunEnded(2, "skipped"), pid=os.getpid())

    world.turn()

    assert (world.notes, world.owed) == ([], {})


def test_nothing_is_ordered_where_the_manifest_of_that_version_has_no_such_hooks(world):
    world.roster.put(known(hooks=("on_failure",)))

    world.owes(owed())

    assert (world.orders, world.notes, world.owed) == ([], [], {})


@pytest.mark.parametrize("flow", [known(), known(version="v2", hooks=())])
def test_an_order_is_given_where_there_are_some_or_only_the_file_can_tell(world, flow):
    world.roster.put(flow)

    world.owes(owed())

    assert len(world.orders) == 1


def test_a_run_whose_version_is_unknown_is_settled_with_a_sentence(world):
    world.owes(owed(version=None, sources={}, file=None))

    assert world.orders == []
    assert "not known any more" in world.notes[0][2]


def test_no_second_process_where_one_was_made_for_an_earlier_daemon(world):
    world.tell(pid=os.getpid())

    world.owes(owed())
    world.turn()

    assert (world.orders, world.notes) == ([], [])
    world.tell(RunEnded(2, "completed"))
    world.turn()
    assert len(world.notes) == 1


def test_a_process_that_died_is_noted_and_not_tried_again(world):
    child = os.fork()
    if child == 0:
        signal.pause()
    world.tell(pid=child)
    started = start_time(child)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    append_exit(world.paths.exits, ProcessExit("k3f0000000:crash_hooks", child, started, -9, 5))

    world.owes(owed())
    world.turn()

    assert world.orders == []
    assert world.notes[0][2] == (
        "the on_crashed hooks did not come to their end: their process died (killed by SIGKILL)"
    )


def test_a_process_over_its_time_is_killed(world):
    world.owes(owed())
    world.tell(pid=os.getpid())

    world.turn(LIMIT + MARGIN)
    assert world.killed == []
    world.turn()

    assert [process.pid for process in world.killed] == [os.getpid()]


def test_an_order_that_got_lost_is_given_again_but_not_for_ever(world):
    world.owes(owed())

    for _ in range(TRIES):
        world.turn(PATIENCE + 1)

    assert len(world.orders) == TRIES
    assert world.notes[0][2] == "the on_crashed hooks were not called: no process could be made for them"
    assert not world.timers


def test_they_wait_for_a_fork_server(world):
    world.is_connected = False
    world.owes(owed())
    for _ in range(5):
        world.turn(PATIENCE + 1)
    assert (world.orders, world.notes) == ([], [])

    world.is_connected = True
    world.turn()

    assert len(world.orders) == 1


def test_a_few_at_a_time(world):
    uids = [f"k3f000000{n}" for n in range(AT_ONCE + 2)]
    for uid in uids:
        world.owes(owed(uid))
    assert [order.run for order in world.orders] == uids[:AT_ONCE]

    world.tell(RunEnded(2, "completed"), pid=os.getpid(), uid=uids[0])
    world.turn()

    assert [order.run for order in world.orders] == uids[: AT_ONCE + 1]


def test_a_run_that_has_just_ended_is_looked_up(world):
    world.calls.open()
    world.owed["k3f0000000"] = owed()
    run = ActiveRun(uid="k3f0000000", flow="etl", state=State.CRASHED)

    world.calls.ended(run)
    world.calls.ended(run)
    world.calls.ended(ActiveRun(uid="k3f0000001", flow="etl", state=State.CANCELLED))

    assert [order.run for order in world.orders] == ["k3f0000000"]


def test_nothing_begins_before_the_flows_are_known_or_after_the_end(world):
    world.calls.take_up([owed()])
    assert world.orders == []

    world.calls.close()
    world.calls.ended(ActiveRun(uid="k3f0000000", flow="etl", state=State.CRASHED))

    assert (world.orders, world.timers) == ([], [])


def test_a_run_that_ends_while_the_daemon_does_is_looked_up_by_the_next_one(world):
    def submit(work, done=None):
        raise HistoryError("the history is closing; nothing more is recorded")

    world.calls.open()
    world.calls.close()
    world.submit = submit

    world.calls.ended(ActiveRun(uid="k3f0000000", flow="etl", state=State.CRASHED))  # raises nothing

    assert world.orders == []


def test_a_history_that_cannot_be_written_keeps_them_owed(world):
    world.owes(owed())
    world.tell(RunEnded(2, "completed"), pid=os.getpid())
    world.is_broken = True

    world.turn()

    assert "k3f0000000" in world.owed
    assert world.paths.hooks_journal("k3f0000000").exists()
