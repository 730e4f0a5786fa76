"""What a database's errors mean."""

import re
import sqlite3

import pytest

from tidemill.history.problems import BUSY, code_of, is_passing, sentence


def error_with(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_BUSY, "the history /x/h.db is locked by another process"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "is locked by another process"),
        (sqlite3.SQLITE_FULL, "the disk that holds /x/h.db is full; make room"),
        (sqlite3.SQLITE_READONLY, "cannot be written; check its owner"),
        (sqlite3.SQLITE_IOERR_FSYNC, r"cannot be read or written \(disk I/O error\); check the disk"),
        (sqlite3.SQLITE_CORRUPT, "is damaged"),
        (sqlite3.SQLITE_NOTADB, "is not a database"),
    ],
)
def test_what_lies_in_the_surroundings_may_pass_and_is_told_in_a_sentence(code, words):
    assert is_passing(error_with(code))
    assert re.search(words, sentence(error_with(code), "/x/h.db"))


def test_a_fault_of_the_statement_does_not_pass():
    for error in (error_with(sqlite3.SQLITE_ERROR), sqlite3.IntegrityError("UNIQUE"), ValueError("no")):
        assert not is_passing(error)


def test_only_a_lock_leaves_the_connection_as_it_was():
    assert {code_of(error_with(code)) in BUSY for code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)} == {True}
    assert code_of(error_with(sqlite3.SQLITE_IOERR_FSYNC)) not in BUSY


def test_an_error_that_sqlalchemy_wrapped_is_understood():
    wrapped = RuntimeError("wrapped")
    wrapped.orig = error_with(sqlite3.SQLITE_FULL)

    assert is_passing(wrapped)
    assert "is full" in sentence(wrapped, "/x/h.db")


def test_several_lines_become_one_sentence():
    assert sentence(RuntimeError("connection failed:\n\tno such host"), "db") == (
        "the history db cannot be used: connection failed: no such host"
    )
