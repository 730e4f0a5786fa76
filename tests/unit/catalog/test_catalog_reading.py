import errno
import hashlib
import os

import pytest

from tidemill.catalog.reading import LIMIT, SourceText, examine, read_source
from tidemill.domain.manifests import Problem


def test_a_file_is_read_whole_with_its_hash(tmp_path):
    path = tmp_path / "a.py"
    path.write_bytes(b"x = 1\n")

    text = read_source(str(path))

    assert isinstance(text, SourceText)
    assert (text.data, text.hash) == (b"x = 1\n", hashlib.sha256(b"x = 1\n").hexdigest())
    assert text.signature.size == 6


def test_a_file_that_vanished_is_no_problem_of_the_file(tmp_path):
    assert read_source(str(tmp_path / "a.py")) is None


def test_a_huge_file_is_refused_without_being_read(tmp_path):
    path = tmp_path / "a.py"
    with path.open("wb") as file:
        file.truncate(5 * LIMIT)

    assert read_source(str(path)) == Problem(
        "it is 5.0 MiB; a flow file may have 1 MiB: move its data to a file of another kind"
    )


def test_a_file_of_exactly_the_limit_is_read(tmp_path):
    path = tmp_path / "a.py"
    path.write_bytes(b"#" * LIMIT)
    assert isinstance(read_source(str(path)), SourceText)


def test_a_file_without_permission_is_told_so(tmp_path, monkeypatch):
    path = tmp_path / "a.py"
    path.write_text("")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert read_source(str(path)) == Problem("it cannot be read: permission denied for the user the daemon runs as")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.py")
    assert read_source(str(tmp_path / "a.py")) == Problem("it is not a regular file")


@pytest.mark.parametrize(
    "data",
    [
        "größe = 1\n".encode(),
        b"\xef\xbb\xbfx = 1\n",
        "# -*- coding: latin-1 -*-\ngröße = 1\n".encode("latin-1"),
        b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '\x80'\n",
        b"x = (\n",  # broken Python is for the inspection to tell
        b"",
    ],
)
def test_text_in_utf8_or_a_declared_encoding_is_accepted(data):
    assert examine(data) is None


@pytest.mark.parametrize(
    ("data", "line", "part"),
    [
        (b"x = 1\ny = '\x00'\n", 2, "it is not a text file (it holds NUL bytes)"),
        ("x = 1\n".encode("utf-16"), 1, "it is not a text file"),
        (b"x = 1\n\n\ny = '\xff'\n", 4, "it is not utf-8 text (byte 0xff)"),
        (b"x = '\xff'\n", 1, "it is not utf-8 text (byte 0xff)"),
        (b"# coding: klingon\nx = 1\n", 1, "declares an encoding that Python does not know (klingon)"),
        (b"# coding: rot13\nk = 1\n", 1, "which is not one of text"),
    ],
)
def test_what_is_not_text_is_refused_with_the_line(data, line, part):
    problem = examine(data)
    assert problem is not None
    assert problem.line == line
    assert part in problem.message


def test_too_many_open_files_say_nothing_of_the_file(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        read_source(str(tmp_path / "a.py"))
