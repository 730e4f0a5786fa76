"""What programs write, line by line, on its way through."""

import os
import threading

import pytest

from tidemill.domain import secrecy
from tidemill.engine import sieve as module
from tidemill.engine.sieve import Sieve


@pytest.fixture
def passed(monkeypatch):
    """A sieve that is open, without a thread and beside the standard streams; and what came through."""
    for field, empty in (("values", ()), ("forms", frozenset()), ("pattern", None), ("act", None)):
        monkeypatch.setattr(secrecy._Known, field, empty)
    secrecy.learn("hunter22")
    monkeypatch.setattr(module.threading, "Thread", _refused)
    monkeypatch.setattr(module, "STREAMS", ())
    monkeypatch.setattr(module.atexit, "register", lambda act: None)
    texts = []
    made = Sieve(texts.append, threading.RLock())
    made.open()
    made.texts = texts
    yield made
    os.close(made._fd)


def _refused(**_):
    raise RuntimeError("can't start new thread")


def write(sieve, data):
    os.write(sieve._fd, data)


def test_lines_come_through_without_secrets_and_half_of_one_waits(passed):
    write(passed, b"token hunter22\nhunt")
    assert passed.drain()
    write(passed, b"er22 too\n")
    assert passed.drain()
    assert passed.texts == ["token ****\n", "**** too\n"]
    assert not passed.drain()


def test_a_carriage_return_ends_a_line_as_well(passed):
    write(passed, b"10 %\r20 %")
    passed.drain()
    assert passed.texts == ["10 %\r"]


def test_the_end_brings_the_rest(passed):
    write(passed, b"no end hunter22")
    passed.drain()
    passed.finish()
    assert passed.texts == ["no end ****"]
    passed.finish()
    assert len(passed.texts) == 1


def test_bytes_that_are_no_text_come_through_as_they_are(passed):
    write(passed, b"\xff\xfe hunter22 \xc3\n")
    passed.drain()
    assert passed.texts[0].encode("utf-8", "surrogateescape") == b"\xff\xfe **** \xc3\n"


def test_a_line_without_end_does_not_wait_for_ever(passed):
    write(passed, b"x" * (module._LONGEST + 1))
    passed.drain()
    assert "".join(passed.texts) == "x" * (module._LONGEST + 1)


def test_what_was_read_is_given_back(passed):
    for _ in range(16):
        write(passed, (b"y" * 1023 + b"\n") * 1024)
        passed.drain()
    assert os.fstat(passed._fd).st_size == 16 << 20
    assert os.fstat(passed._fd).st_blocks * 512 <= 1 << 20


def test_a_copy_of_the_process_carries_nothing_over(passed):
    write(passed, b"hunter22\n")
    fd = passed._fd
    assert passed.leave(-1) == fd
    assert passed.leave(-1) == -1
    assert not passed.drain()
    passed.finish()
    assert passed.texts == []
    passed._fd = fd


def test_a_file_that_was_closed_is_no_matter(passed):
    kept = os.dup(passed._fd)
    os.close(passed._fd)
    assert not passed.drain()
    passed._fd = kept


def test_nothing_is_opened_before_the_first_secret(monkeypatch):
    asked = []
    for field, empty in (("values", ()), ("forms", frozenset()), ("pattern", None), ("act", None)):
        monkeypatch.setattr(secrecy._Known, field, empty)
    secrecy.when_needed(lambda: asked.append(secrecy.is_needed()))
    assert asked == []
    secrecy.learn("hunter22")
    secrecy.learn("hunter23")
    assert asked == [True]
