"""Moments that have passed, made up for by hand: every one once, whatever is killed meanwhile."""

import sqlite3
import time
from collections import Counter
from contextlib import closing

import pytest

DAILY = """
import time
from pathlib import Path
from tidemill import cron, current_run, flow
from tidemill.runtime import flow_run

@flow(schedule=cron("0 2 * * *", timezone="Europe/Berlin", parameters={"table": "orders"}))
def daily(table: str, full: bool = False):
    run = current_run()
    assert flow_run.scheduled_start_time == run.scheduled_for
    with open("effects", "a") as effects:
        print(run.trigger, run.scheduled_for.isoformat(), table, full, file=effects)
    while Path("hold").exists():
        time.sleep(0.02)
"""

TICKING = """
import time
from tidemill import every, flow

@flow(schedule=every(seconds=1), overlap="{overlap}")
def ticking():
    time.sleep(0.05)
"""


def effects(daemon):
    path = daemon.flows / "effects"
    return path.read_text().splitlines() if path.exists() else []


def rows(daemon, sql):
    with closing(sqlite3.connect(f"file:{daemon.state}/history.db?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def start(daemon, *, hold=False):
    daemon.drop("daily.py", DAILY)
    if hold:
        (daemon.flows / "hold").touch()
    daemon.start()
    daemon.until_flow("daily")


def until_over(daemon):
    daemon.until(lambda: not {"pending", "running"} & {run["state"] for run in daemon.json("runs")}, "all are over")


def test_each_moment_is_run_once_oldest_first_and_told_what_it_is_for(daemon):
    start(daemon)
    stretch = ("--from", "2026-03-27", "--to", "2026-03-31T02:00")
    planned = daemon.json("backfill", "daily", *stretch, "--dry-run")
    assert daemon.json("runs") == []

    done = daemon.json("backfill", "daily", *stretch, "-p", "full=true", "--wait")

    # On the 29th there is no two o'clock in Berlin; the 31st is the end of the stretch, and not in it.
    moments = [f"2026-03-{day}+00:00" for day in ("27T01:00:00", "28T01:00:00", "29T01:00:00", "30T00:00:00")]
    assert effects(daemon) == [f"backfill {moment} orders True" for moment in moments]
    assert [run["scheduled_for"] for run in done["runs"]] == [run["scheduled_for"] for run in planned["runs"]]
    assert {run["state"] for run in done["runs"]} == {"completed"}
    run = daemon.json("show", done["runs"][0]["id"])
    assert (run["trigger"], run["parameters"]) == ("backfill", {"table": "orders", "full": True})

    again = daemon.json("backfill", "daily", *stretch)
    assert (again["runs"], again["left_out"]["completed"]) == ([], 4)
    assert len(daemon.json("backfill", "daily", *stretch, "--again", "--limit", "2", "--wait")["runs"]) == 2
    assert len(effects(daemon)) == 6


def test_what_was_acknowledged_runs_once_though_everything_is_killed(daemon):
    start(daemon, hold=True)
    stretch = ("--from", "2026-05-01", "--to", "2026-05-11")
    told = [run["id"] for run in daemon.json("backfill", "daily", *stretch)["runs"]]
    assert len(told) == 10
    daemon.kill()
    daemon.start()

    assert daemon.json("backfill", "daily", *stretch)["left_out"]["under_way"] == 10
    (daemon.flows / "hold").unlink()
    for _ in range(2):
        time.sleep(0.1)
        daemon.kill()
        daemon.start()
    until_over(daemon)

    runs = daemon.json("runs", "--flow", "daily", "-n", "100")
    assert {run["id"] for run in runs} == set(told)
    assert {run["state"] for run in runs} == {"completed"}
    assert set(Counter(effects(daemon)).values()) == {1}
    assert effects(daemon) == sorted(effects(daemon))


def test_all_of_it_is_cancelled_in_one_command(daemon):
    start(daemon, hold=True)
    daemon.cli("backfill", "daily", "--from", "2026-05-01", "--to", "2026-05-31")
    daemon.until_run("daily", "pending")
    daemon.until(lambda: effects(daemon), "the oldest is under way")

    part = daemon.json("backfill", "daily", "--cancel", "--from", "2026-05-21")
    assert (part["cancelled"], part["cancelling"]) == (10, 0)
    rest = daemon.json("backfill", "daily", "--cancel")
    assert (rest["cancelled"], rest["cancelling"]) == (19, 1)
    daemon.kill()
    daemon.start()
    until_over(daemon)

    assert {run["state"] for run in daemon.json("runs", "-n", "100")} == {"cancelled"}
    assert len(effects(daemon)) == 1
    assert "no backfill of daily is under way" in daemon.cli("backfill", "daily", "--cancel").stdout


@pytest.mark.parametrize("overlap", ["skip", "cancel", "queue"])
def test_what_is_due_meanwhile_comes_first_and_nothing_of_it_is_skipped(daemon, overlap):
    daemon.drop("ticking.py", TICKING.format(overlap=overlap))
    daemon.start()
    daemon.until_flow("ticking")
    daemon.cli("backfill", "ticking", "--from", "5min ago", "--to", "30s ago")
    made = "SELECT COUNT(*) FROM runs s JOIN runs b ON b.id < s.id AND b.trigger = 'backfill'"
    overtaken = f"{made} WHERE s.trigger = 'schedule' AND (b.started_at > s.started_at OR b.state = 'pending')"
    started = f"{made} WHERE s.trigger = 'schedule' AND s.started_at IS NOT NULL"
    daemon.until(lambda: rows(daemon, started) > [(500,)], "two moments have come and were run")

    assert rows(daemon, overtaken) > [(400,)]
    assert not rows(daemon, "SELECT 1 FROM occurrences WHERE outcome = 'skipped'")
    daemon.until(
        lambda: rows(daemon, "SELECT 1 FROM runs WHERE trigger = 'backfill' AND state = 'completed'"),
        "and the past too",
    )
    assert "cancelled" not in {run["state"] for run in daemon.json("runs", "-n", "500")}


def test_a_missed_moment_keeps_its_row_and_names_the_run_that_made_up_for_it(daemon):
    daemon.drop("ticking.py", TICKING.replace("seconds=1)", 'seconds=2), catchup="none"').format(overlap="skip"))
    daemon.start()
    daemon.until(lambda: daemon.json("runs"), "it has run")
    daemon.kill()
    time.sleep(4)
    daemon.start()
    missed = daemon.until(
        lambda: rows(daemon, "SELECT moment, reason FROM occurrences WHERE outcome = 'missed'"), "a moment was missed"
    )
    daemon.cli("pause", "ticking")
    at = f"{missed[0][0] // 1_000_000}"
    begin = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(int(at)))
    end = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(int(at) + 1))

    refused = daemon.cli("backfill", "ticking", "--from", begin, "--to", end, check=6)
    assert "ticking is paused" in refused.stderr
    (run,) = daemon.json("backfill", "ticking", "--from", begin, "--to", end, "--force", "--wait")["runs"]

    why = daemon.json("why", "ticking", "--at", begin)
    assert (why["outcome"], why["run"]) == ("missed", run["id"])
    assert why["reason"] == f"{missed[0][1]}; a backfill made the run {run['id']} for it (completed)"
    assert rows(daemon, f"SELECT COUNT(*), MAX(outcome) FROM occurrences WHERE moment = {missed[0][0]}") == [
        (1, "missed")
    ]


def test_what_cannot_be_made_up_for_is_one_sentence(daemon):
    daemon.drop("hand.py", "from tidemill import flow\n\n@flow\ndef hand():\n    pass\n")
    daemon.drop("ticking.py", TICKING.format(overlap="skip").replace("seconds=1", "minutes=1"))
    daemon.start()
    daemon.until_flow("hand")
    daemon.until_flow("ticking")

    def refused(code, *arguments):
        return daemon.cli("backfill", *arguments, check=code).stderr

    assert "hand has no schedule" in refused(6, "hand", "--from", "1d ago")
    assert "1,441 runs" in refused(6, "ticking", "--from", "2026-05-01", "--to", "2026-05-02T00:01")
    assert "more than 20,000 moments" in refused(6, "ticking", "--from", "2026-01-01")
    assert "lies ahead" in refused(2, "ticking", "--from", "2026-01-01", "--to", "2099-01-01")
    assert "takes no parameters" in refused(2, "ticking", "--from", "1h ago", "-p", "x=1")
    assert daemon.json("runs", "--state", "pending") == []
    daemon.terminate()
    assert "not running" in refused(3, "ticking", "--from", "1h ago")
