"""A daemon gives way to one of another version while it has work to do, and back."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from chaos.upgrading.other_version import SOURCE, minor_release, patch_release, schema_of, version_of

WORK = """
import os
import time
from pathlib import Path
from tidemill import Flow, flow, task, every

@task
def before(end):
    return [end] * 3

@task
def wait(before):
    print("under way")
    while not Path("go").exists():
        time.sleep(0.02)
    if before[0]:
        os._exit(before[0])

@task(depends_on=[wait])
def after(before):
    return sum(before)

work = Flow("work", tasks=[after], overlap="allow")

@flow(schedule=every(seconds=1), overlap="allow", catchup="all")
def ticking():
    pass
"""


@pytest.fixture(scope="module")
def minor(tmp_path_factory):
    return minor_release(tmp_path_factory.mktemp("minor"))


@pytest.fixture(scope="module")
def patch(tmp_path_factory):
    return patch_release(tmp_path_factory.mktemp("patch"))


@pytest.fixture
def daemon(daemon):
    """With room for all runs that wait at the gate, and for those of the schedule beside them."""
    settings = daemon.folder / "tidemill.toml"
    settings.write_text("[dispatch]\nmax_runs = 40\n")
    daemon.environment["TIDEMILL_CONFIG"] = str(settings)
    return daemon


def rows(daemon, sql):
    with closing(sqlite3.connect(f"file:{daemon.state}/history.db?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def dump(daemon):
    """Return everything that the history holds."""
    with closing(sqlite3.connect(f"file:{daemon.state}/history.db?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def change_to(daemon, root, *, by="stop"):
    """Let a daemon of the version in *root* follow the one that serves."""
    if daemon.process is not None and daemon.process.poll() is None:
        daemon.kill() if by == "kill" else daemon.terminate()
    daemon.environment["PYTHONPATH"] = str(root)
    daemon.start()
    assert daemon.status()["version"] == version_of(root)


def start_runs(daemon, *ends):
    """Start runs that wait for the gate, and return their ids once all are under way."""
    runs = [daemon.cli("run", "work", "-p", f"end={end}").stdout.split()[-1] for end in ends]
    for run in runs:
        daemon.until(lambda run=run: "under way" in daemon.cli("logs", run).stdout, f"{run} is under way")
    return runs


def journal(daemon, run):
    return (daemon.state / "journals" / run[:2] / f"{run}.journal").read_text()


def shown(daemon, run):
    return daemon.json("show", run)


def until_over(daemon, runs):
    """Return what the history says of runs once all have ended."""

    def over():
        known = [shown(daemon, run) for run in runs]
        return None if any(run["finished_at"] is None for run in known) else known

    return daemon.until(over, f"{runs} are over")


def assert_complete(daemon):
    """Every run has an end, every journal is read to its end, and every moment has its row and one run."""
    daemon.cli("pause", "ticking")
    daemon.until(lambda: not daemon.status()["active_runs"] + daemon.status()["queued_runs"], "all runs have ended")
    assert daemon.terminate() == 0
    assert rows(daemon, "PRAGMA integrity_check") == [("ok",)]
    for uid, offset, finished in rows(daemon, "SELECT uid, journal_offset, finished_at FROM runs"):
        path = daemon.state / "journals" / uid[:2] / f"{uid}.journal"
        assert finished is not None, uid
        assert offset == (path.stat().st_size if path.exists() else 0), uid
    moments = [moment // 1_000_000 for (moment,) in rows(daemon, "SELECT moment FROM occurrences ORDER BY moment")]
    assert moments == list(range(moments[0], moments[-1] + 1))
    assert not rows(
        daemon, "SELECT 1 FROM runs WHERE scheduled_for IS NOT NULL GROUP BY scheduled_for HAVING count(*) > 1"
    )


def forkservers(daemon):
    """Return the source roots of the fork servers that live, by their pids."""
    found = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            pid, words = int(entry.name), (entry / "cmdline").read_bytes().decode().split("\0")
            if words[words.index("--socket") + 1].startswith(f"{daemon.state}/") and os.getsid(pid) == pid:
                found[pid] = words[words.index("--source-root") + 1]
    return found


def test_a_later_version_takes_over_what_lives_with_a_history_it_migrates(daemon, minor):
    daemon.drop("work.py", WORK)
    daemon.start()
    daemon.until_flow("work")
    ended, crashes, cancelled = start_runs(daemon, 0, 7, 0)
    (old_server,) = forkservers(daemon)

    change_to(daemon, minor, by="kill")

    assert daemon.status()["active_runs"] >= 3
    assert rows(daemon, "SELECT version_num FROM alembic_version") == [(schema_of(minor),)]
    assert str(minor) in forkservers(daemon).values()
    daemon.cli("cancel", cancelled)
    fresh = daemon.cli("run", "work", "-p", "end=0").stdout.split()[-1]
    (daemon.flows / "go").touch()
    known = until_over(daemon, [ended, crashes, cancelled, fresh])

    assert [run["state"] for run in known] == ["completed", "crashed", "cancelled", "completed"]
    assert "code 7" in known[1]["error"]
    for run in (known[0], known[3]):
        assert [(task["name"], task["state"]) for task in run["tasks"]] == [
            ("before", "completed"), ("wait", "completed"), ("after", "completed"),
        ]  # fmt: skip
    assert [run["attempt"] for run in known] == [1, 1, 1, 1]
    # What the later version counts it counts for runs of its own fork server, not for those of the earlier one.
    weights = dict(rows(daemon, "SELECT uid, weight FROM runs"))
    assert (weights[ended], weights[fresh]) == (None, 7)
    assert ("task_ended" in journal(daemon, ended), "task_done" in journal(daemon, fresh)) == (True, True)
    daemon.until(lambda: old_server not in forkservers(daemon), "the old fork server has left with its last run")
    assert_complete(daemon)


def test_an_older_version_refuses_a_newer_history_with_one_sentence_and_harms_nothing(daemon, minor):
    daemon.environment["PYTHONPATH"] = str(minor)
    daemon.drop("work.py", WORK)
    daemon.start()
    daemon.until_flow("work")
    (live,) = start_runs(daemon, 0)
    assert daemon.terminate() == 0
    assert "task_done" in journal(daemon, live)  # which the older one must not pass over: it would miss the task's end
    before = dump(daemon)

    daemon.environment["PYTHONPATH"] = str(SOURCE)
    daemon.start(wait=False)
    assert daemon.process.wait(30) == 5  # which the units do not answer with another try
    detached = daemon.cli("start", check=5)
    told = daemon.log.read_text()
    for sentence in (told, detached.stderr):
        assert f"was written by a newer tidemill (schema {schema_of(minor)}" in sentence
        assert "upgrade tidemill, or restore the backup made before the upgrade" in sentence
    assert "Traceback" not in told
    assert dump(daemon) == before
    assert "was written by a newer tidemill" in daemon.cli("show", live, check=1).stderr

    change_to(daemon, minor)
    assert daemon.status()["active_runs"] >= 1
    (daemon.flows / "go").touch()
    (known,) = until_over(daemon, [live])
    assert known["state"] == "completed"
    assert [task["state"] for task in known["tasks"]] == ["completed"] * 3
    assert_complete(daemon)


def test_versions_with_the_same_history_follow_each_other_in_both_directions(daemon, patch):
    daemon.drop("work.py", WORK)
    daemon.start()
    daemon.until_flow("work")
    runs = start_runs(daemon, 0, 7)
    for root, by in ((patch, "stop"), (SOURCE, "kill")):
        change_to(daemon, root, by=by)
        assert daemon.status()["active_runs"] >= len(runs)
        runs += start_runs(daemon, 0, 7)
    (daemon.flows / "go").touch()
    known = until_over(daemon, runs)

    assert [run["state"] for run in known] == ["completed", "crashed"] * 3
    assert all("code 7" in run["error"] for run in known[1::2]), [run["error"] for run in known]
    # What only the later version understands the earlier one passed over, and said so; in runs of the later one alone.
    notes = [[event["note"] for event in run["events"]] for run in known[::2]]
    said = ["an event of a later version was passed over: run_weighed" in of_run for of_run in notes]
    assert said == [False, True, False]
    assert_complete(daemon)


def test_the_program_of_one_version_commands_the_daemon_of_another(daemon, patch):
    daemon.drop("work.py", WORK)
    daemon.start()
    daemon.until_flow("work")
    (daemon.flows / "go").touch()
    daemon.environment["PYTHONPATH"] = str(patch)
    assert daemon.run("work", "-p", "end=0")["state"] == "completed"
    told = [
        finding["message"] for check in daemon.json("doctor", check=None)["checks"] for finding in check["findings"]
    ]
    assert any(f"this program is {version_of(patch)}; restart it" in message for message in told), told
    daemon.cli("pause", "ticking")
    daemon.cli("resume", "ticking")
    daemon.cli("restart")
    assert daemon.status()["version"] == version_of(patch)
    daemon.cli("stop")
    assert daemon.process.wait(10) == 0
