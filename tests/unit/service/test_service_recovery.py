"""What an earlier daemon left is taken up where it is found."""

from dataclasses import fields

import pytest

from tidemill.config.paths import StatePaths
from tidemill.dispatcher.dispatcher import Dispatcher
from tidemill.domain.outcomes import Trigger
from tidemill.domain.runs import ProcessName
from tidemill.domain.states import State
from tidemill.history.records import StoredRun
from tidemill.service.recovery import Recovery
from tidemill.service.roster import Roster


class Records:
    def __init__(self):
        self.endings = {}

    def follow(self, run_id, uid, journal, offset=0):
        pass

    def settle(self, run, ending, status, done):
        self.endings[run.uid] = ending
        done(ending.state)

    def note_state(self, run, state, note):
        pass


class Watch:
    def __init__(self):
        self.runs = []

    def add(self, run, journal):
        self.runs.append(run.uid)


@pytest.fixture
def records():
    return Records()


@pytest.fixture
def dispatcher(records, tmp_path):
    return Dispatcher(
        records, None, StatePaths(tmp_path).journal, slots=None, max_runs=1, cancel_grace=1, on_end=lambda run: None
    )


def stored(uid, **given):
    empty = dict.fromkeys(field.name for field in fields(StoredRun))
    known = {"id": 1, "uid": uid, "flow": "nightly", "state": State.PENDING, "trigger": Trigger.MANUAL}
    return StoredRun(**{**empty, "parameters": {}, "attempt": 1, "priority": 0, "journal_offset": 0, **known, **given})


def test_a_run_that_had_begun_is_not_begun_anew_when_a_power_cut_took_its_journal(dispatcher, records):
    process = ProcessName(4711, 12345, "an earlier boot")
    left = stored("a000000000", state=State.RUNNING, started_at=5, process=process, journal_offset=400)

    Recovery(dispatcher, Watch(), Roster()).take_up([(left, "")], ())

    assert dispatcher.queued == 0
    assert records.endings["a000000000"].state is State.CRASHED
    assert "lost its power" in records.endings["a000000000"].error.message


def test_a_run_that_nobody_has_begun_waits_again(dispatcher):
    Recovery(dispatcher, Watch(), Roster()).take_up([(stored("a000000000"), "")], ())

    assert dispatcher.queued == 1
