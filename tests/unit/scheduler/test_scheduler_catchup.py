"""What becomes of the moments that passed while nobody was there."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.domain.outcomes import Catchup, Outcome
from tidemill.domain.schedules import at, cron, every
from tidemill.domain.specs import ScheduleSpec
from tidemill.domain.stretches import MOST_COUNTED
from tidemill.scheduler.catchup import MOST_ROWS, plan_catchup

NOW = datetime(2026, 11, 22, 9, 0, 30, tzinfo=UTC)
HOURLY = cron("0 * * * *", timezone="UTC")


def hours_ago(count):
    return NOW - timedelta(hours=count)


def test_nothing_passed_nothing_is_planned():
    assert plan_catchup(HOURLY, NOW - timedelta(seconds=30), NOW) == []
    assert plan_catchup(at(NOW + timedelta(days=1)), hours_ago(5), NOW) == []
    assert plan_catchup(cron("@reboot"), hours_ago(5), NOW) == []


def test_where_nothing_passed_the_schedule_is_asked_once(monkeypatch):
    asked = []
    ask = ScheduleSpec.next_micros
    monkeypatch.setattr(ScheduleSpec, "next_micros", lambda *where: asked.append(where) or ask(*where))

    assert plan_catchup(cron("0 3 * * *", timezone="Europe/Berlin"), hours_ago(5), NOW) == []

    assert len(asked) == 1


def test_latest_runs_once_and_the_others_share_it():
    verdicts = plan_catchup(HOURLY, hours_ago(4), NOW)
    assert [(v.moment.hour, v.outcome, v.starts) for v in verdicts] == [
        (6, Outcome.COALESCED, False),
        (7, Outcome.COALESCED, False),
        (8, Outcome.COALESCED, False),
        (9, Outcome.LATE, True),
    ]
    assert {v.coalesced_into for v in verdicts[:3]} == {verdicts[-1].moment}
    assert verdicts[-1].reason == "the daemon was not running at its moment; made up for 30 s later"


def test_all_runs_every_one_in_order():
    verdicts = plan_catchup(HOURLY, hours_ago(4), NOW, catchup=Catchup.ALL)
    assert [(v.moment.hour, v.starts, v.queue) for v in verdicts] == [(hour, True, True) for hour in (6, 7, 8, 9)]


def test_none_runs_nothing_and_says_why():
    verdicts = plan_catchup(HOURLY, hours_ago(4), NOW, catchup=Catchup.NONE)
    assert {(v.outcome, v.starts, v.reason) for v in verdicts} == {
        (Outcome.MISSED, False, "the daemon was not running, and catchup is none")
    }
    assert len(verdicts) == 4


def test_grace_bounds_what_is_made_up_for():
    recent = plan_catchup(HOURLY, hours_ago(4), NOW, catchup=Catchup.ALL, grace=2 * 3600 + 30)
    assert [(v.moment.hour, v.outcome) for v in recent] == [
        (6, Outcome.MISSED), (7, Outcome.LATE), (8, Outcome.LATE), (9, Outcome.LATE),
    ]  # fmt: skip
    too_late = plan_catchup(HOURLY, hours_ago(4), NOW, grace=10)
    assert {v.outcome for v in too_late} == {Outcome.MISSED}
    assert too_late[0].reason == "the daemon was not running, and its grace of 10 s had passed"


@pytest.mark.parametrize(("state", "outcome"), [({"paused": True}, Outcome.PAUSED), ({"broken": True}, Outcome.BROKEN)])
def test_a_flow_that_could_not_have_run_is_not_made_up_for(state, outcome):
    verdicts = plan_catchup(HOURLY, hours_ago(4), NOW, catchup=Catchup.ALL, **state)
    assert [(v.outcome, v.starts) for v in verdicts] == [(outcome, False)] * 4


def test_all_is_bounded_and_says_so():
    verdicts = plan_catchup(HOURLY, hours_ago(50), NOW, catchup=Catchup.ALL, max_catchup=10)
    assert [v.moment for v in verdicts if v.starts] == [
        NOW.replace(second=0) - timedelta(hours=n) for n in range(9, -1, -1)
    ]
    missed = [v for v in verdicts if not v.starts]
    assert sum(v.count for v in missed) == 40
    assert "only the newest 10 moments are made up for" in missed[0].reason
    assert not any(v.starts for v in plan_catchup(HOURLY, hours_ago(50), NOW, catchup=Catchup.ALL, max_catchup=0))


def test_a_year_of_minutes_is_a_bounded_number_of_rows():
    minutely = cron("* * * * *", timezone="Europe/Berlin")
    first, *rest = plan_catchup(minutely, NOW - timedelta(days=365), NOW)
    assert first.outcome is Outcome.COALESCED
    assert first.moment == (NOW - timedelta(days=365)).replace(second=0) + timedelta(minutes=1)
    assert first.until == rest[0].moment - timedelta(minutes=1)
    assert first.count == MOST_COUNTED
    assert len(rest) == MOST_ROWS + 1
    assert [v.starts for v in rest] == [False] * MOST_ROWS + [True]


def test_a_short_range_is_counted_exactly():
    first, *rest = plan_catchup(HOURLY, hours_ago(500), NOW, catchup=Catchup.NONE)
    assert (first.count, len(rest)) == (400, MOST_ROWS)


@pytest.mark.parametrize(
    ("expression", "night", "moments"),
    [
        ("30 2 * * *", datetime(2026, 3, 29, tzinfo=UTC), ["01:00"]),
        ("30 2 * * *", datetime(2026, 10, 25, tzinfo=UTC), ["00:30"]),
        ("*/30 2 * * *", datetime(2026, 3, 29, tzinfo=UTC), []),
        ("*/30 2 * * *", datetime(2026, 10, 25, tzinfo=UTC), ["00:00", "00:30", "01:00", "01:30"]),
    ],
)
@pytest.mark.parametrize("catchup", list(Catchup))
def test_a_night_without_a_daemon_in_which_the_clocks_change(expression, night, moments, catchup):
    spec = cron(expression, timezone="Europe/Berlin")
    verdicts = plan_catchup(spec, night - timedelta(hours=2), night + timedelta(hours=12), catchup=catchup)
    assert [f"{verdict.moment:%H:%M}" for verdict in verdicts] == moments
    runs = {Catchup.ALL: len(moments), Catchup.LATEST: min(len(moments), 1), Catchup.NONE: 0}
    assert sum(verdict.starts for verdict in verdicts) == runs[catchup]


SPECS = (
    HOURLY,
    every(minutes=7, timezone="UTC"),
    every(days=1, timezone="Europe/Berlin"),
    cron("0-5 9 * * 1", timezone="UTC"),
    cron("*/15 2 * * *", timezone="America/New_York"),
    at(NOW - timedelta(hours=3)),
)


@settings(max_examples=60, deadline=None)
@given(
    spec=st.sampled_from(SPECS),
    down=st.timedeltas(timedelta(seconds=1), timedelta(days=40)),
    catchup=st.sampled_from(list(Catchup)),
    grace=st.none() | st.floats(0, 10 * 86400),
    most=st.integers(0, 300),
)
def test_every_moment_lies_in_exactly_one_verdict(spec, down, catchup, grace, most):
    verdicts = plan_catchup(spec, NOW - down, NOW, catchup=catchup, grace=grace, max_catchup=most)
    expected, after = [], NOW - down
    while (moment := spec.next_after(after)) is not None and moment <= NOW:
        after = moment.astimezone(UTC)
        expected.append(after)
    told = []
    for verdict in verdicts:
        inside = [m for m in expected if verdict.moment <= m <= (verdict.until or verdict.moment)]
        assert len(inside) == verdict.count
        told += inside
    assert told == expected
    assert all(verdict.reason for verdict in verdicts)
    assert sum(v.starts for v in verdicts) <= (max(most, 1) if catchup != Catchup.NONE else 0)
