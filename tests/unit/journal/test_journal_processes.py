import os
import select

from tidemill.domain.runs import ProcessName
from tidemill.journal.processes import birth, boot_id, is_alive, name_process, open_process, parent, start_time


def child():
    """Make a child that lives until its input ends."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0)
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
