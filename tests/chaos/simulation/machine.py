"""The machine outside the daemon: a fork server, run processes and their journals. They outlive the daemon."""

import os
import signal
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from tidemill.domain.events import RunEnded, RunStarted, TaskEnded, TaskRetrying, TaskStarted
from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.domain.runs import ProcessName
from tidemill.forkserver.protocol import Exited, Failed, ForkserverError, LiveRun, Started, Welcome
from tidemill.journal.exits import ProcessExit, append_exit
from tidemill.journal.finished import take_finished
from tidemill.journal.format import encode


@dataclass
class Truth:
    """What really happened to a run, as its processes know it."""

    processes: int = 0
    """How many have executed it."""
    events: list = field(default_factory=list)
    """Whole lines of its journal."""
    ended: str | None = None
    """The end its process wrote down."""
    status: int | None = None
    reaped: bool = False
    """Its exit stands in the exits journal, and stood there soon enough for a daemon that looks for it."""
    died_at: float = 0.0


class Killed(Exception):
    """The process is gone, at this point."""


class Process:
    """A run process: writes its journal step by step, and may be killed between any two."""

    def __init__(self, machine, order, pid):
        self.machine = machine
        self.order = order
        self.uid = order.run
        self.pid = pid
        self.start_time = pid * 7
        self.boot = machine.boot
        self.is_alive = True
        self.is_reaped = False
        self.is_orphan = False
        self.wants_stop = False
        self.status = None
        self.holds_journal = False
        self._fd = None
        self._steps = self._run()

    @property
    def name(self):
        return ProcessName(self.pid, self.start_time, self.boot)

    def step(self):
        try:
            next(self._steps)
        except StopIteration as stop:
            self.die(stop.value)
        except Killed:
            self.die(-9)
        self.machine.world.check_daemon()

    def die(self, status):
        if not self.is_alive:
            return
        self.is_alive = False
        self.status = status
        self._steps.close()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        if self.holds_journal:
            truth = self.machine.truth_of(self.uid)
            truth.status, truth.died_at = status, self.machine.world.hours.monotonic()

    def _run(self):
        world, rng = self.machine.world, self.machine.rng
        yield
        try:
            self._fd = os.open(self.order.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
        except FileExistsError:
            self.machine.tell(Failed(self.uid, "the run cannot be prepared: taken", True))
            return 71
        self.holds_journal = True
        truth = self.machine.truth_of(self.uid)
        truth.processes += 1
        world.began_run(self)
        yield
        finished = {}
        if self.order.finished:
            finished = {(task.name, task.occurrence): task for task in take_finished(Path(self.order.finished))}
        yield from self._write(RunStarted(world.micros(), self.pid, self.start_time, self.boot))
        for index in range(rng.randint(1, 3)):
            name = f"t{index}"
            if (name, 1) in finished:
                yield from self._write(
                    TaskEnded(world.micros(), index, name, "cached", 0, result=finished[name, 1].result)
                )
                continue
            state = yield from self._task(index, name)
            if state != "completed":
                yield from self._write(RunEnded(world.micros(), state, ErrorInfo("ValueError", name)))
                return 1
        if rng.random() < 0.1:
            return 3  # os._exit in the user's code
        yield from self._write(RunEnded(world.micros(), "completed"))
        if rng.random() < 0.1:
            yield  # what atexit does
        return 0

    def _task(self, index, name):
        world, rng = self.machine.world, self.machine.rng
        attempt = 1
        while True:
            if self.wants_stop and rng.random() < 0.8:
                return "cancelled"
            began = world.micros()
            yield from self._write(TaskStarted(began, index, name, attempt))
            world.began_task(self.uid, name)
            yield
            for _ in range(rng.choice((0, 0, 1, 4))):
                if self.wants_stop and rng.random() < 0.5:
                    yield from self._write(TaskEnded(world.micros(), index, name, "cancelled", attempt, began))
                    return "cancelled"
                yield
            luck = rng.random()
            if luck < 0.75:
                value = f"{rng.random()}"
                result = ResultInfo("history", None, len(value), value, "json", value) if luck < 0.4 else None
                yield from self._write(
                    TaskEnded(world.micros(), index, name, "completed", attempt, began, result=result)
                )
                return "completed"
            error = ErrorInfo("ValueError", f"attempt {attempt}")
            if luck < 0.85 and attempt < 3:
                due = world.micros() + 1_000_000
                yield from self._write(TaskRetrying(world.micros(), index, name, attempt, due, error))
                attempt += 1
                continue
            yield from self._write(TaskEnded(world.micros(), index, name, "failed", attempt, began, error))
            return "failed"

    def _write(self, event):
        """Append a line; in two pieces now and then, and whoever reads may come in between."""
        world = self.machine.world
        line = encode(event)
        world.passes("append before", self)
        if world.is_torn():
            cut = self.machine.rng.randrange(1, len(line))
            os.write(self._fd, line[:cut])
            world.appended(self, None)
            world.passes("append middle", self)
            yield
            line = line[cut:]
        os.write(self._fd, line)
        self.machine.truth_of(self.uid).events.append(event)
        if type(event) is RunEnded:
            self.machine.truth_of(self.uid).ended = event.state
        world.appended(self, event)
        world.passes("append after", self)
        yield


class Client:
    """The daemon's end of the fork server's socket."""

    hint_fd = None

    def __init__(self, server, number):
        self.server = server
        self.number = number
        self.gone = False
        self.replies = []
        self.welcome = None

    def fileno(self):
        return self.number

    def receive(self):
        replies, self.replies = self.replies, []
        return replies

    def start(self, order):
        if self.gone:
            raise ForkserverError("the fork server is gone: simulated")
        world = self.server.machine.world
        world.backfills.ordered(order)
        world.nemesis.at("order before")
        self.server.orders.append((self, order))
        world.nemesis.at("order after")

    def close(self):
        self.gone = True

    def retire(self):
        self.server.is_retiring = True
        self.server.hurry()


class Server:
    """The fork server."""

    def __init__(self, machine, pid):
        self.machine = machine
        self.pid = pid
        self.children = {}
        self.orders = deque()
        self.clients = []
        self.is_alive = True
        self.is_retiring = False

    def greet(self, number):
        while self.orders:  # what a dead daemon has ordered must be known before the next one is told what lives
            self.take_order()
        client = Client(self, number)
        live = tuple(LiveRun(run.uid, run.pid, run.start_time) for run in self.children.values())
        client.welcome = Welcome("", self.pid, live, self.is_retiring)
        self.clients.append(client)
        return client

    def take_order(self):
        client, order = self.orders.popleft()
        if self.is_retiring:
            self._send(client, Failed(order.process, "retiring", retiring=True))
            return
        run = next((child for child in self.children.values() if child.uid == order.process), None)
        if run is None:
            run = self.machine.make_process(order)
            self.children[run.pid] = run
        self._send(client, Started(run.uid, run.pid, run.start_time))

    def reap(self):
        """Take one end, write it down, and tell it; tell whether there was one."""
        ended = next((child for child in self.children.values() if not child.is_alive), None)
        if ended is None:
            return False
        del self.children[ended.pid]
        ended.is_reaped = True
        exit_ = ProcessExit(ended.uid, ended.pid, ended.start_time, ended.status, self.machine.world.micros())
        append_exit(self.machine.paths.exits, exit_)
        if ended.holds_journal:
            truth = self.machine.truth_of(ended.uid)
            truth.reaped = self.machine.world.hours.monotonic() - truth.died_at < 1
        for client in self.clients:
            self._send(client, Exited(*exit_))
        return True

    def die(self):
        self.is_alive = False
        self.orders.clear()
        for child in self.children.values():
            child.is_orphan = True
        self.hurry()
        for client in self.clients:
            client.gone = True

    def hurry(self):
        """Let children that were just made open their journals: that is sooner than anybody can miss their parent."""
        for child in self.children.values():
            for _ in range(2):
                if child.is_alive and not child.holds_journal:
                    child.step()

    def _send(self, client, reply):
        if not client.gone:
            client.replies.append(reply)


class Machine:
    """Everything that goes on while no daemon runs."""

    def __init__(self, world, paths, rng):
        self.world = world
        self.paths = paths
        self.rng = rng
        self.boot = "boot-1"
        self.server = None
        self.retired = []
        self.processes = []
        self.truths = {}
        self._pids = 1000
        self._numbers = 1_000_000

    def truth_of(self, uid):
        return self.truths.setdefault(uid, Truth())

    def ensure(self, on_retired, *, is_other=False):
        """Find the fork server or start one, and return the daemon's end of a new connection."""
        server = self.server
        if server is not None and server.is_alive and not server.is_retiring and is_other:
            server.is_retiring = True
            server.hurry()  # the daemon after this one does not ask it any more
            on_retired(self._greet(server))
        if server is None or not server.is_alive or server.is_retiring:
            if server is not None and server.is_alive:
                self.retired.append(server)
            self._pids += 1
            self.server = Server(self, self._pids)
        return self._greet(self.server)

    def _greet(self, server):
        self._numbers += 1
        return server.greet(self._numbers)

    def make_process(self, order):
        self._pids += 1
        Path(order.journal).parent.mkdir(parents=True, exist_ok=True)
        process = Process(self, order, self._pids)
        self.processes.append(process)
        return process

    def tell(self, reply):
        for server in self.servers():
            for client in server.clients:
                if not client.gone:
                    client.replies.append(reply)

    def servers(self):
        return [server for server in (self.server, *self.retired) if server is not None and server.is_alive]

    def live(self):
        return [process for process in self.processes if process.is_alive]

    def find(self, name):
        """Return the process of that name, dead ones that nobody has reaped included."""
        return next((each for each in self.processes if each.name == name and not each.is_reaped), None)

    def holder_of(self, journal):
        holder = next((each for each in self.live() if each.holds_journal and each.order.journal == str(journal)), None)
        return None if holder is None else holder.name

    def signal(self, name, number):
        process = self.find(name)
        if process is None or not process.is_alive:
            return False
        if number == signal.SIGTERM:
            process.wants_stop = True
        else:
            process.die(-number)
        return True

    def reboot(self):
        """Lose every process."""
        for process in self.processes:
            process.die(-9)
            process.is_reaped = True
        for server in self.servers():
            server.die()
        self.server, self.retired, self.processes = None, [], []
        self.boot = f"boot-{int(self.boot[5:]) + 1}"

    def forget_dead(self):
        self.processes = [process for process in self.processes if process.is_alive or not process.is_reaped]
