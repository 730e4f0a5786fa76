"""What a run leaves behind goes with it, and nothing before its time."""

import os
import resource
import signal
import time
from pathlib import Path

import pytest

from tidemill.domain.runs import ProcessName
from tidemill.forkserver.spares import SPARES
from tidemill.journal.processes import is_alive, name_process

SLEEPER = "import time; time.sleep(300)"
SPAWN = {
    "child": f"subprocess.Popen([sys.executable, '-c', '{SLEEPER}'])",
    "own session": f"subprocess.Popen([sys.executable, '-c', '{SLEEPER}'], start_new_session=True)",
    "detached": f"subprocess.run(['sh', '-c', 'setsid \"$0\" -c \"{SLEEPER}\" & echo $! > pid', sys.executable])",
    "deaf": "subprocess.Popen([sys.executable, '-c', 'import signal, time; "
    "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; time.sleep(300)'], start_new_session=True)",
    "without clue": f"subprocess.Popen([sys.executable, '-c', '{SLEEPER}'], start_new_session=True, env={{}}, cwd='/')",
}
PREPARE = "import os, subprocess, sys, time\n"


@pytest.fixture
def client(site):
    return site.ensure()


def names(site, wait):
    """Name the processes whose pids stand in the file of the flow's folder."""
    text = wait(lambda: (site.flows / "pids").exists() and (site.flows / "pids").read_text())
    return [name_process(int(pid)) for pid in text.split()]


@pytest.mark.parametrize("kind", SPAWN)
@pytest.mark.parametrize("end", ["pass", "os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_nothing_outlives_its_run(site, client, wait, kind, end):
    code = PREPARE + (
        f"process = {SPAWN[kind]}\n"
        "pid = open('pid').read().strip() if os.path.exists('pid') else str(process.pid)\n"
        "open('pids.part', 'w').write(pid); os.rename('pids.part', 'pids')\n"
        "sys.stdin.close(); time.sleep(0.05)\n"
    )
    go = site.flows / "go"
    code += f"while not os.path.exists({str(go)!r}): time.sleep(0.002)\n{end}\n"
    run = site.start(client, code).run
    left = names(site, wait)
    assert None not in left
    go.touch()
    site.exit(client, run)
    wait(lambda: not any(map(is_alive, left)))


def test_a_chain_of_detached_processes_ends_link_by_link(site, client, wait):
    child = PREPARE + (
        f"process = {SPAWN['own session']}\n"
        "open('pids.part', 'w').write(str(process.pid)); os.rename('pids.part', 'pids'); time.sleep(300)"
    )
    code = PREPARE + (
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)\n"
        "while not os.path.exists('pids'): time.sleep(0.002)\n"
    )
    order = site.order(code + "while not os.path.exists('go'): time.sleep(0.002)")
    client.start(order)
    left = names(site, wait)
    assert None not in left
    (site.flows / "go").touch()
    site.exit(client, order.run)
    wait(lambda: not any(map(is_alive, left)))


def test_a_detached_process_lives_as_long_as_its_run(site, client, wait):
    code = PREPARE + (
        f"{SPAWN['detached']}\nos.rename('pid', 'pids')\nwhile not os.path.exists('go'): time.sleep(0.002)\n"
    )
    run = site.start(client, code).run
    (helper,) = names(site, wait)
    for _ in range(5):  # other runs come and go, and their leftovers with them
        site.carry_out(client, PREPARE + SPAWN["own session"])
    assert is_alive(helper)
    (site.flows / "go").touch()
    site.exit(client, run)
    wait(lambda: not is_alive(helper))


def test_a_copy_that_user_code_forked_does_not_end_the_run_twice(site, client):
    exited = site.carry_out(client, "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)")
    assert exited.status == 0
    assert len(site.events(exited.run)) == 2


def test_what_an_inspected_file_starts_ends_with_the_inspection(site, client, wait):
    site.inspect(
        client, PREPARE + f"p = {SPAWN['own session']}\nopen({str(site.flows / 'pids')!r}, 'w').write(str(p.pid))"
    )
    pid = int((site.flows / "pids").read_text())
    wait(lambda: name_process(pid) is None)


def test_a_run_that_is_killed_with_its_group_is_told(site, client):
    run = site.start(client, "import time; time.sleep(300)")
    os.killpg(run.pid, signal.SIGTERM)
    assert site.exit(client, run.run).status == -signal.SIGTERM


def test_zombies_do_not_pile_up(site, client, wait):
    for _ in range(5):
        site.carry_out(client, PREPARE + "\n".join(f"p{n} = {SPAWN['own session']}" for n in range(3)))
    children = Path(f"/proc/{client.welcome.pid}/task/{client.welcome.pid}/children")
    wait(lambda: len(children.read_text().split()) <= SPARES)


def descriptors(pid):
    return {int(fd.name) for fd in Path(f"/proc/{pid}/fd").iterdir()}


@pytest.mark.parametrize("spares", ["0", "1"])
def test_a_server_that_may_open_nothing_more_looks_for_leftovers_when_it_may(site, wait, spares):
    client = site.ensure("--spares", spares)
    code = PREPARE + (
        f"process = {SPAWN['own session']}\n"
        "open('pids.part', 'w').write(str(process.pid)); os.rename('pids.part', 'pids')\n"
        "while not os.path.exists('go'): time.sleep(0.002)\nos._exit(3)\n"
    )
    run = site.start(client, code)
    (helper,) = names(site, wait)
    server = client.welcome.pid
    usual = resource.prlimit(server, resource.RLIMIT_NOFILE)
    before = None
    while before != (before := descriptors(server)):
        time.sleep(0.3)  # as long as it makes a spare, it has more open than it will
    resource.prlimit(server, resource.RLIMIT_NOFILE, (min(set(range(1000)) - before), usual[1]))

    (site.flows / "go").touch()
    wait(lambda: not is_alive(ProcessName(run.pid, run.start_time, helper.boot_id)))
    time.sleep(0.2)
    assert is_alive(helper)
    resource.prlimit(server, resource.RLIMIT_NOFILE, usual)

    assert site.exit(client, run.run).status == 3
    wait(lambda: not is_alive(helper))
    assert site.carry_out(client, "pass").status == 0
