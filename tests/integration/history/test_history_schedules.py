"""Schedules that are taken away, and what becomes of the moments that nobody had judged."""

import pytest

from history_lab import NOON, SECOND
from tidemill.domain.outcomes import Outcome
from tidemill.domain.schedules import cron, every
from tidemill.history.records import NewOccurrence, NewRun

MINUTE = 60 * SECOND
BEGIN = NOON - NOON % MINUTE
MINUTELY = every(minutes=1)
REASON = "no run had been made for it when its schedule was changed or taken away, as the daemon saw at 2023-11-14"


@pytest.fixture
def minutely(lab):
    (stored,) = lab.write(lambda w: w.sync_schedules("nightly", [MINUTELY], BEGIN))
    return stored.id


def rows(lab):
    return lab.write(lambda w: w.rows("SELECT moment, until, count, outcome FROM occurrences ORDER BY moment"))


def test_moments_that_came_before_a_schedule_was_taken_away_are_missed_and_say_why(lab, minutely):
    lab.write(lambda w: w.add_occurrence(NewOccurrence(minutely, BEGIN + MINUTE, Outcome.SKIPPED, "x", BEGIN)))
    lab.write(lambda w: w.advance_cursor(minutely, BEGIN + MINUTE))

    lab.write(lambda w: w.sync_schedules("nightly", [cron("0 2 * * *")], BEGIN + 10 * MINUTE + SECOND))

    assert rows(lab)[1:] == [(BEGIN + 2 * MINUTE, BEGIN + 10 * MINUTE, 9, "missed")]
    ((reason,),) = lab.write(lambda w: w.rows("SELECT reason FROM occurrences WHERE until IS NOT NULL"))
    assert reason.startswith(REASON)


def test_a_flow_that_leaves_leaves_none_in_silence(lab, minutely):
    lab.write(lambda w: w.remove_flows(["nightly"], BEGIN + MINUTE))
    assert rows(lab) == [(BEGIN + MINUTE, None, 1, "missed")]


def test_of_a_paused_flow_they_were_paused(lab, minutely):
    lab.write(lambda w: w.set_paused("nightly", BEGIN))
    lab.write(lambda w: w.remove_flows(["nightly"], BEGIN + 3 * MINUTE))
    assert rows(lab) == [(BEGIN + MINUTE, BEGIN + 3 * MINUTE, 3, "paused")]


def test_taken_away_twice_says_it_once(lab, minutely):
    for later in (3, 9):
        lab.write(lambda w, later=later: w.remove_flows(["nightly"], BEGIN + later * MINUTE))
    assert rows(lab) == [(BEGIN + MINUTE, BEGIN + 3 * MINUTE, 3, "missed")]


def test_moments_that_have_a_run_are_passed_by(lab, minutely):
    row = NewOccurrence(minutely, BEGIN + 4 * MINUTE, Outcome.RAN, "x", BEGIN)
    lab.write(lambda w: w.add_due_run(row, NewRun("a000000000", "nightly", BEGIN, scheduled_for=row.moment)))

    lab.write(lambda w: w.sync_schedules("nightly", [], BEGIN + 6 * MINUTE))

    assert rows(lab) == [
        (BEGIN + MINUTE, BEGIN + 3 * MINUTE, 3, "missed"),
        (BEGIN + 4 * MINUTE, None, 1, "ran"),
        (BEGIN + 5 * MINUTE, BEGIN + 6 * MINUTE, 2, "missed"),
    ]


def test_ten_days_are_one_row(lab, minutely):
    end = BEGIN + 10 * 1440 * MINUTE
    lab.write(lambda w: w.sync_schedules("nightly", [], end))
    assert rows(lab) == [(BEGIN + MINUTE, end, 10_000, "missed")]


def test_a_schedule_that_comes_back_is_due_from_then_on(lab, minutely):
    lab.write(lambda w: w.sync_schedules("nightly", [], BEGIN + 6 * MINUTE))
    (back,) = lab.write(lambda w: w.sync_schedules("nightly", [MINUTELY], BEGIN + 9 * MINUTE))
    assert (back.id, back.cursor) == (minutely, BEGIN + 9 * MINUTE)
