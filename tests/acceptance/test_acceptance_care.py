"""Looking after the state directory with a real daemon: pruning, backups, statistics."""

import sqlite3
from contextlib import closing
from pathlib import Path

QUICK = """
    from tidemill import Flow, task

    @task
    def count(fails: bool = False):
        print("counted")
        if fails:
            raise ValueError("no")
        return list(range(20_000))

    quick = Flow("quick", tasks=[count])
    other = Flow("other", tasks=[count])
"""

SLOW = """
    import time
    from tidemill import Flow, task

    @task
    def wait():
        time.sleep(60)

    slow = Flow("slow", tasks=[wait])
"""


def settings(daemon, **values) -> None:
    """Give the daemon a configuration file with a section for retention."""
    path = daemon.folder / "tidemill.toml"
    path.write_text("[retention]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()))
    daemon.environment["TIDEMILL_CONFIG"] = str(path)


def files_of(daemon, uid: str) -> list[Path]:
    return [path for path in daemon.state.rglob("*") if uid in path.name or uid in path.parent.name]


def ids(daemon, flow: str = "quick") -> list[str]:
    return [run["id"] for run in daemon.json("runs", "--flow", flow, "-n", "100")]


def run_some(daemon, number: int, flow: str = "quick") -> list[str]:
    return [daemon.run(flow)["id"] for _ in range(number)]


def test_pruning_beside_a_live_run_takes_what_has_ended_and_nothing_else(daemon):
    daemon.drop("quick.py", QUICK)
    daemon.drop("slow.py", SLOW)
    daemon.start()
    daemon.until_flow("quick")
    first, second, third = run_some(daemon, 3)
    daemon.cli("run", "slow")
    live = daemon.until_run("slow", "running")["id"]

    foreseen = daemon.json("prune", "--keep", "1", "--dry-run")
    assert (foreseen["runs"], ids(daemon)) == (2, [third, second, first])
    report = daemon.json("prune", "--keep", "1")

    assert (report["runs"], report["dry_run"]) == (2, False)
    assert ids(daemon) == [third]
    assert files_of(daemon, first) == files_of(daemon, second) == []
    assert files_of(daemon, third)
    assert daemon.json("result", third, "count")["value"] == list(range(20_000))
    assert daemon.json("show", live)["state"] == "running"
    assert files_of(daemon, live)
    daemon.cli("cancel", live)
    daemon.until_run("slow", "cancelled")


def test_the_daemon_prunes_by_itself_and_takes_changed_settings_at_a_reload(daemon):
    settings(daemon, keep_runs=2, interval=0.2)
    daemon.drop("quick.py", QUICK)
    daemon.start()
    daemon.until_flow("quick")
    uids = run_some(daemon, 4)
    daemon.until(lambda: ids(daemon) == uids[:1:-1], "the two newest runs are left")
    daemon.until(lambda: not files_of(daemon, uids[0]), "the files are gone too")

    settings(daemon, keep_runs=1, interval=0.2)
    daemon.cli("reload")

    daemon.until(lambda: ids(daemon) == uids[3:], "the newest run is left")


def test_without_a_daemon_the_command_prunes_by_itself(daemon):
    daemon.drop("quick.py", QUICK)
    daemon.start()
    daemon.until_flow("quick")
    uids = run_some(daemon, 3)
    daemon.terminate()

    report = daemon.json("prune", "--older-than", "0s")

    assert report["runs"] == 2
    assert ids(daemon) == uids[2:]
    assert files_of(daemon, uids[0]) == []
    compacted = daemon.json("prune", "--compact")
    assert compacted["notes"] == []
    daemon.start()
    assert daemon.run("quick")["state"] == "completed"


def test_a_daemon_that_is_killed_while_it_prunes_leaves_nothing_behind_for_ever(daemon):
    daemon.drop("quick.py", QUICK)
    daemon.start()
    daemon.until_flow("quick")
    uids = run_some(daemon, 3)
    daemon.kill()
    with closing(sqlite3.connect(daemon.state / "history.db")) as history, history:
        # As if it had been killed between the row and the files.
        history.execute("PRAGMA foreign_keys = ON")
        history.execute("INSERT INTO removals (uid, run_id) SELECT uid, id FROM runs WHERE uid = ?", (uids[0],))
        history.execute("DELETE FROM runs WHERE uid = ?", (uids[0],))
        # And once more between the task runs and the row.
        history.execute("INSERT INTO removals (uid, run_id) SELECT uid, id FROM runs WHERE uid = ?", (uids[1],))
    assert files_of(daemon, uids[0])

    settings(daemon, interval=0.2)
    daemon.start()

    daemon.until(lambda: not files_of(daemon, uids[0]) and not files_of(daemon, uids[1]), "the rest is removed")
    assert ids(daemon) == uids[2:]


def test_why_still_tells_of_a_moment_whose_run_is_gone(daemon):
    daemon.drop(
        "ticks.py",
        """
        from tidemill import every, task

        @task
        def tick():
            pass

        schedule = every(seconds=1)
        """,
    )
    daemon.start()
    daemon.until(lambda: len(ids(daemon, "ticks") if daemon.flow("ticks") else ()) > 2, "some runs")
    at = daemon.json("runs", "--flow", "ticks", "-n", "10")[-1]["scheduled_for"]
    daemon.json("prune", "--keep", "1")

    answer = daemon.json("why", "ticks", "--at", at)

    assert answer["outcome"] in ("ran", "late")
    assert answer["run"] is None
    assert "was removed" in answer["reason"]


def test_a_backup_of_a_busy_daemon_is_whole_and_can_be_put_in_its_place(daemon):
    daemon.drop("quick.py", QUICK)
    daemon.start()
    daemon.until_flow("quick")
    run_some(daemon, 2)
    daemon.cli("pause", "other")

    made = daemon.json("backup", str(daemon.folder / "copy.db"))

    assert made["runs"] == 2
    assert (daemon.folder / "copy.db").stat().st_mode & 0o777 == 0o600
    assert "exists already" in daemon.cli("backup", str(daemon.folder / "copy.db"), check=6).stderr
    daemon.terminate()
    for end in ("", "-wal", "-shm"):
        Path(f"{daemon.state}/history.db{end}").unlink(missing_ok=True)
    (daemon.folder / "copy.db").rename(daemon.state / "history.db")
    daemon.start()
    assert len(ids(daemon)) == 2
    assert daemon.flow("other")["paused"] is True


def test_statistics_tell_of_successes_and_failures(daemon):
    daemon.drop("quick.py", QUICK)
    daemon.start()
    daemon.until_flow("quick")
    run_some(daemon, 3)
    failed = daemon.run("quick", "-p", "fails=true", check=1)["id"]

    (record,) = daemon.json("stats", "quick", "--since", "1h")

    assert (record["runs"], record["completed"], record["failed"]) == (4, 3, 1)
    assert record["success_rate"] == 0.75
    assert 0 < record["duration"]["p50"] <= record["duration"]["p95"] < 30
    assert record["last_failure"]["id"] == failed
    assert "75.0 %" in daemon.cli("stats").stdout
