import asyncio
import errno
import os
import signal
import subprocess
import sys

import pytest

from tidemill.config.paths import StatePaths
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.runs import ProcessName
from tidemill.journal.exits import ProcessExit, append_exit
from tidemill.journal.processes import boot_id, name_process
from tidemill.service import watching
from tidemill.service.watching import ExitWatch


@pytest.fixture
def paths(tmp_path):
    (tmp_path / "journals").mkdir()
    return StatePaths(tmp_path)


def told(paths, run, meanwhile=lambda: None):
    """Watch *run* and return what is told of its end."""

    async def watch():
        answer = asyncio.get_running_loop().create_future()
        watch = ExitWatch(paths, lambda uid, status: answer.set_result((uid, status)))
        watch.add(run, paths.journal(run.uid))
        asyncio.get_running_loop().call_later(0.05, meanwhile)
        try:
            return await asyncio.wait_for(answer, 10)
        finally:
            watch.close()

    return asyncio.run(watch())


def gone(uid="a"):
    return ActiveRun(uid=uid, flow="f", process=ProcessName(os.getpid(), 1, boot_id()))


def exit_of(uid, status, start_time=1):
    return ProcessExit(uid, os.getpid(), start_time, status, 5)


def test_an_exit_that_was_written_is_told(paths):
    append_exit(paths.exits, exit_of("a", -9))
    assert told(paths, gone()) == ("a", -9)


def test_an_exit_that_its_reaper_writes_a_moment_later_is_waited_for(paths):
    assert told(paths, gone(), lambda: append_exit(paths.exits, exit_of("a", 3))) == ("a", 3)


def test_the_exit_of_a_second_process_that_was_refused_is_not_the_runs(paths):
    append_exit(paths.exits, exit_of("a", 0))
    append_exit(paths.exits, exit_of("a", 71, start_time=2))
    assert told(paths, gone()) == ("a", 0)


def test_an_exit_that_nobody_writes_is_told_as_unknown(paths, monkeypatch):
    monkeypatch.setattr(watching, "LOOKS", (0.01, 0.01))
    assert told(paths, gone()) == ("a", None)


def test_the_end_of_an_orphan_that_became_our_child_is_exact_and_takes_its_group_along(paths):
    command = "import subprocess, time; subprocess.Popen(['sleep', '300']); print(1, flush=True); time.sleep(300)"
    process = subprocess.Popen(
        [sys.executable, "-c", command], stdout=subprocess.PIPE, process_group=0, stdin=subprocess.DEVNULL
    )
    process.stdout.readline()
    run = ActiveRun(uid="a", flow="f", process=name_process(process.pid))
    assert told(paths, run, lambda: process.send_signal(signal.SIGSEGV)) == ("a", -signal.SIGSEGV)
    process.stdout.read()  # ends when the grandchild, which holds it too, has ended
    process.stdout.close()
    process.returncode = -signal.SIGSEGV  # it was reaped by the watch


def test_a_process_is_not_called_dead_because_nothing_more_can_be_opened(paths, monkeypatch):
    refusals = [OSError(errno.EMFILE, os.strerror(errno.EMFILE)) for _ in range(2)]
    pidfd_open = os.pidfd_open

    def refuse(pid):
        if refusals:
            raise refusals.pop()
        return pidfd_open(pid)

    monkeypatch.setattr(watching, "AGAIN", 0.02)
    monkeypatch.setattr(os, "pidfd_open", refuse)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run = ActiveRun(uid="a", flow="f", process=name_process(process.pid))

    def end():
        assert not refusals
        process.kill()

    try:
        assert told(paths, run, lambda: asyncio.get_running_loop().call_later(0.2, end)) == ("a", -signal.SIGKILL)
    finally:
        process.communicate()


def test_an_exit_that_cannot_be_read_yet_is_asked_for_again(paths, monkeypatch):
    append_exit(paths.exits, exit_of("a", 3))
    refusals = [OSError(errno.EIO, os.strerror(errno.EIO)) for _ in range(len(watching.LOOKS) + 3)]
    find_exit = watching.find_exit

    def refuse(*args):
        if refusals:
            raise refusals.pop()
        return find_exit(*args)

    monkeypatch.setattr(watching, "AGAIN", 0.01)
    monkeypatch.setattr(watching, "find_exit", refuse)
    assert told(paths, gone()) == ("a", 3)
