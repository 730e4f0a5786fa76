"""A run process: what it is given, how it ends, what is told of its end."""

import os
import signal
import stat
from pathlib import Path

import pytest

from tidemill.domain.events import RunEnded, RunStarted
from tidemill.forkserver.protocol import Exited, Failed, ForkserverError, Started
from tidemill.journal.exits import ProcessExit, find_exit, read_exits
from tidemill.journal.processes import boot_id
from tidemill.journal.writer import URGENT


@pytest.fixture
def client(site):
    return site.ensure()


def test_a_run_is_started_recorded_and_told(site, client):
    order = site.order()
    client.start(order)
    started, exited = site.replies(client, until=lambda m: isinstance(m, Exited))
    assert started == Started(order.run, exited.pid, exited.start_time)
    assert exited.status == 0
    begun, ended = site.events(order.run)
    assert begun == RunStarted(begun.at, started.pid, started.start_time, boot_id())
    assert isinstance(ended, RunEnded)
    assert begun.at <= ended.at <= exited.at
    assert read_exits(site.paths.exits) == [ProcessExit(order.run, exited.pid, exited.start_time, 0, exited.at)]


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("import os; os._exit(3)", 3),
        ("import os; os._exit(255)", 255),
        ("raise SystemExit", 0),
        ("raise SystemExit(4)", 4),
        ("raise SystemExit('a word')", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
        ("import os; os.abort()", -signal.SIGABRT),
        ("raise ValueError('the engine is broken')", 70),
    ],
)
def test_every_way_to_end_is_told_exactly(site, client, statement, status):
    exited = site.carry_out(client, statement)
    assert exited.status == status
    assert find_exit(site.paths.exits, exited.run).status == status
    assert not any(isinstance(event, RunEnded) for event in site.events(exited.run))


def test_an_engine_that_raises_leaves_its_traceback_in_the_log(site, client):
    exited = site.carry_out(client, "raise ValueError('the engine is broken')")
    assert "ValueError: the engine is broken" in site.log(exited.run)


def test_output_of_every_kind_goes_to_the_log(site, client):
    exited = site.carry_out(
        client,
        "import os, subprocess, sys; os.write(1, b'raw\\n'); os.write(2, b'error\\n'); print('printed', flush=True); "
        "subprocess.run(['echo', 'spawned']); os.write(1, b'\\xff'); print('unflushed')",
    )
    data = site.paths.log(exited.run).read_bytes()
    for piece in (b"raw\n", b"error\n", b"printed\n", b"spawned\n", b"\xff", b"unflushed\n"):
        assert piece in data


def test_threads_and_exit_functions_of_the_user_are_honoured(site, client):
    exited = site.carry_out(
        client,
        "import atexit, os, threading, time\n"
        "atexit.register(os.write, 1, b'farewell\\n')\n"
        "threading.Thread(target=lambda: (time.sleep(0.05), os.write(1, b'thread\\n'))).start()",
    )
    assert exited.status == 0
    assert site.log(exited.run) == "thread\nfarewell\n"


def test_a_run_leads_its_own_group_and_holds_nothing_of_the_servers(site, client):
    exited = site.carry_out(
        client,
        "import os\n"
        "print(os.getpgrp() == os.getpid())\n"
        "targets = {int(fd): os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if int(fd) != 0"
        " and os.path.exists(f'/proc/self/fd/{fd}')}\n"
        "print(sorted(set(targets) - {1, 2, journal_fd, log_fd, hint_fd}), os.read(0, 1), os.getcwd())\n"
        "print([os.get_inheritable(fd) for fd in (journal_fd, log_fd, hint_fd)])\n"
        "print(targets[journal_fd], targets[log_fd], targets[1], targets[hint_fd], sep='\\n')\n",
    )
    lines = site.log(exited.run).splitlines()
    journal, log = str(site.paths.journal(exited.run)), str(site.paths.log(exited.run))
    assert lines == [
        "True",
        f"[] b'' {site.flows}",
        "[False, False, False]",
        journal,
        log,
        log,
        "anon_inode:[eventfd]",
    ]


def test_files_of_a_run_belong_to_its_owner_alone(site, client):
    run = site.carry_out(client, "pass").run
    for file in (site.paths.journal(run), site.paths.log(run)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_run_is_nice_to_the_daemon_and_first_to_be_killed(site, client):
    exited = site.carry_out(
        client, "import os; print(os.nice(0), open('/proc/self/oom_score_adj').read())", nice=7, timeout=None
    )
    nice, score = site.log(exited.run).split()
    assert int(nice) == min(os.nice(0) + 7, 19)
    assert int(score) >= 200


def test_signals_and_collector_are_as_in_any_program(site, client):
    exited = site.carry_out(
        client,
        "import gc, signal\n"
        "print(gc.isenabled(), signal.getsignal(signal.SIGTERM).name, signal.getsignal(signal.SIGCHLD).name,"
        " signal.getsignal(signal.SIGINT).__name__, signal.getsignal(signal.SIGHUP).name,"
        " signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.set_wakeup_fd(-1))",
    )
    assert site.log(exited.run) == "True SIG_DFL SIG_DFL default_int_handler SIG_DFL set() -1\n"


def test_systemds_variables_do_not_reach_runs_and_the_orders_do(site, monkeypatch):
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "INVOCATION_ID", "JOURNAL_STREAM"):
        monkeypatch.setenv(name, "of the daemon")
    monkeypatch.setenv("USERS_OWN", "kept")
    exited = site.carry_out(
        site.ensure(),
        "import os; print([n for n, v in os.environ.items() if v == 'of the daemon'],"
        " os.environ['USERS_OWN'], os.environ['ORDERED'], os.environ['PYTHONPATH'])",
        environment={"ORDERED": "yes"},
    )
    assert site.log(exited.run) == f"[] kept yes {os.environ['PYTHONPATH']}\n"


def test_parameters_too_long_for_a_message_arrive(site, client):
    text = "x" * 1_000_000
    exited = site.carry_out(client, "print(len(order.parameters['text']))", parameters={"text": text})
    assert site.log(exited.run) == "1000000\n"


def test_the_hint_wakes_whoever_holds_it(site, client):
    os.set_blocking(client.hint_fd, False)
    site.carry_out(client, "pass")
    assert os.eventfd_read(client.hint_fd) == 1 + URGENT


def test_hundreds_of_runs_end_each_with_its_own_code(site, client):
    expected = {}
    for number in range(300):
        order = site.order(f"import os; os._exit({number % 200})")
        expected[order.run] = number % 200
        client.start(order)
    ended = {}

    def is_last(message):
        if isinstance(message, Exited):
            ended[message.run] = message.status
        return ended.keys() == expected.keys()

    site.replies(client, until=is_last)
    assert ended == expected
    assert {end.run: end.status for end in read_exits(site.paths.exits)} == expected


@pytest.mark.parametrize("name", ["journal", "log"])
def test_a_missing_folder_fails_the_run_with_a_sentence(site, client, name):
    answer = site.start(client, **{name: str(site.paths.root / "gone" / "k3" / "file")})
    assert isinstance(answer, Failed)
    assert "No such file or directory" in answer.error
    assert site.carry_out(client, "pass").status == 0


def test_a_path_that_is_none_fails_the_run(site, client):
    answer = site.start(client, journal="\0/x/y")
    assert isinstance(answer, Failed)
    assert site.carry_out(client, "pass").status == 0


def test_a_file_that_cannot_be_opened_fails_the_run_and_its_exit_follows(site, client):
    order = site.order(log=str(site.paths.root / "logs"))
    client.start(order)
    seen = site.replies(client, until=lambda m: isinstance(m, Exited))
    (failed,) = (message for message in seen if isinstance(message, Failed))
    assert failed.run == order.run
    assert "Is a directory" in failed.error
    assert seen[-1].status == 71


def test_the_same_order_twice_makes_one_process(site, client):
    order = site.order("import time; time.sleep(60)")
    client.start(order)
    client.start(order)
    answers = []
    while len(answers) < 2:
        answers += site.replies(client, until=lambda m: isinstance(m, Started))
    assert answers[0] == answers[1]


def test_a_full_disk_ends_the_run_and_never_completes_it(site, client):
    exited = site.carry_out(
        client,
        "import os, resource\n"
        "journal._patience = 0.1\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (os.fstat(journal_fd).st_size + 10,) * 2)",
    )
    assert exited.status == 74
    assert [type(event) for event in site.events(exited.run)] == [RunStarted]
    assert "its journal cannot be written (File too large)" in site.log(exited.run)


def test_a_disk_that_is_freed_in_time_costs_nothing(site, client):
    exited = site.carry_out(
        client,
        "import os, resource, threading, time\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (os.fstat(journal_fd).st_size + 10, hard))\n"
        "free = lambda: (time.sleep(0.05), resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard)))\n"
        "threading.Thread(target=free).start()",
    )
    assert exited.status == 0
    assert [type(event) for event in site.events(exited.run)] == [RunStarted, RunEnded]


def test_no_room_for_another_process_fails_the_order_and_nothing_else(site):
    client = site.ensure("--run-entry", "forkserver_crowded:run", "--spares", "0")
    inspection = "no process can be made to inspect .*Resource temporarily unavailable"
    with pytest.raises(ForkserverError, match=inspection):
        site.inspect(site.connect(), "name = 'nightly'")
    answer = site.start(client)
    assert isinstance(answer, Failed)
    assert "no process can be made for the run: [Errno 11]" in answer.error
    assert site.carry_out(client, "pass").status == 0


def test_a_run_whose_journal_is_taken_says_so_and_does_nothing(site, client):
    order = site.order("open('done', 'w')")
    journal = Path(order.journal)
    journal.parent.mkdir()
    journal.touch()
    client.start(order)
    seen = site.replies(client, until=lambda m: isinstance(m, Exited))
    (failed,) = (message for message in seen if isinstance(message, Failed))
    assert failed.taken
    assert seen[-1].status == 71
    assert not (site.flows / "done").exists()
