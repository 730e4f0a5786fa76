"""``why``: one sentence for every way a moment can end, and for those that have not ended or never come."""

from datetime import UTC, datetime

import pytest

NIGHT = "2026-11-22T01:00:00.000000+00:00"
"""02:00 in Berlin."""
BEFORE = "2026-11-21T01:00:00.000000+00:00"
"""Up to here everything has been decided."""


@pytest.fixture
def nightly(add_flow, reader):
    reader.schedule_records.append(
        {"id": 1, "created_at": "2026-01-01T00:00:00.000000+00:00", "removed_at": None, "accounted_until": BEFORE}
    )
    return add_flow("nightly", ("cron", "0 2 * * *", "Europe/Berlin"))


@pytest.mark.parametrize(
    ("outcome", "run", "reason", "sentence"),
    [
        ("ran", "k3f0000000", "", "nightly ran at Sun 2026-11-22 02:00 CET (run k3f0000000)"),
        (
            "late",
            "k3f0000000",
            "the daemon was down until 03:00",
            "nightly ran late for Sun 2026-11-22 02:00 CET (run k3f0000000): the daemon was down until 03:00",
        ),
        (
            "coalesced",
            "k3f0000000",
            "it shares the run of 03:00",
            "nightly did not run for Sun 2026-11-22 02:00 CET by itself (run k3f0000000): it shares the run of 03:00",
        ),
        ("missed", None, "the daemon was down", "nightly missed Sun 2026-11-22 02:00 CET: the daemon was down"),
        (
            "skipped",
            None,
            "the previous run k3f was still going and overlap is skip",
            "nightly skipped Sun 2026-11-22 02:00 CET: the previous run k3f was still going and overlap is skip",
        ),
        ("paused", None, "the flow was paused", "nightly did not run at Sun 2026-11-22 02:00 CET: the flow was paused"),
        ("broken", None, "its file is broken", "nightly could not run at Sun 2026-11-22 02:00 CET: its file is broken"),
    ],
)
def test_every_outcome_of_the_ledger_is_a_sentence(tidemill, nightly, reader, moment, outcome, run, reason, sentence):
    reader.moments.append(moment(NIGHT, outcome, run=run, reason=reason))

    assert tidemill("why", "nightly", "--at", "02:00").out == f"{sentence}\n"
    assert tidemill("why", "nightly", "--at", "02:00", "--json").document == {
        "flow": "nightly",
        "at": NIGHT,
        "outcome": outcome,
        "run": run,
        "reason": reason,
    }


def test_times_are_read_on_the_schedules_clock(tidemill, nightly, reader, moment):
    reader.moments.append(moment(NIGHT, "ran", run="k3f0000000"))

    for text in ("02:00", "today 02:00", "2026-11-22T02:00", "2026-11-22T01:00Z", "7h ago"):
        assert "ran at Sun 2026-11-22 02:00 CET" in tidemill("why", "nightly", "--at", text).out


def test_the_latest_moment_is_told_with_the_next(tidemill, nightly, reader, moment):
    reader.moments += [moment("2026-11-21T01:00:00.000000+00:00", "missed"), moment(NIGHT, "ran", run="k3f0000000")]

    assert tidemill("why", "nightly").out == (
        "nightly ran at Sun 2026-11-22 02:00 CET (run k3f0000000); next at Mon 2026-11-23 02:00 CET\n"
    )


def test_a_row_that_stands_for_many_moments_answers_for_the_last(tidemill, nightly, reader, moment):
    reader.moments.append(
        moment("2026-11-01T01:00:00.000000+00:00", "missed", until=NIGHT, count=22, reason="the daemon was down")
    )

    assert "missed Sun 2026-11-22 02:00 CET: the daemon was down" in tidemill("why", "nightly").out


def test_a_moment_after_the_daemons_end_is_judged_when_it_starts(tidemill, nightly):
    for arguments in (("why", "nightly"), ("why", "nightly", "--at", "02:00")):
        ended = tidemill(*arguments)
        assert ended.code == 0
        assert "the daemon is not running; the moment will be judged when it starts" in ended.out


def test_a_moment_that_the_daemon_is_deciding_about_is_not_called_missed(tidemill, nightly, daemon):
    daemon.answers = {"ping": {"pid": 1}}

    assert "is deciding about it right now" in tidemill("why", "nightly", "--at", "02:00").out


def test_a_moment_before_the_schedule_was_known_did_not_run(tidemill, nightly, reader):
    reader.schedule_records[0]["created_at"] = "2026-11-22T05:00:00.000000+00:00"

    ended = tidemill("why", "nightly", "--at", "02:00")

    assert "its schedule is known only since Sun 2026-11-22 06:00 CET" in ended.out
    assert "is due at Mon 2026-11-23 02:00 CET" in tidemill("why", "nightly").out


def test_a_moment_that_passed_while_the_schedule_was_away_is_not_called_undecided(tidemill, nightly, daemon):
    daemon.answers = {"ping": {"pid": 1}}

    ended = tidemill("why", "nightly", "--at", "2026-11-20T02:00")

    assert "nightly did not run at Fri 2026-11-20 02:00 CET: its schedule was away then" in ended.out


def test_a_run_that_waits_in_a_row_has_not_run_yet(tidemill, nightly, reader, moment, add_run):
    reader.moments.append(moment(NIGHT, "late", run="k3f0000000", reason="the daemon was not running"))
    for number in range(3):
        add_run(f"k{number + 3}f0000000", state="pending", started_at=None, finished_at=None, duration=None)

    assert tidemill("why", "nightly", "--at", "02:00").out == (
        "nightly was to run late for Sun 2026-11-22 02:00 CET (run k3f0000000): the daemon was not running;"
        " its run waits, as 3 of its flow do\n"
    )


def test_a_moment_ahead_is_upcoming(tidemill, nightly, daemon):
    daemon.answers = {"ping": {"pid": 1}}
    ended = tidemill("why", "nightly", "--at", "tomorrow 02:00", "--json")

    assert ended.document["outcome"] == "upcoming"
    assert ended.document["at"] == "2026-11-23T01:00:00.000000+00:00"
    assert "will run at Mon 2026-11-23 02:00 CET" in tidemill("why", "nightly", "--at", "tomorrow 02:00").out


def test_a_moment_ahead_is_no_promise_while_no_daemon_runs(tidemill, nightly):
    assert tidemill("why", "nightly", "--at", "tomorrow 02:00").out == (
        "nightly is due at Mon 2026-11-23 02:00 CET: the moment comes in 17 h; "
        "the daemon is not running, start it with: tidemill start\n"
    )


def test_a_moment_ahead_of_a_broken_file_runs_its_last_good_version(tidemill, nightly, daemon):
    daemon.answers = {"ping": {"pid": 1}}
    nightly["error"] = "nightly.py:3: SyntaxError: invalid syntax"

    ended = tidemill("why", "nightly", "--at", "tomorrow 02:00")

    assert "its last good version runs, for its file is broken now (nightly.py:3: SyntaxError" in ended.out


def test_a_file_that_was_never_good_is_why_its_flow_does_not_run(tidemill, add_flow):
    add_flow(None, file="bad.py", error="bad.py:9: SyntaxError: invalid syntax")

    assert tidemill("why", "bad").out == (
        "bad cannot run: its file is broken and no good version of it is known: bad.py:9: SyntaxError: invalid syntax\n"
    )
    assert tidemill("why", "bad.py", "--json").document["outcome"] == "broken"


def test_a_walls_time_may_be_that_of_any_schedule(tidemill, add_flow, reader, moment):
    add_flow("two", ("cron", "30 2 * * *", "America/New_York"), ("cron", "0 8 * * *", "Europe/Berlin"))
    reader.moments.append(moment("2026-11-22T07:00:00.000000+00:00", "ran", run="k3f0000000"))

    assert "ran at Sun 2026-11-22 08:00 CET" in tidemill("why", "two", "--at", "08:00").out
    assert "Mon 2026-11-23 02:30 EST" in tidemill("why", "two", "--at", "tomorrow 02:30").out
    assert "was not due at Sun 2026-11-22 01:00 EST" in tidemill("why", "two", "--at", "01:00").out


def test_a_moment_ahead_of_a_paused_flow_will_not_run(tidemill, nightly):
    nightly["paused"] = True

    assert (
        "will not run at Mon 2026-11-23 02:00 CET: it is paused"
        in tidemill("why", "nightly", "--at", "tomorrow 02:00").out
    )


def test_a_time_that_is_no_moment_names_its_neighbours(tidemill, nightly):
    ended = tidemill("why", "nightly", "--at", "03:00")

    assert ended.out.startswith("nightly was not due at Sun 2026-11-22 03:00 CET: no schedule of the flow has")
    assert "2026-11-22 02:00 CET" in ended.out
    assert "2026-11-23 02:00 CET" in ended.out


def test_a_time_that_did_not_exist_is_explained(tidemill, add_flow, invocation, reader, moment):
    invocation.now = lambda: datetime(2026, 4, 1, tzinfo=UTC)
    add_flow("gap", ("cron", "30 2 * * *", "Europe/Berlin"))

    add_flow("other", ("cron", "0 5 * * *", "Europe/Berlin"))
    reader.moments.append(moment("2026-03-29T01:00:00.000000+00:00", "ran", run="k3f0000000"))

    ended = tidemill("why", "gap", "--at", "2026-03-29T02:30")
    assert ended.out.startswith("gap ran at Sun 2026-03-29 03:00 CEST (run k3f0000000): 2026-03-29 02:30 did not exist")

    reader.moments.clear()
    ended = tidemill("why", "gap", "--at", "2026-03-29T02:30")
    assert "its schedule is not on record" in ended.out
    assert "2026-03-29 02:30 did not exist in Europe/Berlin" in ended.out

    ended = tidemill("why", "other", "--at", "2026-03-29T02:30")
    assert ended.out.startswith("other was not due: 2026-03-29 02:30 did not exist in Europe/Berlin")


def test_a_flow_without_a_schedule_says_how_it_is_run(tidemill, add_flow):
    add_flow("by_hand")

    ended = tidemill("why", "by_hand")

    assert ended.out == (
        "by_hand is never due: it has no schedule, so it never runs by itself; run it with: tidemill run by_hand\n"
    )
    assert "tidemill run by_hand" in tidemill("why", "by_hand", "--at", "02:00").out
    assert tidemill("why", "by_hand", "--json").document["outcome"] == "not_due"


def test_a_single_moment_that_has_passed_has_no_next(tidemill, add_flow, reader, moment):
    add_flow("once", ("at", "2026-11-22T01:00:00+00:00", None))
    reader.moments.append(moment(NIGHT, "ran", run="k3f0000000"))

    assert tidemill("why", "once").out == "once ran at Sun 2026-11-22 01:00 UTC (run k3f0000000)\n"


def test_a_flow_that_does_not_exist_is_told_with_the_nearest(tidemill, nightly):
    ended = tidemill("why", "nigthly")

    assert ended.code == 4
    assert "did you mean nightly?" in ended.err


def test_a_time_that_means_nothing_is_refused(tidemill, nightly):
    ended = tidemill("why", "nightly", "--at", "noonish")

    assert ended.code == 2
    assert "'yesterday 02:00'" in ended.err


def test_both_times_of_a_repeated_hour_are_told_apart(tidemill, add_flow, invocation, reader, moment):
    invocation.now = lambda: datetime(2026, 10, 26, tzinfo=UTC)
    add_flow("often", ("cron", "*/30 * * * *", "Europe/Berlin"))
    reader.moments += [
        moment("2026-10-25T00:30:00.000000+00:00", "ran", run="k3f0000000"),
        moment("2026-10-25T01:30:00.000000+00:00", "skipped", reason="the other was still going"),
    ]

    assert "ran at Sun 2026-10-25 02:30 CEST" in tidemill("why", "often", "--at", "2026-10-25T00:30Z").out
    assert "skipped Sun 2026-10-25 02:30 CET" in tidemill("why", "often", "--at", "2026-10-25T01:30Z").out
