import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.events import (
    EVENTS,
    RunEnded,
    RunNoted,
    RunRetrying,
    RunStarted,
    TaskEnded,
    TaskRetrying,
    TaskStarted,
)
from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.journal.format import Beside, DamageError, Unknown, decode, encode, encode_reference

ERROR = ErrorInfo("ValueError", "no\nsuch thing \u2028 ü", "Traceback…")
RESULT = ResultInfo("history", None, 4, "null", "json", "null")
SAMPLES = [
    RunStarted(1_700_000_000_000_000, 42, 1234, "b00t"),
    TaskStarted(1, 0, "extract", 1, 99),
    TaskStarted(1, 0, "extract", 1),
    TaskRetrying(2, 0, "extract", 1, 5, ERROR),
    TaskEnded(3, 0, "extract", "failed", 2, 1, ERROR, None),
    TaskEnded(3, 0, "extract", "completed", 1, 1, None, RESULT),
    TaskEnded(3, 1, "load", "upstream_failed", 0),
    RunRetrying(4, 1, 9, ERROR),
    RunNoted(5, "the log was truncated"),
    RunEnded(6, "failed", ERROR),
    RunEnded(6, "completed", None, RESULT),
]


def test_every_kind_of_event_is_among_the_samples():
    assert {type(sample) for sample in SAMPLES} == set(EVENTS.values())


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_as_it_was(event):
    line = encode(event)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    back = decode(line)
    assert back == event
    assert type(back) is type(event)


@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_any_text_stays_in_its_line(name, message):
    event = TaskRetrying(1, 2, name, 3, 4, ErrorInfo("E", message))
    assert decode(encode(event)) == event
    assert encode(event).count(b"\n") == 1


def test_text_that_utf8_cannot_hold_is_written_readably():
    back = decode(encode(TaskEnded(1, 0, "file \udcff", "failed", 1, 1, ErrorInfo("OSError", "\ud800"))))
    assert isinstance(back, TaskEnded)
    assert back.name == "file \\udcff"
    assert back.error == ErrorInfo("OSError", "\\ud800")


def test_fields_that_a_later_version_added_are_dropped():
    line = msgspec.json.encode(["run_noted", 5, "hello", "later", {"even": "more"}])
    assert decode(line) == RunNoted(5, "hello")


def test_fields_that_an_earlier_version_did_not_have_take_their_defaults():
    assert decode(b'["run_ended",6,"completed"]') == RunEnded(6, "completed", None, None)


def test_an_event_of_a_later_version_is_unknown_not_damaged():
    assert decode(b'["run_danced",1,2]') == Unknown("run_danced")


def test_a_reference_comes_back():
    assert decode(encode_reference(Beside(10, 5000))) == Beside(10, 5000)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"hello",
        b"5",
        b"null",
        b"[]",
        b"{}",
        b'["run_noted"]',
        b'["run_noted", "not a time", "x"]',
        b'[["run_noted"], 1]',
        b'["run_noted",5,"hal',
        b'["beside", 1]',
        b'["beside", -1, "x"]',
        b'["run_noted",5,"\xff\xfe"]',
        b"\0" * 512,
    ],
)
def test_what_is_no_event_is_damage(line):
    with pytest.raises(DamageError):
        decode(line)
