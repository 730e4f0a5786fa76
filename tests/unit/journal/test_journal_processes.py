import os
import platform
import select
import signal

import pytest

from tidemill.domain.runs import ProcessName
from tidemill.journal import processes
from tidemill.journal.processes import (
    birth,
    boot_id,
    exit_status,
    is_alive,
    name_process,
    open_process,
    parent,
    start_time,
)

KERNEL = tuple(int(part) for part in platform.release().split(".")[:2])


def child(code=0):
    """Make a child that lives until its input ends."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(code)
    os.close(read_end)
    return pid, write_end


def test_a_process_names_itself():
    me = name_process(os.getpid())
    assert me == ProcessName(os.getpid(), start_time(os.getpid()), boot_id())
    assert is_alive(me)


def test_a_parent_is_known():
    assert parent(os.getpid()) == os.getppid()


def test_a_later_process_of_the_same_pid_is_a_stranger():
    me = name_process(os.getpid())
    for stranger in (me._replace(start_time=me.start_time + 1), me._replace(boot_id="another boot")):
        assert not is_alive(stranger)
        assert open_process(stranger) is None


def test_nobody_has_no_name():
    assert name_process(2**22 + 1) is None
    assert open_process(ProcessName(2**22 + 1, 5, boot_id())) is None
    assert open_process(ProcessName(-1, 5, boot_id())) is None
    assert parent(2**22 + 1) is None


def test_a_process_is_alive_until_it_ends_not_until_it_is_reaped():
    pid, end = child()
    name = name_process(pid)
    assert is_alive(name)
    pidfd = open_process(name)
    os.close(end)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(10_000)
    assert not is_alive(name)
    assert start_time(pid) is None
    assert birth(pid) == name.start_time
    os.close(pidfd)
    os.waitpid(pid, 0)
    assert birth(pid) is None
    assert open_process(name) is None


@pytest.mark.parametrize("number", [0, signal.SIGKILL])
def test_how_a_process_ended_is_known_before_it_is_reaped_and_after(number, monkeypatch):
    pid, end = child(7)
    name = name_process(pid)
    pidfd = open_process(name)
    assert exit_status(name, pidfd) is None
    if number:
        os.kill(pid, number)
    os.close(end)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert exit_status(name, pidfd) == (-number or 7)
    late = open_process(name)  # a dead one can be opened while it is not reaped
    os.waitpid(pid, 0)
    if KERNEL >= (6, 15):  # earlier ones do not tell it
        assert exit_status(name, pidfd) == exit_status(name, late) == (-number or 7)
    monkeypatch.setattr(processes, "_GET_INFO", 0)
    assert exit_status(name, pidfd) is None
    os.close(pidfd)
    os.close(late)


def test_a_process_that_lives_and_is_hidden_is_not_taken_for_dead(monkeypatch):
    # As under hidepid=, or from another user namespace.
    pid, end = child()
    name = name_process(pid)
    monkeypatch.setattr(processes, "_fields", lambda pid: None)
    with pytest.raises(PermissionError, match=f"there is a process {pid}"):
        open_process(name)
    os.close(end)
    os.waitpid(pid, 0)
    assert open_process(name) is None
