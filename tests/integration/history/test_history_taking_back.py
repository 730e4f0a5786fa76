"""The clock is set right after it was far ahead: what the ledger had decided about a time that is yet to come."""

import pytest

from history_lab import NOON, SECOND
from tidemill.domain.outcomes import Outcome
from tidemill.domain.schedules import cron, every
from tidemill.history.records import NewOccurrence, NewRun
from tidemill.history.taking_back import TakenBack, take_back

MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
BEGIN = NOON - NOON % HOUR
AHEAD = BEGIN + 30 * HOUR
"""Where the clock was."""
NOW = BEGIN + 2 * HOUR + 30 * MINUTE


class Ledger:
    """One schedule of every ten minutes, and its rows."""

    def __init__(self, lab, spec):
        self.lab = lab
        (stored,) = lab.write(lambda w: w.sync_schedules("nightly", [spec], BEGIN))
        self.id = stored.id

    def add(self, moment, outcome=Outcome.MISSED, at=AHEAD, **fields):
        row = NewOccurrence(self.id, moment, outcome, "the clock was set forward", at, **fields)
        assert self.lab.write(lambda w: w.add_occurrence(row))
        self.lab.write(lambda w: w.advance_cursor(self.id, fields.get("until") or moment))

    def add_run(self, moment, uid, at=AHEAD):
        row = NewOccurrence(self.id, moment, Outcome.LATE, "made up for", at)
        self.lab.write(lambda w: w.add_due_run(row, NewRun(uid, "nightly", at, scheduled_for=moment)))
        self.lab.write(lambda w: w.advance_cursor(self.id, moment))

    def take_back(self, now=NOW):
        return self.lab.write(lambda w: take_back(w, now))

    def rows(self):
        return [
            (row.moment, row.outcome, row.until, row.moments)
            for row in self.lab.write(lambda w: w.load_ledger(self.id, BEGIN - HOUR))
        ]

    def cursor(self):
        return self.lab.write(lambda w: w.row("SELECT cursor FROM schedules WHERE id = ?", (self.id,)))[0]


@pytest.fixture
def ledger(lab):
    return Ledger(lab, every(minutes=10))


def test_a_range_is_cut_at_now_and_what_follows_is_free_again(ledger):
    ledger.add(BEGIN + 10 * MINUTE, until=AHEAD - 10 * MINUTE, count=179)
    ledger.add(AHEAD)

    assert ledger.take_back() == [TakenBack(ledger.id, NOW, 165)]

    assert ledger.rows() == [(BEGIN + 10 * MINUTE, "missed", NOW, 15)]
    assert ledger.cursor() == NOW


def test_moments_with_a_run_keep_it(ledger):
    ledger.add(BEGIN + 10 * MINUTE, until=AHEAD - 10 * MINUTE, count=179)
    ledger.add_run(AHEAD, "a000000000")

    ledger.take_back()

    assert ledger.rows()[1] == (AHEAD, "late", None, 1)
    assert ledger.cursor() == NOW


def test_a_second_time_changes_nothing(ledger):
    ledger.add(BEGIN + 10 * MINUTE, until=AHEAD - 10 * MINUTE, count=179)
    ledger.add_run(AHEAD, "a000000000")
    ledger.take_back()
    before = ledger.rows()

    assert ledger.take_back() == []
    assert ledger.take_back(NOW + MINUTE) == []
    assert ledger.rows() == before


def test_what_shared_a_run_that_is_taken_back_is_missed_and_says_so(ledger):
    ledger.add(BEGIN + 10 * MINUTE, Outcome.COALESCED, until=AHEAD - 10 * MINUTE, count=179, coalesced_into=AHEAD)
    ledger.add(AHEAD, Outcome.SKIPPED)

    ledger.take_back()

    (row,) = ledger.lab.write(lambda w: w.rows("SELECT outcome, coalesced_into, reason FROM occurrences"))
    assert row[:2] == ("missed", None)
    assert row[2] == "the clock was set forward; then the clock was set back, and that moment lies ahead again"


def test_what_shares_a_run_that_was_made_goes_on_sharing_it(ledger):
    ledger.add(BEGIN + 10 * MINUTE, Outcome.COALESCED, until=AHEAD - 10 * MINUTE, count=179, coalesced_into=AHEAD)
    ledger.add_run(AHEAD, "a000000000")

    ledger.take_back()

    assert ledger.rows()[0] == (BEGIN + 10 * MINUTE, "coalesced", NOW, 15)


@pytest.mark.parametrize("hours", [1, 3])
def test_of_a_clock_that_is_set_back_a_little_every_decision_stays(ledger, hours):
    ledger.add(BEGIN + 10 * MINUTE, until=AHEAD, count=180)
    before, now = ledger.rows(), AHEAD - hours * HOUR

    assert ledger.take_back(now) == [TakenBack(ledger.id, now, 0)]
    assert ledger.rows() == before
    assert ledger.cursor() == now


def test_two_steps_back_are_as_good_as_one(ledger):
    ledger.add(BEGIN + 10 * MINUTE, until=AHEAD, count=180)

    assert ledger.take_back(AHEAD - 2 * HOUR)[0].moments == 0
    assert ledger.take_back(AHEAD - 4 * HOUR) == [TakenBack(ledger.id, AHEAD - 4 * HOUR, 24)]


def test_a_rare_schedule_is_known_by_when_its_row_was_written(lab):
    ledger = Ledger(lab, cron("0 0 * * *", timezone="UTC"))
    moment = BEGIN - BEGIN % (24 * HOUR) + 24 * HOUR
    ledger.add(moment, at=moment + 20 * HOUR)

    assert ledger.take_back(moment - HOUR) == [TakenBack(ledger.id, moment - HOUR, 1)]
    assert ledger.rows() == []


def test_a_schedule_that_began_in_a_wrong_time_is_due_from_now_on(ledger):
    ledger.lab.write(lambda w: w.advance_cursor(ledger.id, AHEAD))
    assert ledger.take_back() == [TakenBack(ledger.id, NOW, 0)]


def test_a_schedule_that_was_taken_away_is_set_right_too(ledger):
    ledger.add(BEGIN + 10 * MINUTE, until=AHEAD, count=180)
    ledger.lab.write(lambda w: w.sync_schedules("nightly", [], AHEAD))

    ledger.take_back()
    (back,) = ledger.lab.write(lambda w: w.sync_schedules("nightly", [every(minutes=10)], NOW + HOUR))

    assert ledger.rows() == [(BEGIN + 10 * MINUTE, "missed", NOW, 15)]
    assert back.cursor == NOW + HOUR


def test_a_schedule_of_boots_keeps_its_rows(lab):
    ledger = Ledger(lab, cron("@reboot"))
    ledger.add(AHEAD, Outcome.PAUSED)
    assert ledger.take_back() == []


def test_nothing_is_taken_back_from_a_ledger_that_is_where_the_clock_is(ledger):
    ledger.add(BEGIN + 10 * MINUTE, until=NOW - NOW % (10 * MINUTE), count=15, at=NOW)
    assert ledger.take_back() == []
