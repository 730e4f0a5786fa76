"""Statistics: what counts, how it is spread, and that a million runs are not walked through for it."""

from datetime import timedelta

import pytest

from history_lab import NOON, SECOND
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State
from tidemill.domain.times import from_micros
from tidemill.history import statistics
from tidemill.history.reading import open_reading

BEGIN = from_micros(NOON)


@pytest.fixture
def ended(lab):
    """Make a run that waited *wait* and took *took* seconds."""
    numbers = iter(range(10**9))

    def make(state=State.COMPLETED, took=1.0, wait=0.1, at=NOON, flow="nightly", error=None):
        uid = f"{next(numbers):010}"
        run_id = lab.add_run(uid, flow=flow, queued_at=at)
        started = at + round(wait * SECOND)
        lab.write(lambda w: w.execute("UPDATE runs SET started_at = ? WHERE id = ?", (started, run_id)))
        lab.write(lambda w: w.end_run(run_id, state, error, started + round(took * SECOND)))
        return uid

    return make


def of(lab, flow=None, since=BEGIN):
    return lab.read(lambda r: r.statistics(since, flow))


def test_a_flow_is_counted_timed_and_told_of(lab, ended):
    for number in range(1, 20):
        ended(took=number, wait=number / 10)
    failed = ended(State.FAILED, took=1000, at=NOON + 5, error=ErrorInfo("ValueError", "no\nmore", None))
    ended(State.CANCELLED, took=2000)

    (record,) = of(lab, "nightly")

    assert record["flow"] == "nightly"
    assert (record["runs"], record["completed"], record["failed"]) == (21, 19, 1)
    assert record["states"] == {"cancelled": 1, "completed": 19, "failed": 1}
    assert record["success_rate"] == pytest.approx(0.95)
    assert record["duration"] == {"p50": 10.0, "p95": 19.0}
    assert record["wait"] == {"p50": 0.9, "p95": 1.8}
    assert record["last_failure"]["id"] == failed
    assert record["last_failure"]["error"] == "ValueError: no"


def test_only_what_was_queued_since_then_and_has_ended_counts(lab, ended):
    ended(at=NOON - 1)
    ended(at=NOON)
    lab.add_run("zzz0000000", queued_at=NOON + 1)

    assert of(lab, "nightly")[0]["runs"] == 1


def test_a_failure_is_told_of_however_long_it_is_ago(lab, ended):
    ended(State.TIMED_OUT, at=NOON - 10**15)
    ended(State.CRASHED, at=NOON - 5 * 10**14)

    (record,) = of(lab, "nightly")

    assert record["last_failure"]["state"] == "crashed"
    assert (record["runs"], record["success_rate"], record["duration"], record["wait"]) == (0, None, None, None)


def test_flows_without_runs_are_left_out_of_the_whole(lab, ended):
    ended(flow="one")
    ended(flow="two", at=NOON - 1)

    assert [record["flow"] for record in of(lab)] == ["one"]
    assert of(lab, "three") == []


def test_an_empty_history_has_no_statistics(lab):
    assert of(lab, since=BEGIN - timedelta(days=9)) == []


def test_each_flow_costs_one_walk_down_a_covering_index(sqlite_lab):
    reading = open_reading(sqlite_lab.address)
    plan = [row[3] for row in reading.rows(f"EXPLAIN QUERY PLAN {statistics.ENDED}", {"flow": 1, "since": 1})]
    last = statistics.LAST_FAULT.format(state="failed")
    plan_of_last = [row[3] for row in reading.rows(f"EXPLAIN QUERY PLAN {last}", {"flow": 1})]
    reading.close()

    assert plan == ["SEARCH runs USING COVERING INDEX runs_ended (flow_id=? AND queued_at>?)"]
    assert plan_of_last == ["SEARCH runs USING INDEX runs_by_flow_state (flow_id=? AND state=?)"]
