import signal

import pytest

from tidemill.domain.runs import ProcessName
from tidemill.service import memory_kills
from tidemill.service.memory_kills import MemoryKills

KILLED = -signal.SIGKILL
RUN = ProcessName(4711, 1, "boot")


@pytest.fixture
def proc(tmp_path):
    """A process's view of a machine with control groups of both versions, memory among those of the first."""
    own = tmp_path / "self"
    own.mkdir()
    (own / "cgroup").write_text("4:memory:/unit\n0::/unit\n")
    (own / "mounts").write_text(
        f"cgroup {tmp_path}/memory cgroup rw,memory 0 0\ncgroup2 {tmp_path}/unified cgroup2 rw 0 0\n"
    )
    for tree in ("memory", "unified"):
        (tmp_path / tree / "unit").mkdir(parents=True)
    return tmp_path


def count(proc, number, tree="memory", file="memory.oom_control"):
    (proc / tree / "unit" / file).write_text(f"oom_kill_disable 0\nunder_oom 0\noom_kill {number}\n")


@pytest.mark.parametrize(("tree", "file"), [("memory", "memory.oom_control"), ("unified", "memory.events")])
def test_a_count_that_has_risen_is_taken_for_the_run(proc, tmp_path, tree, file):
    count(proc, 3, tree, file)
    kills = MemoryKills(proc, tmp_path / "none")
    kills.beat()
    assert kills.met(RUN, KILLED) is None
    count(proc, 4, tree, file)
    assert "lack of memory" in kills.met(RUN, KILLED)
    kills.beat()
    assert "lack of memory" in kills.met(RUN, KILLED)  # a beat may have come between the kill and the news of it
    kills.beat()
    assert kills.met(RUN, KILLED) is None


@pytest.mark.parametrize("status", [None, 0, 1, -signal.SIGTERM])
def test_who_was_not_killed_did_not_lack_memory(proc, tmp_path, status):
    count(proc, 0)
    kills = MemoryKills(proc, tmp_path / "none")
    count(proc, 1)
    assert kills.met(RUN, status) is None


def test_a_machine_that_counts_nothing_is_no_error(tmp_path):
    kills = MemoryKills(tmp_path / "nothing", tmp_path / "none")
    kills.beat()
    assert kills.met(RUN, KILLED) is None
    kills.close()


@pytest.mark.parametrize(
    ("line", "is_told"),
    [
        ("3,9,5000000,-;Memory cgroup out of memory: Killed process 4711 (python) total-vm:1kB", True),
        ("3,9,5000000,-;Out of memory: Killed process 4711 (python) total-vm:1kB", True),
        ("3,9,5000000,-;Out of memory: Killed process 471 (python) total-vm:1kB", False),
        ("3,9,5000000,-;oom-kill:constraint=CONSTRAINT_MEMCG,task=python,pid=4711,uid=0", False),
    ],
)
def test_the_kernels_log_names_who_was_killed(proc, tmp_path, monkeypatch, line, is_told):
    (proc / "self" / "ns").mkdir()
    (proc / "self" / "ns" / "pid").touch()
    monkeypatch.setattr(memory_kills, "_FIRST_PIDS", (proc / "self" / "ns" / "pid").stat().st_ino)
    log = [line.encode()]

    def read(fd, size):
        if not log:
            raise BlockingIOError
        return log.pop(0)

    (tmp_path / "kmsg").touch()
    kills = MemoryKills(proc, tmp_path / "kmsg")
    monkeypatch.setattr(memory_kills.os, "read", read)
    assert (kills.met(RUN, KILLED) is not None) == is_told
    late = RUN._replace(start_time=2**40)  # another process, which was given the pid long after
    assert kills.met(late, KILLED) is None
    kills.close()


def test_pids_of_another_namespace_are_not_compared(proc, tmp_path):
    (proc / "self" / "ns").mkdir()
    (proc / "self" / "ns" / "pid").touch()
    (tmp_path / "kmsg").touch()
    assert MemoryKills(proc, tmp_path / "kmsg")._log is None
