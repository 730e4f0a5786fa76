from datetime import UTC, datetime, timedelta

from tidemill.domain.outcomes import Outcome
from tidemill.domain.schedules import every
from tidemill.domain.times import to_micros
from tidemill.history.records import LedgerRow
from tidemill.scheduler.judgement import Verdict
from tidemill.service.entering import Entry, enter

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)


def at(seconds):
    return NOON + timedelta(seconds=seconds)


class Ledger:
    """Two rows of a time when the clock was ahead, and what is added."""

    def __init__(self, *rows):
        self.rows, self.added, self.cursor = rows, [], to_micros(at(-10))

    def add_occurrence(self, new):
        if any(
            row.moment <= (new.until or new.moment) and (row.until or row.moment) >= new.moment for row in self.rows
        ):
            return False
        self.added.append((new.moment, new.until, new.count))
        return True

    def load_ledger(self, schedule_id, after):
        return list(self.rows)

    def load_cursor(self, schedule_id):
        return self.cursor

    def advance_cursor(self, schedule_id, moment):
        self.cursor = moment


def row(begin, end=None):
    until = None if end is None else to_micros(at(end))
    return LedgerRow(to_micros(at(begin)), "missed", None, until, 1, 0)


def entry(begin, end):
    verdict = Verdict(at(begin), Outcome.MISSED, "it slept", until=at(end), count=(end - begin) // 10 + 1)
    return Entry(1, every(seconds=10), verdict, None, "v")


def test_a_range_fills_what_the_ledger_left_open():
    ledger = Ledger(row(30), row(50, 70))

    assert enter(ledger, entry(0, 100), 0) is None

    spans = [(at(0), at(20), 3), (at(40), None, 1), (at(80), at(100), 3)]
    assert ledger.added == [(to_micros(a), None if b is None else to_micros(b), count) for a, b, count in spans]
    assert ledger.cursor == to_micros(at(100))


def test_a_range_that_is_seen_whole_adds_nothing():
    ledger = Ledger(row(-10, 200))
    enter(ledger, entry(0, 100), 0)
    assert ledger.added == []


def test_a_free_range_is_one_row():
    ledger = Ledger()
    enter(ledger, entry(0, 100), 0)
    assert ledger.added == [(to_micros(NOON), to_micros(at(100)), 11)]


def test_a_moment_that_is_still_open_is_not_left_behind():
    ledger = Ledger()
    ledger.cursor = to_micros(at(-30))
    enter(ledger, entry(0, 100), 0)
    assert ledger.cursor == to_micros(at(-30))
    enter(ledger, entry(-20, -10), 0)
    assert ledger.cursor == to_micros(at(-10))
