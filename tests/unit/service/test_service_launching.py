import asyncio
import threading

import pytest

from tidemill.config.paths import StatePaths
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.runs import ProcessName
from tidemill.forkserver.protocol import Exited, Failed, Started, Welcome
from tidemill.journal.processes import boot_id, name_process
from tidemill.service import launching
from tidemill.service.launching import ForkserverLink


class FakeClient:
    hint_fd = None

    def __init__(self, pid=0):
        self.welcome = Welcome("", pid)
        self.gone = False
        self.replies = []
        self.retirements = 0

    def retire(self):
        self.retirements += 1

    def fileno(self):
        return 0

    def receive(self):
        replies, self.replies = self.replies, []
        return replies

    def close(self):
        pass


class FakeDispatcher:
    def __init__(self, paths):
        self.run = ActiveRun(uid="a", flow="f", launched=True)
        self.live_runs = [self.run]
        self.paths = paths
        self.told = []

    def find(self, uid):
        return self.run

    def journal_of(self, run):
        return self.paths.journal(run.uid)

    def started(self, uid, process):
        self.run.process = process

    def exited(self, uid, status):
        self.told.append(("exited", status))

    def not_started(self, uid, reason):
        self.told.append(("not started", reason))

    def requeue(self, run):
        self.told.append(("requeue", run.uid))


class FakeWatch:
    def __init__(self):
        self.watched = []

    def watches(self, uid):
        return uid in self.watched

    def add(self, run, journal):
        self.watched.append(run.uid)


@pytest.fixture
def world(tmp_path, monkeypatch):
    class World:
        def __init__(self):
            self.paths = StatePaths(tmp_path)
            self.dispatcher, self.watch = FakeDispatcher(self.paths), FakeWatch()
            self.link = ForkserverLink(self.paths, (), lambda run: None, lambda urgent: None)
            self.link.attach(self.dispatcher, self.watch, lambda: None)
            self.current, self.retired = FakeClient(), FakeClient()

        def hear(self, client, *replies, gone=False):
            async def hear():
                client.replies, client.gone = list(replies), gone
                self.link._client, self.link._retired = self.current, [self.retired]
                self.link._restart = lambda: asyncio.sleep(0)
                self.link._read(client)

            asyncio.run(hear())

    return World()


REFUSED = Started("a", 4_000_001, 1), Failed("a", "File exists", taken=True), Exited("a", 4_000_001, 1, 71, 5)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)])
def test_a_second_process_that_finds_the_journal_taken_is_not_the_runs(world, monkeypatch, order):
    first = name_process(1)
    monkeypatch.setattr(launching, "process_of", lambda journal: first)

    world.hear(world.current, *(REFUSED[place] for place in order))

    assert world.dispatcher.told == []
    assert world.dispatcher.run.process == first
    assert world.watch.watched == ["a"]


def test_a_run_that_could_not_be_prepared_is_told_so(world):
    world.hear(world.current, Started("a", 5, 1), Failed("a", "no such folder"))
    assert world.dispatcher.told == [("not started", "no such folder")]


def test_an_order_that_died_with_its_server_is_given_again(world):
    world.hear(world.current, gone=True)
    assert world.dispatcher.told == [("requeue", "a")]


def test_the_end_of_a_drained_server_gives_no_order_of_another_again(world):
    world.hear(world.retired, gone=True)
    assert world.dispatcher.told == []


def test_an_order_that_a_retiring_server_refused_is_given_to_another(world):
    refused = Failed("a", "it is retiring", retiring=True)
    world.hear(world.current, refused, refused)
    assert world.dispatcher.told == [("requeue", "a")] * 2
    assert world.link._client is None
    assert world.link._retired == [world.retired, world.current]


@pytest.mark.parametrize("known", ["process", "journal"])
def test_a_run_whose_server_died_is_watched(world, known):
    if known == "process":
        world.dispatcher.run.process = ProcessName(5, 1, boot_id())
    else:
        world.paths.journal("a").parent.mkdir(parents=True)
        world.paths.journal("a").touch()

    world.hear(world.current, gone=True)

    assert world.dispatcher.told == []
    assert world.watch.watched == ["a"]


@pytest.mark.parametrize(("retire", "told"), [(True, 1), (False, 0)])
def test_a_server_that_is_found_while_the_daemon_leaves_is_told_to_leave_too(world, monkeypatch, retire, told):
    late, may_be_found = FakeClient(), threading.Event()

    def find(*_):
        may_be_found.wait(10)
        return late

    async def leave():
        world.link._restarting = asyncio.create_task(world.link._restart())
        await asyncio.sleep(0)
        world.link.close(retire=retire)
        world.link._restarting.cancel()
        may_be_found.set()

    monkeypatch.setattr(launching, "ensure", find)
    asyncio.run(leave())

    assert late.retirements == told
