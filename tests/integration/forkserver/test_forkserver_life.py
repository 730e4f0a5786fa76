"""The server's own life: it outlives its clients, survives their manners, and leaves in order."""

import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tidemill.domain.errors import ProtocolError
from tidemill.domain.runs import InspectionOrder
from tidemill.forkserver import launch, protocol, sockets
from tidemill.forkserver.client import ForkserverClient
from tidemill.forkserver.protocol import Enclosed, Exited, Failed, ForkserverError, Inspect, Refused
from tidemill.journal.exits import read_exits
from tidemill.journal.processes import is_alive, name_process, start_time

HEAVY = {"sqlalchemy", "apscheduler", "click", "asyncio", "tenacity", "cloudpickle", "argparse", "logging.handlers"}


def ended(pid):
    """Tell whether a server, which is a child of the test, has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def test_a_second_daemon_finds_the_first_ones_server_and_its_runs(site):
    first = site.ensure()
    run = site.start(first, "import time; time.sleep(300)")
    first._connection.close()
    second = site.ensure()
    assert second.welcome.pid == first.welcome.pid
    assert [(live.run, live.pid, live.start_time) for live in second.welcome.live] == [
        (run.run, run.pid, run.start_time)
    ]
    os.kill(run.pid, signal.SIGKILL)
    assert site.exit(second, run.run).status == -signal.SIGKILL


def test_of_servers_that_are_started_at_once_one_serves_and_the_others_leave(site):
    servers, spawn = [], launch._spawn

    def remember(*args):
        servers.append(spawn(*args))
        return servers[-1]

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(3) as threads:
        patch.setattr(launch, "_spawn", remember)
        clients = list(threads.map(lambda _: site.ensure(), range(3)))

    (serving,) = {client.welcome.pid for client in clients}
    assert len(servers) > 1
    assert [pid for pid in servers if start_time(pid) is not None] == [serving]
    with site.connect() as later:
        assert later.welcome.pid == serving


def test_an_exit_while_nobody_listens_is_in_the_journal(site, wait):
    client = site.ensure()
    run = site.start(client, "import os, time\nwhile not os.path.exists('go'): time.sleep(0.002)\nos._exit(9)")
    client._connection.close()
    (site.flows / "go").touch()
    (end,) = wait(lambda: read_exits(site.paths.exits))
    assert (end.run, end.pid, end.start_time, end.status) == (run.run, run.pid, run.start_time, 9)
    assert site.ensure().welcome.live == ()


def test_every_greeted_client_is_told_and_others_are_not(site):
    first, second = site.ensure(), site.connect()
    silent = ForkserverClient.connect(site.paths.forkserver_socket)
    run = site.carry_out(first, "pass").run
    assert site.exit(second, run).run == run
    assert silent.receive() == []
    silent.close()


def test_a_changed_preload_retires_the_old_server_which_keeps_its_runs(site, wait):
    old = site.ensure()
    run = site.start(old, "import os, time\nwhile not os.path.exists('go'): time.sleep(0.002)\nos._exit(9)")
    retired = []
    new = site.ensure(preload=("colorsys",), on_retired=retired.append)
    assert new.welcome.pid != old.welcome.pid
    assert site.carry_out(new, "import sys; print('colorsys' in sys.modules)").status == 0
    assert is_alive(name_process(run.pid))
    answer = site.start(retired[0], "pass")
    assert isinstance(answer, Failed)
    assert "retiring" in answer.error
    (site.flows / "go").touch()
    assert site.exit(retired[0], run.run).status == 9
    wait(lambda: ended(old.welcome.pid))
    assert site.ensure(preload=("colorsys",)).welcome.pid == new.welcome.pid
    retired[0].close()


def test_sigterm_is_to_retire(site, wait):
    client = site.ensure()
    run = site.start(client, "import os, time\nwhile not os.path.exists('go'): time.sleep(0.002)")
    os.kill(client.welcome.pid, signal.SIGTERM)
    wait(lambda: not site.paths.forkserver_socket.exists())
    assert is_alive(name_process(run.pid))
    (site.flows / "go").touch()
    assert site.exit(client, run.run).status == 0
    wait(lambda: ended(client.welcome.pid))


def test_a_server_without_clients_and_runs_leaves(site, wait):
    client = site.ensure("--idle", "0.05")
    client._connection.close()
    wait(lambda: ended(client.welcome.pid))
    assert not site.paths.forkserver_socket.exists()
    assert site.ensure("--idle", "60").welcome.pid != client.welcome.pid


def test_a_server_with_a_run_stays(site, wait):
    client = site.ensure("--idle", "0.05")
    site.start(client, "import os, time\nwhile not os.path.exists('go'): time.sleep(0.002)")
    client._connection.close()
    again = wait(lambda: site.connect() if site.paths.forkserver_socket.exists() else None)
    assert len(again.welcome.live) == 1
    (site.flows / "go").touch()
    again._connection.close()
    wait(lambda: ended(client.welcome.pid))
    assert len(read_exits(site.paths.exits)) == 1


def test_a_killed_server_leaves_its_runs_alone_and_is_replaced(site):
    client = site.ensure()
    run = site.start(client, "import time; time.sleep(300)")
    os.kill(client.welcome.pid, signal.SIGKILL)
    os.waitpid(client.welcome.pid, 0)
    while not client.gone:
        client.receive()
    with pytest.raises(ForkserverError, match="gone"):
        client.start(site.order())
    assert is_alive(name_process(run.pid))
    replacement = site.ensure()
    assert replacement.welcome.live == ()
    assert site.carry_out(replacement, "pass").status == 0


def test_a_killed_server_ends_an_inspection_with_an_error(site):
    client = site.ensure()
    text = f"import os, time\nos.kill({client.welcome.pid}, 9)\ntime.sleep(1)"
    with pytest.raises(ForkserverError, match="gone"):
        site.inspect(client, text)


def send(connection, data, fd=None):
    protocol.send(connection, data, fd)
    return protocol.decode_reply(protocol.receive(connection)[0])


def test_bad_manners_are_answered_and_harm_nobody(site):
    client = site.ensure()
    rude = sockets.connect(site.paths.forkserver_socket)
    for data in (b"nonsense", b"{}", b'{"type":"Start","order":{"run":', b"\0" * 100_000, b"\xff"):
        assert isinstance(send(rude, data), Refused)
    assert isinstance(send(rude, protocol.encode(Enclosed())), Refused)
    memory = protocol.enclose(b"not a request")
    assert isinstance(send(rude, protocol.encode(Enclosed()), memory), Refused)
    nested = protocol.enclose(protocol.encode(Enclosed()))
    assert isinstance(send(rude, protocol.encode(Enclosed()), nested), Refused)
    assert isinstance(send(rude, protocol.encode(Inspect(InspectionOrder("/a", "/")))), Refused)
    for fd in (memory, nested):
        os.close(fd)
    rude.close()
    assert site.carry_out(client, "pass").status == 0


def test_clients_that_vanish_at_any_moment_harm_nobody(site, wait):
    client = site.ensure("--spares", "0")
    for _ in range(20):
        hasty = sockets.connect(site.paths.forkserver_socket)
        hasty.send(protocol.encode(protocol.Hello()))
        hasty.send(protocol.encode(protocol.Start(site.order())))
        hasty.close()
    wait(lambda: len(read_exits(site.paths.exits)) == 20)
    assert site.carry_out(client, "pass").status == 0
    fds = Path(f"/proc/{client.welcome.pid}/fd")
    wait(lambda: sum("socket" in str(fd.readlink()) for fd in fds.iterdir()) == 2)


def test_a_client_that_sleeps_gets_every_exit_when_it_wakes(site, wait):
    busy = site.ensure()
    sleeper = site.connect()
    runs = {site.carry_out(busy, "import os; os._exit(1)").run for _ in range(3)}
    seen = site.replies(sleeper, until=lambda m: runs.discard(getattr(m, "run", "")) or not runs)
    assert all(isinstance(message, Exited) for message in seen)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_another_user_is_not_served(site):
    client = site.ensure()
    socket_path = site.paths.forkserver_socket
    assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600
    socket_path.chmod(0o666)
    code = (
        "import os, socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        f"folder = os.open({str(socket_path.parent)!r}, os.O_PATH); os.setuid(65534)\n"
        "try:\n"
        "    s.connect(f'/proc/self/fd/{folder}/forkserver.sock')\n"
        '    s.send(b\'{"type":"Hello"}\'); data = s.recv(100)\n'
        "except OSError: data = b''\n"
        "sys.exit(data != b'')"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert site.carry_out(client, "pass").status == 0


def test_a_server_that_cannot_start_says_where_to_look(site):
    with pytest.raises(ForkserverError, match=r"see the end of .*daemon\.log"):
        site.ensure("--run-entry", "no_such_module:main")
    assert "no_such_module" in site.paths.daemon_log.read_text()


def test_a_broken_preload_is_told_and_stops_nothing(site):
    client = site.ensure(preload=("no_such_module_at_all",))
    assert "no_such_module_at_all" in client.welcome.problems[0]
    assert site.carry_out(client, "pass").status == 0


def test_a_preload_that_starts_a_thread_is_told(site, monkeypatch):
    (site.flows / "threaded_module.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(300,), daemon=True).start()"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.environ["PYTHONPATH"], str(site.flows)]))
    client = site.ensure(preload=("threaded_module",))
    assert "thread" in client.welcome.problems[0]


def test_the_server_is_lean_and_single_threaded(site):
    client = site.ensure()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{client.welcome.pid}/status").read_text().splitlines())
    assert int(status["VmRSS"].split()[0]) <= 20 * 1024
    assert int(status["Threads"]) == 1
    exited = site.carry_out(client, "import sys; print(*sys.modules)")
    loaded = {name.split(".")[0] for name in site.log(exited.run).split()} | set(site.log(exited.run).split())
    assert not HEAVY & loaded


def test_what_the_server_leaves_out_is_there_for_whoever_asks(site):
    client = site.ensure()
    exited = site.carry_out(
        client,
        "import sys; print('decimal' in sys.modules, 'typing_extensions' in sys.modules)\n"
        "from urllib.parse import urlsplit; print(urlsplit('http://[::1]:80/').hostname)\n"
        "import ipaddress; print(ipaddress.ip_address('127.0.0.1').is_loopback)\n"
        "from ipaddress import IPv4Address; import pickle\n"
        "print(pickle.loads(pickle.dumps(IPv4Address(1))) == IPv4Address(1))\n"
        "import typing_extensions; print(typing_extensions.Any)",
    )
    assert exited.status == 0, site.log(exited.run)
    assert site.log(exited.run).split() == ["True", "False", "::1", "True", "True", "typing.Any"]


def test_a_run_imports_nothing_of_its_own(site):
    client = site.ensure()
    first = site.carry_out(
        client,
        "import sys; print(len(sys.modules), gc.get_freeze_count() > 1000)".replace("import sys", "import gc, sys"),
    )
    count, frozen = site.log(first.run).split()
    second = site.carry_out(client, "import gc, sys; print(len(sys.modules))")
    assert site.log(second.run).split() == [count]
    assert frozen == "True"


def test_the_floor_is_measured_in_the_server_itself(site):
    client = site.ensure()
    seconds = client.measure_floor(20)
    assert len(seconds) == 20
    assert min(seconds) > 0
    assert site.carry_out(client, "pass").status == 0


def test_no_server_is_an_error_with_a_sentence(site):
    with pytest.raises(ForkserverError, match="no fork server answers at"):
        ForkserverClient.connect(site.paths.forkserver_socket)


def test_a_client_refuses_what_json_cannot_hold(site):
    client = site.ensure()
    with pytest.raises(ProtocolError):
        client.start(site.order(parameters={"x": object()}))
    assert site.carry_out(client, "pass").status == 0


def test_a_hanging_server_is_passed_over(site, monkeypatch):
    monkeypatch.setattr(ForkserverClient.greet, "__defaults__", (0.2,))
    listener = sockets.listen(site.paths.forkserver_socket)  # listens, and never answers
    client = site.ensure()
    assert client.welcome.pid != os.getpid()
    assert site.carry_out(client, "pass").status == 0
    listener.close()


def test_an_exits_journal_that_cannot_be_written_is_written_later(site, wait):
    client = site.ensure()
    site.paths.exits.mkdir()
    run = site.carry_out(client, "pass").run
    site.paths.exits.rmdir()
    (end,) = wait(lambda: read_exits(site.paths.exits))
    assert end.run == run


def test_the_interpreter_is_an_argument_and_makes_a_server_of_its_own(site, tmp_path):
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nTIDEMILL_TEST_INTERPRETER=other exec {sys.executable} "$@"\n')
    other.chmod(0o755)
    first = site.ensure()

    second = site.ensure(interpreter=str(other))

    assert second.welcome.pid != first.welcome.pid
    assert b"TIDEMILL_TEST_INTERPRETER=other" in Path(f"/proc/{second.welcome.pid}/environ").read_bytes()
    assert site.ensure(interpreter=str(other)).welcome.pid == second.welcome.pid


def test_a_server_whose_greeting_cannot_be_read_is_replaced_and_keeps_its_runs(site, wait, monkeypatch):
    first = site.ensure()
    run = site.start(first, "import os, time\nwhile not os.path.exists('go'): time.sleep(0.002)\nos._exit(9)")
    read = protocol.decode_reply

    def of_another_version(data):
        if f'"pid":{first.welcome.pid}'.encode() in data:
            raise ProtocolError("not an answer of the fork server")
        return read(data)

    monkeypatch.setattr(protocol, "decode_reply", of_another_version)
    second = site.ensure()

    assert second.welcome.pid != first.welcome.pid
    (site.flows / "go").touch()
    (end,) = wait(lambda: read_exits(site.paths.exits))
    assert (end.run, end.status) == (run.run, 9)
    wait(lambda: ended(first.welcome.pid))
