"""The tracer of the campaigns: what it tells of is so, and what it forbids does not happen."""

import errno
import signal
import sys
import time
from collections import Counter

import pytest

from chaos.tracing.calls import KILL, PASS, Fail
from chaos.tracing.tracer import Tracer, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

FAMILY = """
import os, subprocess, sys, threading
def write(name):
    with open(name, "w") as file:
        file.write(name)
threads = [threading.Thread(target=write, args=[f"thread-{n}"]) for n in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
if os.fork() == 0:
    write("fork")
    if os.fork() == 0:
        write("grandchild")
    os._exit(0)
os.wait()
subprocess.run([sys.executable, "-S", "-c", "open('spawned', 'w').write('spawned')"], check=True)
write("self")
"""


def follow(folder, code, **options):
    """Run Python code in *folder* to its end, and that of its children; return calls with results, and how it ended."""
    calls = []
    tracer = Tracer([sys.executable, "-S", "-c", code], cwd=folder, seen=calls.append, **options)
    tree = tracer.start()
    returncode = tree.wait(30)
    while tracer.processes:
        time.sleep(0.01)
    tracer.stop()
    return calls, returncode


def test_forks_threads_and_spawned_programs_are_followed(tmp_path):
    calls, returncode = follow(tmp_path, FAMILY, data=True)

    names = {*(f"thread-{n}" for n in range(4)), "fork", "grandchild", "spawned", "self"}
    written = {
        call.data.decode(): call for call in calls if call.name == "write" and call.path.startswith(str(tmp_path))
    }
    assert set(written) == names
    assert all(call.path == str(tmp_path / name) for name, call in written.items())
    assert len({call.pid for call in written.values()}) == 4
    assert len({call.tid for name, call in written.items() if name.startswith("thread-")} - {calls[0].pid}) == 4
    assert returncode == 0
    assert [call.number for call in calls if call.tid == calls[0].pid] == sorted(
        call.number for call in calls if call.tid == calls[0].pid
    )


def test_threads_that_begin_are_no_change(tmp_path):
    calls, _ = follow(tmp_path, "import threading; t = threading.Thread(target=int); t.start(); t.join()")
    assert [call.name for call in calls if call.name.startswith("clone")] == []


def test_what_only_reads_is_not_stopped(tmp_path):
    calls, _ = follow(tmp_path, "open('/etc/passwd').read(); import json, os; os.stat('.')")
    assert Counter(call.name for call in calls) == {}


def test_who_is_killed_at_a_call_has_not_made_it(tmp_path):
    def decide(call):
        return KILL if call.name == "openat" and call.path.endswith("/second") else PASS

    code = "import time; open('first', 'w').close(); open('second', 'w').close(); open('third', 'w')"
    _, returncode = follow(tmp_path, code, decide=decide)

    assert [path.name for path in tmp_path.iterdir()] == ["first"]
    assert returncode == -signal.SIGKILL


def test_killed_is_the_whole_process_and_no_other(tmp_path):
    code = """
import os, threading, time
if os.fork() == 0:
    threading.Thread(target=time.sleep, args=[60]).start()
    os.mkdir("forbidden")
pid, status = os.wait()
open("told", "w").write(str(os.waitstatus_to_exitcode(status)))
"""
    _, returncode = follow(tmp_path, code, decide=lambda call: KILL if call.name == "mkdir" else PASS)

    assert returncode == 0
    assert (tmp_path / "told").read_text() == "-9"
    assert not (tmp_path / "forbidden").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_call_that_is_refused_has_not_happened_and_its_caller_is_told(tmp_path, number):
    code = """
import os
fd = os.open("file", os.O_WRONLY | os.O_CREAT)
try:
    os.write(fd, b"lost")
except OSError as error:
    os.write(fd, str(error.errno).encode())
"""
    refused = []

    def decide(call):
        if call.name == "write" and call.path.endswith("/file") and not refused:
            refused.append(call)
            return Fail(number)
        return PASS

    calls, returncode = follow(tmp_path, code, decide=decide)

    assert returncode == 0
    assert (tmp_path / "file").read_text() == str(number)
    assert [call.result for call in calls if call.name == "write"] == [-number, len(str(number))]


def test_what_is_recorded_of_writes_makes_the_same_files(tmp_path):
    code = """
import os, random
chance = random.Random(3)
one = os.open("one", os.O_RDWR | os.O_CREAT)
log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for _ in range(200):
    data = chance.randbytes(chance.randint(1, 9000))
    os.write(one, data)
    os.pwrite(one, data[:100], chance.randint(0, 50_000))
    os.writev(log, [data[:10], data[10:20], b""])
    if chance.random() < 0.1:
        os.lseek(one, chance.randint(0, 9000), 0)
    if chance.random() < 0.05:
        os.ftruncate(one, chance.randint(0, 99_000))
os.rename("one", "other")
"""
    calls, _ = follow(tmp_path, code, data=True)

    files = {str(tmp_path / "one"): bytearray(), str(tmp_path / "log"): bytearray()}
    for call in calls:
        if call.name == "rename":
            assert call.path == str(tmp_path / "one")
            assert call.target == str(tmp_path / "other")
        elif call.name == "ftruncate":
            length = call.args[1]
            file = files[call.path]
            file[:] = file[:length].ljust(length, b"\0")
        elif call.data is not None:
            file = files[call.path]
            file.extend(bytes(max(0, call.offset - len(file))))
            file[call.offset : call.offset + len(call.data)] = call.data
    assert files[str(tmp_path / "one")] == (tmp_path / "other").read_bytes()
    assert files[str(tmp_path / "log")] == (tmp_path / "log").read_bytes()


def test_stopped_and_continued_and_asked_to_end_as_without_a_tracer(tmp_path):
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
open("ready", "w").close()
while True:
    time.sleep(0.01)
    open("beat", "a").write("x")
"""
    with Tracer([sys.executable, "-S", "-c", code], cwd=tmp_path) as tracer:
        tree = tracer.start()
        beats = tmp_path / "beat"
        wait_for(lambda: beats.exists() and beats.stat().st_size)
        tree.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        before = beats.stat().st_size
        time.sleep(0.2)
        assert beats.stat().st_size == before
        tree.send_signal(signal.SIGCONT)
        wait_for(lambda: beats.stat().st_size > before)
        tree.send_signal(signal.SIGTERM)
        assert tree.wait(5) == 3


def test_stop_leaves_nobody_and_a_mistake_of_who_decides_is_told(tmp_path):
    def decide(call):
        raise ValueError("who decides is wrong")

    tracer = Tracer(
        [sys.executable, "-S", "-c", "open('file', 'w')\nimport time\ntime.sleep(60)"], cwd=tmp_path, decide=decide
    )
    tree = tracer.start()
    assert tree.wait(10) == -signal.SIGKILL
    with pytest.raises(ValueError, match="who decides is wrong"):
        tracer.stop()
    assert tracer.processes == {}


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
