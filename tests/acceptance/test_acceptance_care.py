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


def test_statistics_and_a_backup_of_a_busy_daemon_that_can_be_put_in_its_place(daemon):
    daemon.drop("quick.py", QUICK)
    daemon.start()
    daemon.until_flow("quick")
    daemon.run("quick")
    failed = daemon.run("quick", "-p", "fails=true", check=1)["id"]
    (record,) = daemon.json("stats", "quick", "--since", "1h")
    assert (record["runs"], record["completed"], record["failed"], record["success_rate"]) == (2, 1, 1, 0.5)
    assert 0 < record["duration"]["p50"] <= record["duration"]["p95"] < 30
    assert record["last_failure"]["id"] == failed
    assert "50.0 %" in daemon.cli("stats").stdout
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


# Storage faults


TICKS = """
    from tidemill import every, task

    @task
    def tick():
        print("tick")

    schedule = every(seconds=1)
"""


def lose(daemon, *ends: str) -> None:
    for end in ends or ("", "-wal", "-shm"):
        Path(f"{daemon.state}/history.db{end}").unlink(missing_ok=True)


def damage(daemon) -> None:
    """Overwrite every page but the first few, as a dying disk does."""
    path = daemon.state / "history.db"
    with path.open("r+b") as file:
        for page in range(3, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)


def test_a_history_that_is_deleted_under_the_daemon_is_there_again_with_everything(daemon):
    daemon.drop("quick.py", QUICK)
    daemon.drop("slow.py", SLOW)
    daemon.start()
    daemon.until_flow("quick")
    uids = run_some(daemon, 2)
    daemon.cli("pause", "other")
    daemon.cli("run", "slow")
    live = daemon.until_run("slow", "running")["id"]
    pid = daemon.status()["pid"]

    lose(daemon)
    another = daemon.run("quick")["id"]

    assert ids(daemon) == [another, *reversed(uids)]
    assert daemon.flow("other")["paused"] is True
    assert daemon.json("show", live)["state"] == "running"
    daemon.cli("cancel", live)
    daemon.until_run("slow", "cancelled")
    assert daemon.status()["pid"] == pid
    assert "was deleted or replaced while the daemon wrote it" in daemon.log.read_text()
    lose(daemon)
    daemon.until((daemon.state / "history.db").exists, "it is noticed within seconds with nothing to do")
    daemon.kill()
    daemon.start()
    assert ids(daemon) == [another, *reversed(uids)]


def test_a_history_that_was_deleted_while_nobody_served_is_made_again_from_the_journals(daemon):
    daemon.drop("quick.py", QUICK)
    daemon.drop("slow.py", SLOW)
    daemon.drop("ticks.py", TICKS)
    daemon.start()
    daemon.until(lambda: len(ids(daemon, "ticks") if daemon.flow("ticks") else ()) > 2, "some runs")
    done = daemon.run("quick", "-p", "fails=true", check=1)
    daemon.cli("run", "slow")
    live = daemon.until_run("slow", "running")["id"]
    before = {run["id"]: run for run in daemon.json("runs", "-n", "1000") if run["state"] == "completed"}
    daemon.kill()
    lose(daemon)

    daemon.start()

    after = {run["id"]: run for run in daemon.json("runs", "-n", "1000")}
    for uid, run in before.items():
        told = {**after[uid], "queued_at": run["queued_at"]}
        assert told == run
    again = daemon.json("show", done["id"])
    for field in ("state", "error", "parameters", "tasks", "version", "failure"):
        assert again[field] == done[field], field
    assert daemon.json("show", live)["state"] == "running"
    daemon.cli("cancel", live)
    daemon.until_run("slow", "cancelled")
    moments = [run["scheduled_for"] for run in daemon.json("runs", "--flow", "ticks", "-n", "1000")]
    assert len(moments) == len(set(moments)), "no moment ran twice"
    assert "was missing; it was made again from the journals" in daemon.log.read_text()


def test_a_history_that_is_damaged_under_the_daemon_is_mended_without_an_operator(daemon):
    daemon.drop("quick.py", QUICK)
    daemon.drop("slow.py", SLOW)
    daemon.start()
    daemon.until_flow("quick")
    uids = run_some(daemon, 3)
    daemon.terminate()
    daemon.start()
    daemon.cli("run", "slow")
    live = daemon.until_run("slow", "running")["id"]
    pid = daemon.status()["pid"]

    damage(daemon)
    daemon.cli("run", "quick", check=None)

    daemon.until(lambda: list(daemon.state.glob("history.db.damaged-*")), "the damaged file is set aside")
    daemon.until(lambda: daemon.status().get("running"), "it serves again")
    assert daemon.status()["pid"] == pid
    assert set(uids) <= set(ids(daemon))
    assert daemon.json("show", live)["state"] == "running"
    assert daemon.run("quick")["state"] == "completed"
    daemon.cli("cancel", live)
    daemon.until_run("slow", "cancelled")


def test_a_backup_that_is_put_back_gets_the_younger_runs_from_their_journals_and_nothing_runs_twice(daemon):
    daemon.drop("quick.py", QUICK)
    daemon.drop("ticks.py", TICKS)
    daemon.start()
    daemon.until_flow("quick")
    first = daemon.run("quick")["id"]
    daemon.cli("backup", str(daemon.folder / "copy.db"))
    second = daemon.run("quick")["id"]
    known = len(ids(daemon, "ticks"))
    daemon.until(lambda: len(ids(daemon, "ticks")) > known + 2, "some more moments")
    daemon.terminate()
    lose(daemon)
    (daemon.folder / "copy.db").rename(daemon.state / "history.db")

    daemon.start()

    assert ids(daemon) == [second, first]
    runs = daemon.json("runs", "--flow", "ticks", "-n", "1000")
    moments = [run["scheduled_for"] for run in runs]
    assert len(moments) == len(set(moments)) > known + 2
    assert "the history is older than the journals beside it" in daemon.log.read_text()

    daemon.json("prune", "--keep", "1")
    answer = daemon.json("why", "ticks", "--at", runs[-1]["scheduled_for"])
    assert answer["outcome"] in ("ran", "late")
    assert answer["run"] is None
    assert "its run was removed since" in answer["reason"]


# The doctor


def findings(daemon, *options: str, check: int) -> dict[str, list[str]]:
    """Return what the doctor finds wrong, by check."""
    document = daemon.json("doctor", *options, check=check)
    return {
        found["check"]: [told["message"] for told in found["findings"]]
        for found in document["checks"]
        if not found["ok"]
    }


def test_the_doctor_finds_nothing_wrong_with_a_daemon_at_work(daemon):
    daemon.drop("quick.py", QUICK)
    daemon.drop("slow.py", SLOW)
    daemon.start()
    daemon.until_flow("quick")
    run_some(daemon, 2)
    daemon.cli("run", "slow")
    live = daemon.until_run("slow", "running")["id"]

    assert findings(daemon, check=0) == {}
    assert "0 errors" in daemon.cli("doctor").stdout
    assert "stop it first" in daemon.cli("doctor", "--repair", check=6).stderr
    daemon.cli("cancel", live)
    daemon.until_run("slow", "cancelled")


def test_the_doctor_repairs_what_it_finds_and_the_daemon_goes_on_with_it(daemon):
    daemon.drop("quick.py", QUICK)
    daemon.start()
    daemon.until_flow("quick")
    uids = run_some(daemon, 3)
    daemon.terminate()
    damage(daemon)
    daemon.state.chmod(0o755)
    cut = next(daemon.state.glob(f"journals/*/{uids[2]}.journal"))
    with cut.open("ab") as journal:
        journal.write(b'["task_sta')

    wrong = findings(daemon, check=1)
    assert "chmod 700" in wrong["state directory"][0]
    assert "damaged" in wrong["history"][0]

    document = daemon.json("doctor", "--repair")

    assert document["errors"] == 0
    assert any("was damaged" in told for told in document["repaired"])
    assert any("owner's alone again" in told for told in document["repaired"])
    assert ids(daemon) == uids[::-1]
    assert daemon.json("result", uids[0], "count")["value"] == list(range(20_000))
    daemon.start()
    assert daemon.run("quick")["state"] == "completed"
    assert findings(daemon, check=0) == {}


def test_a_lost_history_is_repaired_without_a_daemon_and_local_runs_are_recorded(daemon):
    daemon.drop("quick.py", QUICK)
    daemon.start()
    daemon.until_flow("quick")
    uids = run_some(daemon, 2)
    daemon.terminate()
    local = daemon.cli("run", "flows/quick.py:quick").stderr.split()[-1]
    lose(daemon)

    assert "is missing" in findings(daemon, check=1)["history"][0]
    told = daemon.json("doctor", "--repair")["repaired"]

    assert "made again from the journals of 3 runs" in told[0]
    assert ids(daemon) == [local, *uids[::-1]]
    assert daemon.json("show", local)["state"] == "completed"
