"""A run that an earlier daemon started counts like any other: for overlap, for catching up, and for ``why``."""

import sqlite3
import time
from contextlib import closing

import pytest

STAYING = """
import time
from pathlib import Path
from tidemill import every, flow

@flow(schedule=every(seconds=1), overlap="{overlap}", {more})
def {name}():
    with open("{name}.effects", "a") as effects:
        effects.write("begin\\n")
    while not Path("go").exists():
        time.sleep(0.02)
    with open("{name}.effects", "a") as effects:
        effects.write("end\\n")
"""

FLOWS = {
    "skips": ("skip", 'catchup="latest"'),
    "queues": ("queue", 'catchup="all"'),
    "cancels": ("cancel", 'catchup="latest"'),
    "two": ("allow", 'catchup="all", max_active_runs=2'),
    "none": ("skip", 'catchup="none"'),
}


@pytest.fixture
def adopted(daemon):
    """A daemon that has taken up one live run of each flow, some seconds after the one before was killed."""
    daemon.start()
    for name, (overlap, more) in FLOWS.items():
        daemon.drop(f"{name}.py", STAYING.format(name=name, overlap=overlap, more=more))
    runs = {name: daemon.until(lambda name=name: live(daemon, name), f"a run of {name} lives")[0] for name in FLOWS}
    daemon.kill()
    time.sleep(3.2)
    daemon.start()
    return daemon, runs


def live(daemon, flow):
    """Return the runs of *flow* that are running, the oldest first."""
    if not (daemon.flows / f"{flow}.effects").exists():
        return []
    with closing(sqlite3.connect(f"file:{daemon.state}/history.db?mode=ro", uri=True)) as connection:
        found = connection.execute(
            "SELECT r.uid FROM runs r JOIN flows f ON f.id = r.flow_id WHERE f.name = ? AND r.state = 'running'"
            " ORDER BY r.id",
            (flow,),
        )
        return [uid for (uid,) in found]


def ledger(daemon, flow):
    """Return what became of each moment of *flow*, the oldest first, with the run and the reason."""
    with closing(sqlite3.connect(f"file:{daemon.state}/history.db?mode=ro", uri=True)) as connection:
        return connection.execute(
            "SELECT o.outcome, r.uid, o.reason FROM occurrences o JOIN schedules s ON s.id = o.schedule_id"
            " JOIN flows f ON f.id = s.flow_id LEFT JOIN runs r ON r.id = o.run_id WHERE f.name = ? ORDER BY o.moment",
            (flow,),
        ).fetchall()


def most_at_once(daemon, flow):
    now = most = 0
    for line in (daemon.flows / f"{flow}.effects").read_text().split():
        now += 1 if line == "begin" else -1
        most = max(most, now)
    return most


def test_policies_count_the_runs_of_the_daemon_before(adopted):
    daemon, runs = adopted
    time.sleep(2.5)

    skipped = ledger(daemon, "skips")
    assert [run for _, run, _ in skipped if run] == [runs["skips"]]
    reasons = [reason for outcome, _, reason in skipped if outcome == "skipped"]
    assert len(reasons) >= 2
    assert reasons[-1] == f"the previous run {runs['skips']} was still going and overlap is skip"
    assert any(outcome == "coalesced" for outcome, _, _ in skipped)
    assert runs["skips"] in daemon.cli("why", "skips").stdout
    assert runs["skips"] in daemon.json("why", "skips")["reason"]

    missed = ledger(daemon, "none")
    assert [run for _, run, _ in missed if run] == [runs["none"]]
    assert any(outcome == "missed" and "not running" in reason for outcome, _, reason in missed)

    assert live(daemon, "queues") == [runs["queues"]]
    waiting = daemon.json("runs", "--flow", "queues", "--state", "pending")
    assert len(waiting) >= 3  # those of the time without a daemon, and those that came due since

    assert len(live(daemon, "two")) == 2
    assert runs["two"] in live(daemon, "two")

    assert daemon.json("show", runs["cancels"])["state"] == "cancelled"
    daemon.until(lambda: live(daemon, "cancels"), "another took its place")

    for name in FLOWS:
        daemon.cli("pause", name)
    (daemon.flows / "go").touch()
    daemon.until(lambda: not daemon.status()["active_runs"] + daemon.status()["queued_runs"], "all is over")
    for name in FLOWS:
        assert {run["state"] for run in daemon.json("runs", "--flow", name)} <= {"completed", "cancelled"}
        assert daemon.json("show", runs[name])["state"] == ("cancelled" if name == "cancels" else "completed")
    assert (most_at_once(daemon, "skips"), most_at_once(daemon, "queues"), most_at_once(daemon, "two")) == (1, 1, 2)
