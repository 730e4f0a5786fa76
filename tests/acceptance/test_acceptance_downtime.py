"""Days without a daemon: what was due meanwhile is made up for as the flow says, and nothing else happens."""

import sqlite3
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

DAY = 86_400_000_000
FLOW = """
import time
from pathlib import Path
from tidemill import current_run, every, flow

@flow(schedule=every(hours=6), catchup={catchup!r}, overlap="queue", max_active_runs=2)
def late():
    with Path("effects").open("a") as file:
        print("begin", current_run().scheduled_for, file=file, flush=True)
    while {is_gated} and not Path("go").exists():
        time.sleep(0.02)
    time.sleep(0.2 if {is_gated} else 0)  # some are left for the next daemon, however fast the machine is
    with Path("effects").open("a") as file:
        print("end", current_run().scheduled_for, file=file, flush=True)
"""


def sql(daemon, statement, *arguments):
    with closing(sqlite3.connect(daemon.state / "history.db", timeout=30)) as connection, connection:
        return connection.execute(statement, arguments).fetchall()


def live_before(daemon, days):
    """Let the daemon have lived once, *days* ago."""
    daemon.start()
    daemon.until_flow("late")
    daemon.terminate()
    back = days * DAY
    sql(daemon, "UPDATE schedules SET cursor = cursor - ?, created_at = created_at - ?", back, back)


def outcomes(daemon):
    return Counter(dict(sql(daemon, "SELECT outcome, SUM(count) FROM occurrences GROUP BY outcome")))


def effects(daemon):
    path = daemon.flows / "effects"
    return [line.split(" ", 1) for line in path.read_text().splitlines()] if path.exists() else []


def states(daemon):
    return [state for (state,) in sql(daemon, "SELECT DISTINCT state FROM runs")]


def most_at_once(told):
    live = most = 0
    for word, _ in told:
        live += 1 if word == "begin" else -1
        most = max(most, live)
    return most


def test_ten_days_are_made_up_for_two_at_a_time_whatever_is_killed_meanwhile(daemon):
    daemon.drop("late.py", FLOW.format(catchup="all", is_gated=True))
    live_before(daemon, 10)
    daemon.start()

    daemon.until(lambda: len(effects(daemon)) == 2, "two of them run")
    assert daemon.status()["queued_runs"] in (38, 39)
    waiting = daemon.json("runs", "--flow", "late", "--state", "pending", "-n", "100")
    assert len(waiting) in (38, 39)
    why = daemon.cli("why", "late", "--at", waiting[0]["scheduled_for"]).stdout
    assert "was to run late for" in why
    assert "the daemon was not running at its moment; made up for" in why
    assert f"its run waits, as {len(waiting)} of its flow do" in why
    daemon.kill()
    (daemon.flows / "go").touch()
    daemon.start()
    for _ in range(2):
        seen = len(effects(daemon))
        daemon.until(lambda seen=seen: len(effects(daemon)) > seen + 3, "more of them run")
        daemon.kill()
        daemon.start()
    daemon.until(lambda: {"pending", "running"}.isdisjoint(states(daemon)), "all are made up for")

    assert set(outcomes(daemon)) == {"late"}
    assert outcomes(daemon)["late"] in (40, 41)
    assert set(states(daemon)) == {"completed"}
    began = Counter(moment for word, moment in effects(daemon) if word == "begin")
    assert len(began) == outcomes(daemon)["late"]
    assert set(began.values()) == {1}
    assert most_at_once(effects(daemon)) == 2


def test_who_does_not_want_them_gives_up_all_that_wait_at_once(daemon):
    daemon.drop("late.py", FLOW.format(catchup="all", is_gated=True))
    live_before(daemon, 10)
    daemon.start()
    daemon.until(lambda: len(effects(daemon)) == 2, "two of them run")

    told = daemon.cli("cancel", "--waiting", "late").stdout

    assert told.startswith("late: 3")
    assert "waiting runs cancelled" in told
    assert daemon.status()["queued_runs"] == 0
    (daemon.flows / "go").touch()
    daemon.until(lambda: {"pending", "running"}.isdisjoint(states(daemon)), "the two end")
    assert set(states(daemon)) == {"cancelled", "completed"}
    assert len(effects(daemon)) == 4


@pytest.mark.parametrize(("catchup", "made"), [("latest", 1), ("none", 0)])
def test_other_flows_make_up_for_one_or_for_none(daemon, catchup, made):
    daemon.drop("late.py", FLOW.format(catchup=catchup, is_gated=False))
    live_before(daemon, 10)
    daemon.start()

    found = daemon.until(lambda: outcomes(daemon), "the moments are judged")

    assert found["late"] == made
    assert found["coalesced" if made else "missed"] in (39, 40, 41)


def test_moments_of_a_schedule_that_was_changed_meanwhile_are_not_left_in_silence(daemon):
    daemon.drop("late.py", FLOW.format(catchup="all", is_gated=False))
    live_before(daemon, 10)
    daemon.drop("late.py", FLOW.format(catchup="all", is_gated=False).replace("hours=6", "hours=5"))
    begun = time.time()
    daemon.start()

    ((count, outcome, until),) = sql(daemon, "SELECT count, outcome, until FROM occurrences")
    assert (count in (40, 41), outcome) == (True, "missed")
    assert begun - until / 1e6 < 6 * 3600 + 60
    at = datetime.fromtimestamp(until / 1e6, UTC) - timedelta(days=1)
    why = daemon.cli("why", "late", "--at", at.isoformat()).stdout
    assert "no run had been made for it when its schedule was changed or taken away, as the daemon saw at" in why


def test_a_flow_that_left_meanwhile_leaves_its_moments_with_a_reason(daemon):
    path = daemon.drop("late.py", FLOW.format(catchup="all", is_gated=False))
    live_before(daemon, 10)
    path.unlink()
    daemon.start()

    ((count, outcome),) = sql(daemon, "SELECT count, outcome FROM occurrences")
    assert (count in (40, 41), outcome) == (True, "missed")
    assert sql(daemon, "SELECT COUNT(*) FROM runs") == [(0,)]


def test_a_ledger_of_a_clock_that_was_far_ahead_is_set_right_at_the_start(daemon):
    daemon.drop("late.py", FLOW.format(catchup="none", is_gated=False))
    live_before(daemon, -10)
    ahead = sql(daemon, "SELECT id, cursor FROM schedules")[0]
    first = (time.time_ns() // 1000 // (DAY // 4) + 1) * (DAY // 4)
    row = (ahead[0], first, first + 8 * DAY, ahead[1])
    sql(
        daemon,
        "INSERT INTO occurrences (schedule_id, moment, outcome, until, count, decided_at, reason)"
        " VALUES (?, ?, 'missed', ?, 33, ?, 'the clock was set forward')",
        *row,
    )

    daemon.start()

    assert sql(daemon, "SELECT COUNT(*) FROM occurrences") == [(0,)]
    assert sql(daemon, "SELECT cursor FROM schedules")[0][0] < time.time_ns() // 1000
    assert "33 moments that had been decided about without a run are due again" in daemon.log.read_text()
    assert "will run at" in daemon.cli("why", "late").stdout
