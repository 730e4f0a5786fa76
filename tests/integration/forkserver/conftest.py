import os
import select
import signal
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tidemill.config.paths import StatePaths
from tidemill.domain.identifiers import new_run_id
from tidemill.domain.runs import InspectionOrder, RunOrder
from tidemill.forkserver.client import ForkserverClient
from tidemill.forkserver.launch import ensure
from tidemill.forkserver.protocol import Exited, Failed, Started
from tidemill.journal.processes import start_time
from tidemill.journal.reader import JournalReader

STUBS = ("--run-entry", "forkserver_entries:run", "--inspection-entry", "forkserver_entries:inspect")


class Site:
    """A state directory, the fork servers that served it, and what one asks of them."""

    def __init__(self, root: Path) -> None:
        self.paths = StatePaths(root / "state")
        for folder in self.paths.folders:
            folder.mkdir(mode=0o700)
        self.flows = root / "flows"
        self.flows.mkdir()
        self.clients: list[ForkserverClient] = []
        self.runs: list[Started] = []

    def ensure(self, *options: str, preload: tuple[str, ...] = (), **more) -> ForkserverClient:
        client = ensure(self.paths, preload, options=(*STUBS, *options), **more)
        self.clients.append(client)
        return client

    def connect(self) -> ForkserverClient:
        client = ForkserverClient.connect(self.paths.forkserver_socket)
        client.greet()
        self.clients.append(client)
        return client

    def order(self, statement: str = "pass", **more) -> RunOrder:
        run = new_run_id()
        paths = {"journal": str(self.paths.journal(run)), "log": str(self.paths.log(run))}
        fixed = {"path": str(self.flows / "flow.py"), "sources": {}, "root": str(self.flows), "results_dir": "unused"}
        return RunOrder(**{"run": run, "flow": statement, **fixed, **paths, **more})

    def inspect(self, client: ForkserverClient, text: str, timeout: float = 5.0):
        path = self.flows / "flow.py"
        path.write_text(text)
        return client.inspect(InspectionOrder(str(path), str(self.flows), timeout=timeout))

    def replies(self, client: ForkserverClient, *, until):
        """Return what the server says up to the message that *until* looks for."""
        seen = []
        poll = select.poll()
        poll.register(client.fileno(), select.POLLIN)
        while not any(until(message) for message in seen):
            assert poll.poll(20_000), f"nothing more came after {seen}"
            seen += client.receive()
            assert not client.gone or any(until(message) for message in seen), f"the server left after {seen}"
        self.runs += [message for message in seen if isinstance(message, Started)]
        return seen

    def start(self, client: ForkserverClient, statement: str = "pass", **more) -> Started:
        order = self.order(statement, **more)
        client.start(order)
        found = self.replies(client, until=lambda m: isinstance(m, Started | Failed) and m.run == order.run)
        return next(message for message in found if isinstance(message, Started | Failed) and message.run == order.run)

    def exit(self, client: ForkserverClient, run: str) -> Exited:
        found = self.replies(client, until=lambda m: isinstance(m, Exited) and m.run == run)
        return next(message for message in found if isinstance(message, Exited) and message.run == run)

    def carry_out(self, client: ForkserverClient, statement: str, **more) -> Exited:
        """Start a run and wait for its end."""
        order = self.order(statement, **more)
        client.start(order)
        return self.exit(client, order.run)

    def events(self, run: str):
        with closing(JournalReader(self.paths.journal(run))) as reader:
            return reader.read()[0]

    def log(self, run: str) -> str:
        return self.paths.log(run).read_text()

    def close(self) -> None:
        for client in self.clients:
            pid = client.welcome.pid
            client.close()
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        for run in self.runs:
            if start_time(run.pid) == run.start_time:
                os.kill(run.pid, signal.SIGKILL)


def eventually(condition, seconds: float = 20.0):
    """Wait until *condition* gives something, and return it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.005)
    return value


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def wait():
    return eventually
