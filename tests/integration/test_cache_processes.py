"""The cache among processes: locks that end with their holder, records that many write at once."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tidemill.cache.folder import CacheFolder
from tidemill.cache.locks import KeyLocks
from tidemill.cache.records import CacheRecord
from tidemill.domain.results import ResultInfo

DEADLINE = 20.0


@pytest.fixture
def start():
    """Start a process that prints a line when it has done what the code says first."""
    with ExitStack() as stack:

        def begin(code: str, *arguments: object) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
                env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
                stdout=subprocess.PIPE,
                stdin=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield begin


HOLD = """
    import os, sys
    from pathlib import Path
    from tidemill.cache.locks import KeyLocks
    locks = KeyLocks(Path(sys.argv[1]))
    assert locks.take("k", "me")
    if len(sys.argv) > 2:
        if os.fork() == 0:
            os.write(1, b"forked\\n")
            sys.stdin.read()
            os._exit(0)
    os.write(1, b"held\\n")
    sys.stdin.read()
"""


def until(condition) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_key_is_one_process_s_until_that_ends_in_any_way(start, tmp_path):
    locks = KeyLocks(tmp_path)
    holder = start(HOLD, tmp_path)
    assert holder.stdout.readline() == "held\n"

    assert not locks.take("k", "me")
    assert locks.is_taken("k")
    assert locks.take("other", "me")
    holder.send_signal(signal.SIGKILL)
    holder.wait()

    assert locks.take("k", "me")
    assert not locks.is_taken("third")


def test_a_forked_child_keeps_no_key_of_a_dead_parent(start, tmp_path):
    holder = start(HOLD, tmp_path, "fork")
    assert {holder.stdout.readline(), holder.stdout.readline()} == {"held\n", "forked\n"}
    locks = KeyLocks(tmp_path)
    assert not locks.take("k", "me")
    holder.send_signal(signal.SIGKILL)
    holder.wait()

    assert locks.take("k", "me")
    holder.stdin.close()


def test_a_key_that_is_given_back_is_free_at_once(start, tmp_path):
    ours, folder = KeyLocks(tmp_path), tmp_path
    assert ours.take("k", "me")
    tries = """
        import sys
        from pathlib import Path
        from tidemill.cache.locks import KeyLocks
        print(KeyLocks(Path(sys.argv[1])).take("k", "me"), flush=True)
    """
    assert start(tries, folder).communicate()[0] == "False\n"
    ours.give_back("k", "me")
    assert start(tries, folder).communicate()[0] == "True\n"


WRITE = """
    import sys
    from tidemill.cache.folder import CacheFolder
    from tidemill.cache.records import CacheRecord
    from tidemill.domain.results import ResultInfo
    folder = CacheFolder(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(300):
        text = f'"{sys.argv[2]}-{number}"'
        result = ResultInfo("history", None, 1, text, "json", text)
        folder.keep("k", CacheRecord("k", 1, None, "f", sys.argv[2], "t", result))
"""


def test_a_reader_among_writers_sees_whole_records_only(start, tmp_path):
    folder = CacheFolder(tmp_path / "cache")
    writers = [start(WRITE, folder.folder, name) for name in ("a", "b")]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    until(lambda: folder.find("k", 0) is not None)
    seen = set()
    while any(writer.poll() is None for writer in writers):
        record = folder.find("k", 0)
        assert record is not None, "a record that is rewritten was missing"
        assert record.result.value.strip('"').startswith(record.run)
        seen.add(record.result.value)

    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(seen) > 1
    assert [path.suffix for path in folder.folder.rglob("*") if path.is_file()] == [".record"]


def test_a_record_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    folder = CacheFolder(tmp_path / "cache")
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(OSError):
        folder.keep("k", CacheRecord("k", 1, None, "f", "r", "t", ResultInfo("history", None, 1, "1", "json", "1")))
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert folder.find("k", 0) is None
    assert Path(folder.folder).is_file()
