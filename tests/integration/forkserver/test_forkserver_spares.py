"""The process kept ready: a run that gets it cannot tell, but for the time it saves."""

import os
import signal
from pathlib import Path

import pytest

from tidemill.domain.events import RunEnded
from tidemill.forkserver.protocol import Exited, Failed
from tidemill.journal.processes import is_alive, name_process


def children(client):
    return [
        int(pid) for pid in Path(f"/proc/{client.welcome.pid}/task/{client.welcome.pid}/children").read_text().split()
    ]


def rests(pid):
    """Tell whether *pid* waits for something, as a spare does when it is ready."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "S"


@pytest.fixture
def client(site, wait):
    client = site.ensure("--spares", "1")
    wait(lambda: children(client) and rests(children(client)[0]))
    return client


def test_a_run_in_a_quiet_time_is_given_to_the_spare(site, client, wait):
    (spare,) = children(client)
    name = name_process(spare)
    exited = site.carry_out(client, "print('done')")
    assert (exited.pid, exited.start_time, exited.status) == (spare, name.start_time, 0)
    assert site.log(exited.run) == "done\n"
    wait(lambda: children(client))
    assert children(client) != [spare]


def test_runs_at_once_are_forked_where_there_is_no_spare(site, client):
    (spare,) = children(client)
    runs = [site.start(client, "import os, time\nwhile not os.path.exists('go'): time.sleep(0.002)") for _ in range(4)]
    assert runs[0].pid == spare
    assert len({run.pid for run in runs}) == 4
    (site.flows / "go").touch()
    left = {run.run for run in runs}
    site.replies(client, until=lambda m: isinstance(m, Exited) and (left.discard(m.run) or not left))


def test_a_run_in_the_spare_holds_nothing_of_the_servers(site, client):
    order = site.order(
        "import os\n"
        "known = {0, 1, 2, journal_fd, log_fd, hint_fd}\n"
        "others = set(map(int, os.listdir('/proc/self/fd'))) - known\n"
        "print([fd for fd in others if os.path.exists(f'/proc/self/fd/{fd}')])"
    )
    client.start(order)
    site.exit(client, order.run)


def test_an_order_too_long_for_the_spare_is_carried_out(site, client):
    exited = site.carry_out(client, "print(len(order.parameters['text']))", parameters={"text": "x" * 300_000})
    assert site.log(exited.run) == "300000\n"
    assert exited.status == 0


def test_a_spare_that_was_killed_is_not_missed(site, client, wait):
    (spare,) = children(client)
    os.kill(spare, signal.SIGKILL)
    wait(lambda: name_process(spare) is None)
    assert site.carry_out(client, "pass").status == 0


def test_a_spare_that_cannot_open_the_files_says_so(site, client):
    (spare,) = children(client)
    client.start(site.order(log=str(site.paths.root / "logs")))
    seen = site.replies(client, until=lambda message: isinstance(message, Exited))
    (failed,) = (message for message in seen if isinstance(message, Failed))
    assert "Is a directory" in failed.error
    assert (seen[-1].pid, seen[-1].status) == (spare, 71)


def test_signals_that_reach_a_spare_do_not_reach_the_run(site, client):
    (spare,) = children(client)
    exited = site.carry_out(client, "import os, signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []))")
    assert exited.pid == spare
    assert site.log(exited.run) == "set()\n"


def test_a_spare_ends_with_its_server(site, client, wait):
    name = name_process(children(client)[0])
    os.kill(client.welcome.pid, signal.SIGKILL)
    wait(lambda: not is_alive(name))


def test_a_retiring_server_keeps_none(site, client, wait):
    name = name_process(children(client)[0])
    run = site.start(client, "import time; time.sleep(300)")
    assert run.pid == name.pid
    (spare,) = wait(lambda: set(children(client)) - {run.pid})
    client.retire()
    wait(lambda: children(client) == [run.pid])
    assert name_process(spare) is None


def test_while_runs_come_there_are_two_and_afterwards_one(site, wait):
    client = site.ensure("--spares", "2")
    wait(lambda: len(children(client)) == 1 and rests(children(client)[0]))

    site.carry_out(client, "pass")

    wait(lambda: len(children(client)) == 2)
    wait(lambda: len(children(client)) == 1)


@pytest.mark.parametrize("end", ["raise ValueError('not now')", "import os; os._exit(1)", "pass"])
def test_a_rehearsal_that_fails_harms_nothing(site, monkeypatch, end):
    monkeypatch.setenv("TEST_REHEARSAL", end)
    client = site.ensure("--rehearsal", "forkserver_entries:rehearse")

    exited = site.carry_out(client, "print('done')")

    assert exited.status == 0
    assert isinstance(site.events(exited.run)[-1], RunEnded)
