"""``backfill``: the stretch that is meant, and what a person is told."""

from datetime import UTC, datetime

import pytest

from tidemill.domain.times import to_micros

NOON = to_micros(datetime(2026, 11, 20, 1, tzinfo=UTC))
DAY = 86_400_000_000
DAILY = "cron 0 2 * * * (Europe/Berlin)"


def answer(*uids, left_out=None, at_once=1):
    runs = [[uid, NOON + number * DAY, 0] for number, uid in enumerate(uids)]
    return {"flow": "nightly", "schedules": [DAILY], "runs": runs, "left_out": left_out or {}, "at_once": at_once}


@pytest.fixture
def nightly(add_flow, daemon):
    daemon.answers = {"backfill": answer("aaa0000000", "aab0000000", left_out={"completed": 3, "under_way": 1})}
    return add_flow("nightly", ("cron", "0 2 * * *", "Europe/Berlin"))


def test_the_stretch_is_read_on_the_clock_of_the_schedule(tidemill, daemon, nightly):
    tidemill("backfill", "nightly", "--from", "2026-11-20", "--to", "2026-11-22T02:00", "-p", "full=true", "--again")

    (verb, asked), *_ = daemon.asked
    assert verb == "backfill"
    assert (asked["low"], asked["high"]) == (
        to_micros(datetime(2026, 11, 19, 23, tzinfo=UTC)),
        to_micros(datetime(2026, 11, 22, 1, tzinfo=UTC)),
    )
    assert (asked["parameters"], asked["again"], asked["plan"], asked["sure"]) == ({"full": True}, True, False, False)
    assert "limit" not in asked


def test_without_an_end_it_is_now(tidemill, daemon, nightly):
    tidemill("backfill", "nightly", "--from", "2d ago", "--limit", "5", "--yes", "--force")

    asked = daemon.asked[0][1]
    assert asked["high"] == to_micros(datetime(2026, 11, 22, 8, tzinfo=UTC)) == asked["low"] + 2 * DAY
    assert (asked["limit"], asked["sure"], asked["force"]) == (5, True, True)


def test_what_is_made_and_what_is_left_out_is_one_sentence(tidemill, nightly):
    assert tidemill("backfill", "nightly", "--from", "2026-11-20").out == (
        "2 runs of nightly are made for Fri 2026-11-20 02:00:00 CET to Sat 2026-11-21 02:00:00 CET, 1 at a time;"
        " of the other moments 3 completed already (--again runs them too), 1 have a run that waits or is going\n"
    )


def test_nothing_to_make_is_said_and_no_failure(tidemill, daemon, nightly):
    daemon.answers = {"backfill": answer()}
    ended = tidemill("backfill", "nightly", "--from", "2026-11-20", "--wait")
    assert (ended.code, ended.err) == (0, "nothing to backfill for nightly: it has no moments there\n")


def test_a_dry_run_lists_the_moments(tidemill, daemon, nightly):
    daemon.answers = {"backfill": answer(None, None)}

    ended = tidemill("backfill", "nightly", "--from", "2026-11-20", "--dry-run")

    assert daemon.asked[0][1]["plan"] is True
    assert "Fri 2026-11-20 02:00:00 CET  2026-11-20 01:00:00Z  cron 0 2 * * * (Europe/Berlin)" in ended.out
    assert ended.out.splitlines()[-1].startswith("2 runs of nightly would be made for")


def test_json_names_the_stretch_the_runs_and_what_is_left_out(tidemill, nightly):
    document = tidemill("backfill", "nightly", "--from", "2026-11-20", "--to", "2026-11-22", "--json").document

    assert document["from"] == "2026-11-19T23:00:00.000000+00:00"
    assert document["runs"][0] == {
        "id": "aaa0000000",
        "scheduled_for": "2026-11-20T01:00:00.000000+00:00",
        "schedule": DAILY,
    }
    assert document["left_out"] == {"completed": 3, "removed": 0, "under_way": 1, "undecided": 0, "beyond_limit": 0}


@pytest.mark.parametrize(("state", "code"), [("completed", 0), ("failed", 1)])
def test_waiting_ends_with_the_worst_of_them(tidemill, nightly, add_run, state, code):
    add_run("aaa0000000", state="completed")
    add_run("aab0000000", state=state, scheduled_for="2026-11-21T01:00:00+00:00", error=None)

    ended = tidemill("backfill", "nightly", "--from", "2026-11-20", "--wait")

    assert ended.code == code
    assert ended.out.splitlines()[-1].startswith("2 runs of nightly: ")
    assert (f"aab0000000 {state} for" in ended.out.replace("✗ ", "")) == (code == 1)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "say where to begin"),
        (("--from", "2026-11-20", "--to", "2026-11-20"), "--from 2026-11-20 does not come before --to 2026-11-20"),
        (("--from", "2026-11-20", "--to", "tomorrow"), "--to tomorrow lies ahead"),
        (("--cancel", "--again"), "--cancel ends runs"),
        (("--from", "never"), "is no moment"),
    ],
)
def test_what_cannot_be_meant_is_a_mistake_of_usage(tidemill, daemon, nightly, arguments, told):
    ended = tidemill("backfill", "nightly", *arguments)
    assert ended.code == 2
    assert told in ended.err
    assert daemon.asked == []


def test_an_unknown_flow_is_not_found(tidemill, nightly):
    ended = tidemill("backfill", "nightl", "--from", "1d ago")
    assert ended.code == 4
    assert "nightly" in ended.err


@pytest.mark.parametrize(
    ("cancelled", "cancelling", "told"),
    [
        (2, 1, "cancelled 2 runs that waited, and asked 1 to stop\n"),
        (0, 0, "no backfill of nightly is under way\n"),
    ],
)
def test_all_of_it_is_cancelled_at_once(tidemill, daemon, nightly, cancelled, cancelling, told):
    daemon.answers = {"backfill": {"flow": "nightly", "cancelled": cancelled, "cancelling": cancelling}}
    assert tidemill("backfill", "nightly", "--cancel").out == told
    assert daemon.asked == [("backfill", {"flow": "nightly", "cancel": True})]


def test_why_names_the_run_that_made_up_for_a_moment(tidemill, reader, nightly):
    reader.moments = [
        {
            "at": "2026-11-20T01:00:00+00:00",
            "outcome": "missed",
            "reason": "the daemon was not running",
            "run": None,
            "until": None,
        }
    ]
    reader.backfills["2026-11-20T01:00:00+00:00"] = {"id": "aaa0000000", "state": "completed"}

    document = tidemill("why", "nightly", "--at", "2026-11-20T02:00", "--json").document

    assert (document["outcome"], document["run"]) == ("missed", "aaa0000000")
    assert document["reason"] == ("the daemon was not running; a backfill made the run aaa0000000 for it (completed)")
    assert tidemill("why", "nightly", "--at", "2026-11-20T02:00").out.startswith("nightly missed Fri 2026-11-20 02:00")
