import io
import os
import threading

import pytest

from tidemill.engine.capture import CapturedStream
from tidemill.engine.run_log import RunLog


@pytest.fixture
def log(tmp_path):
    fd = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    yield RunLog(fd, 1000), lambda: [line.partition(" ")[2] for line in (tmp_path / "log").read_text().splitlines()]
    os.close(fd)


def test_every_line_has_its_own_prefix(log):
    target, lines = log

    target.write("load", "INFO", "one\ntwo\n")

    assert lines() == ["[load] INFO one", "[load] INFO two"]


def test_a_line_is_logged_when_it_is_whole(log):
    target, lines = log
    stream = CapturedStream(target, "OUT", 1)

    stream.write("a")
    stream.write("b\nc")
    assert lines() == ["[-] OUT ab"]

    stream.finish()
    assert lines() == ["[-] OUT ab", "[-] OUT c"]


def test_a_line_without_an_end_is_not_kept_for_ever(log):
    stream = CapturedStream(log[0], "OUT", 1)

    for _ in range(100):
        stream.write("x" * 1000)

    assert "truncated" in log[1]()[-1]


def test_a_stream_behaves_as_one(log):
    stream = CapturedStream(log[0], "ERR", 2)

    assert (stream.fileno(), stream.isatty(), stream.writable(), stream.encoding) == (2, False, True, "utf-8")
    assert stream.buffer.write(b"\xff\n") == 2
    print("x", file=stream)
    assert log[1]() == ["[-] ERR \\xff", "[-] ERR x"]
    with pytest.raises(TypeError):
        stream.write(b"x")


def test_a_terminal_sees_whole_lines_and_what_is_flushed(log):
    terminal = io.StringIO()
    stream = CapturedStream(log[0], "OUT", 1, terminal)

    stream.write("a")
    assert terminal.getvalue() == ""
    stream.flush()
    stream.flush()
    assert terminal.getvalue() == "a"
    stream.write("b\nc")
    assert terminal.getvalue() == "ab\n"
    stream.finish()
    assert terminal.getvalue() == "ab\nc"


def test_lines_of_several_threads_do_not_run_into_each_other(log):
    terminal = io.StringIO()
    stream = CapturedStream(log[0], "OUT", 1, terminal)
    stream.write("mine ")
    other = threading.Thread(target=stream.write, args=("other\n",))

    other.start()
    other.join()
    stream.write("all\n")

    assert log[1]() == ["[-] OUT other", "[-] OUT mine all"]
    assert terminal.getvalue() == "other\nmine all\n"


def test_a_log_that_cannot_be_written_disturbs_nobody(tmp_path):
    fd = os.open(tmp_path / "log", os.O_RDONLY | os.O_CREAT)

    RunLog(fd, 1000).write("t", "OUT", "x")

    os.close(fd)
