"""The fork server with the real engine inside: still lean, and a flow file runs in its child."""

import sys
from pathlib import Path

import pytest

from tidemill.domain.events import RunEnded, RunStarted, TaskEnded
from tidemill.forkserver.launch import ensure
from tidemill.forkserver.protocol import Exited

FLOW = """
import sys
from tidemill import task

@task
def modules():
    print(*sys.modules)

@task(depends_on=[modules])
def fails():
    raise ValueError("no")
"""
HEAVY = {"sqlalchemy", "apscheduler", "click", "alembic", "asyncio", "tenacity", "cloudpickle", "argparse", "rich"}


@pytest.fixture
def client(site):
    client = ensure(site.paths)
    site.clients.append(client)
    return client


def test_the_server_stays_lean(client):
    status = Path(f"/proc/{client.welcome.pid}/status").read_text()
    facts = dict(line.split(":", 1) for line in status.splitlines())
    own_files = (
        1024 if sys.version_info >= (3, 12) else 0
    )  # the interpreter's, which every Python on the machine shares
    assert int(facts["VmRSS"].split()[0]) <= 20 * 1024 + own_files
    assert int(facts["Threads"]) == 1


def test_a_flow_file_is_inspected_and_run(site, client):
    manifest = site.inspect(client, FLOW)
    assert manifest.is_good, manifest.errors
    (flow,) = manifest.flows
    order = site.order(flow.name)
    client.start(order)
    exited = site.replies(client, until=lambda message: isinstance(message, Exited))[-1]
    assert exited.status == 0
    events = site.events(order.run)
    assert isinstance(events[0], RunStarted)
    assert [(e.name, e.state) for e in events if isinstance(e, TaskEnded)] == [
        ("modules", "completed"),
        ("fails", "failed"),
    ]
    assert isinstance(events[-1], RunEnded)
    assert events[-1].state == "failed"
    assert not HEAVY & {name.split(".")[0] for name in site.log(order.run).split()}


def test_a_broken_file_is_told_with_its_line(site, client):
    (problem,) = site.inspect(client, "x = 1\nthis is no python\n").errors
    assert problem.line == 2


def test_a_file_that_takes_half_the_memory_is_told_with_its_line(site, client):
    text = "import os\ntotal = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')\nx = bytes(total // 2)\n"
    (problem,) = site.inspect(client, text).errors
    assert problem.line == 3
    assert "MemoryError" in problem.message
