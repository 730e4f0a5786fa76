import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.events import (
    EVENTS,
    OfSubflow,
    RunEnded,
    RunNamed,
    RunNoted,
    RunOrdered,
    RunRetrying,
    RunStarted,
    SubflowStarted,
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
    RunOrdered(
        1,
        "nightly",
        "/f/n.py",
        "schedule",
        "2026-11-22T02:00:00+00:00",
        1,
        None,
        {"day": "ü"},
        "0123456789ab",
        {"/f/n.py": "ab12"},
        {"kind": "every", "expression": "60", "parameters": {}},
    ),
    RunOrdered(1, "", "/f/n.py", "manual", None, 2, "k3f0000000", {}, "", {}, None),
    TaskStarted(1, 0, "extract", 1, 99),
    TaskStarted(1, 0, "extract", 1),
    TaskStarted(1, 0, "extract", 1, None, "extract of Monday", "k3f0000001"),
    TaskRetrying(2, 0, "extract", 1, 5, ERROR),
    TaskEnded(3, 0, "extract", "failed", 2, 1, ERROR, None),
    TaskEnded(3, 0, "extract", "completed", 1, 1, None, RESULT),
    TaskEnded(3, 1, "load", "upstream_failed", 0),
    TaskEnded(3, 2, "load", "completed", 1, 1, None, RESULT, "load of Monday", "k3f0000001"),
    RunRetrying(4, 1, 9, ERROR),
    RunNamed(4, "Monday's"),
    SubflowStarted(4, "k3f0000000", 2, "load", {"day": "Monday", "rows": [1, 2.5, None], "deep": {"a": {}}}, "name"),
    SubflowStarted(4, "k3f0000000", 2, "load", {}),
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


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_of_a_child_run_comes_back_as_it_was(event):
    wrapped = OfSubflow("k3f0000001", event)
    line = encode(wrapped)
    assert msgspec.json.decode(line) == ["of_subflow", "k3f0000001", *msgspec.json.decode(encode(event))]
    assert line.count(b"\n") == 1
    back = decode(line)
    assert back == wrapped
    assert type(back.event) is type(event)
    assert back.at == event.at


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


def test_parameters_that_utf8_cannot_hold_are_written_readably():
    event = SubflowStarted(1, "a", 0, "f", {"\ud800": ["\udcff", {"deep": "\ud801"}], "plain": True}, None)
    back = decode(encode(OfSubflow("b", event)))
    assert isinstance(back, OfSubflow)
    assert back.event.parameters == {"\\ud800": ["\\udcff", {"deep": "\\ud801"}], "plain": True}


def test_fields_that_a_later_version_added_are_dropped():
    line = msgspec.json.encode(["run_noted", 5, "hello", "later", {"even": "more"}])
    assert decode(line) == RunNoted(5, "hello")


def test_fields_that_an_earlier_version_did_not_have_take_their_defaults():
    assert decode(b'["run_ended",6,"completed"]') == RunEnded(6, "completed", None, None)
    assert decode(b'["task_started",1,0,"extract",1,99]') == TaskStarted(1, 0, "extract", 1, 99)
    ended = b'["task_ended",3,0,"extract","completed",1,1,null,["history",null,4,"null","json","null"]]'
    assert decode(ended) == TaskEnded(3, 0, "extract", "completed", 1, 1, None, RESULT)


def test_an_event_of_a_later_version_is_unknown_not_damaged():
    assert decode(b'["run_danced",1,2]') == Unknown("run_danced")
    assert decode(b'["of_subflow","k3f0000001","run_danced",1,2]') == Unknown("run_danced")
    assert decode(b'["of_subflow","a","of_subflow","b","run_noted",5,"hello"]') == Unknown("of_subflow")
    line = b'["of_subflow","k3f0000001","run_noted",5,"hello","later"]'
    assert decode(line) == OfSubflow("k3f0000001", RunNoted(5, "hello"))


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
        b'["of_subflow"]',
        b'["of_subflow","k3f0000001"]',
        b'["of_subflow","k3f0000001","run_noted"]',
        b'["of_subflow",7,"run_noted",5,"hello"]',
        b'["of_subflow","k3f0000001",["run_noted"],5,"hello"]',
        b'["beside", -1, "x"]',
        b'["run_noted",5,"\xff\xfe"]',
        b'["run_noted",253370764800000000,"hello"]',
        b'["run_retrying",5,1,4611686018427387904,["ValueError","no",null]]',
        b'["task_ended",5,0,"a","running",1]',
        b'["task_ended",5,0,"a","Completed",1]',
        b'["task_ended",5,0,"a","completed",1,-1]',
        b'["task_started",5,9223372036854775808,"a",1]',
        b'["task_ended",5,0,"a","completed",1,1,null,["local",null,9223372036854775808,""]]',
        b"\0" * 512,
    ],
)
def test_what_is_no_event_is_damage(line):
    with pytest.raises(DamageError):
        decode(line)


def test_every_kind_is_known_whole_before_two_threads_can_read_one_at_once():
    # msgspec 0.22 lets a second thread see a kind half known: seen as SIGSEGV in a daemon that took up live runs.
    code = "from tidemill.journal.format import EVENTS\n"
    code += "print([name for name, kind in EVENTS.items() if '__msgspec_cache__' not in vars(kind)])"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "daemon")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
