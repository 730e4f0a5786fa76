"""The main job, end to end: dropped, scheduled, run, retried, remembered."""

import sys
from pathlib import Path

EVERY_SECOND = """
    from tidemill import Flow, task, every

    @task
    def tick():
        print("tick")

    ticking = Flow("ticking", tasks=[tick], schedule=every(seconds=1))
"""


def test_a_dropped_file_is_picked_up_scheduled_run_and_remembered(daemon):
    daemon.start()
    daemon.drop("ticking.py", EVERY_SECOND)

    run = daemon.until_run("ticking", "completed")

    assert run["trigger"] == "schedule"
    assert run["scheduled_for"] is not None
    shown = daemon.json("show", run["id"])
    assert [(task["name"], task["state"]) for task in shown["tasks"]] == [("tick", "completed")]
    assert "tick" in daemon.cli("logs", run["id"]).stdout
    assert daemon.json("next", "ticking", "-n", "2")[0]["flow"] == "ticking"


def test_every_moment_is_explained(daemon):
    daemon.drop("ticking.py", EVERY_SECOND)
    daemon.start()
    run = daemon.until_run("ticking", "completed")

    why = daemon.json("why", "ticking", "--at", run["scheduled_for"])

    assert why["outcome"] in ("ran", "late")
    assert why["run"] == run["id"]
    assert why["reason"]


def test_an_unreliable_task_is_retried_and_every_attempt_is_remembered(daemon):
    daemon.drop(
        "shaky.py",
        """
        from pathlib import Path
        from tidemill import Flow, task

        @task(retry_kwargs={"max_retries": 3})
        def shaky():
            tries = Path("tries")
            count = int(tries.read_text()) + 1 if tries.exists() else 1
            tries.write_text(str(count))
            if count < 3:
                raise ConnectionError(f"try {count} failed")
            return count

        flow = Flow("shaky", tasks=[shaky])
        """,
    )
    daemon.start()

    run = daemon.run("shaky")

    assert run["state"] == "completed"
    assert run["tasks"][0]["attempts"] == 3
    assert daemon.json("result", run["id"], "shaky")["value"] == 3


def test_a_failed_run_is_retried_from_the_failed_task(daemon):
    daemon.drop(
        "half.py",
        """
        from pathlib import Path
        from tidemill import Flow, task

        @task
        def first():
            with open("effects", "a") as file:
                file.write("first\\n")
            return 41

        @task(depends_on=[first])
        def second(first):
            if not Path("mended").exists():
                raise RuntimeError("not mended yet")
            return first + 1

        flow = Flow("half", tasks=[second])
        """,
    )
    daemon.start()
    failed = daemon.run("half", check=1)
    assert failed["state"] == "failed"
    (daemon.flows / "mended").touch()

    daemon.cli("retry", failed["id"], "--wait")

    again = daemon.json("show", "half@last")
    assert again["state"] == "completed"
    assert again["parent"] == failed["id"]
    assert again["attempt"] == 2
    assert daemon.json("result", again["id"], "second")["value"] == 42
    assert (daemon.flows / "effects").read_text() == "first\n"


def test_a_paused_flow_does_not_run_and_says_so(daemon):
    daemon.start()
    daemon.drop("ticking.py", EVERY_SECOND)
    daemon.until_run("ticking", "completed")

    daemon.cli("pause", "ticking")
    paused_at = daemon.until(
        lambda: next((o for o in [daemon.json("why", "ticking")] if o["outcome"] == "paused"), None),
        "a moment is recorded as paused",
    )["at"]
    daemon.cli("resume", "ticking")
    daemon.until(lambda: daemon.json("why", "ticking")["outcome"] in ("ran", "late"), "it runs again")

    assert daemon.json("why", "ticking", "--at", paused_at)["outcome"] == "paused"


def test_a_running_flow_is_cancelled_with_everything_it_started(daemon):
    daemon.drop(
        "sleeper.py",
        """
        import subprocess
        from tidemill import Flow, task

        @task
        def sleep():
            subprocess.run(["sleep", "345"])

        flow = Flow("sleeper", tasks=[sleep])
        """,
    )
    daemon.start()
    daemon.cli("run", "sleeper")
    run = daemon.until_run("sleeper", "running")
    daemon.until(lambda: _children_sleeping(345), "the child sleeps")

    daemon.cli("cancel", run["id"])

    assert daemon.until_run("sleeper", "cancelled")["id"] == run["id"]
    daemon.until(lambda: not _children_sleeping(345), "the child is gone")


def test_runs_live_through_a_killed_daemon_and_end_with_the_right_verdict(daemon):
    daemon.drop(
        "long.py",
        """
        import time
        from pathlib import Path
        from tidemill import Flow, task

        @task
        def wait():
            while not Path("go").exists():
                time.sleep(0.05)
            return "done"

        @task
        def die():
            while not Path("go").exists():
                time.sleep(0.05)
            import os
            os._exit(7)

        good = Flow("good", tasks=[wait])
        bad = Flow("bad", tasks=[die])
        slow = Flow("slow", tasks=[wait.bind()])
        """,
    )
    daemon.start()
    runs = {}
    for flow in ("good", "bad"):
        runs[flow] = daemon.cli("run", flow).stdout.split()[-1]
        daemon.until_run(flow, "running")

    daemon.kill()
    (daemon.flows / "go").touch()
    daemon.start()

    assert daemon.until_run("good", "completed")["id"] == runs["good"]
    crashed = daemon.until_run("bad", "crashed")
    assert crashed["id"] == runs["bad"]
    assert "code 7" in crashed["error"]
    assert len(daemon.json("runs", "--flow", "good")) == 1


def test_a_queued_run_survives_a_killed_daemon(daemon):
    daemon.drop(
        "line.py",
        """
        import time
        from pathlib import Path
        from tidemill import Flow, task

        @task
        def wait():
            while not Path("go").exists():
                time.sleep(0.05)

        flow = Flow("line", tasks=[wait])
        """,
    )
    daemon.start()
    first = daemon.cli("run", "line").stdout.split()[-1]
    daemon.until_run("line", "running")
    second = daemon.cli("run", "line").stdout.split()[-1]
    assert daemon.json("show", second)["state"] == "pending"

    daemon.kill()
    daemon.start()
    (daemon.flows / "go").touch()

    for run in (first, second):
        daemon.until(lambda run=run: daemon.json("show", run)["state"] == "completed", f"{run} is completed")


def test_a_file_runs_in_the_terminal_and_is_recorded_with_and_without_a_daemon(daemon):
    path = daemon.folder / "elsewhere.py"
    path.write_text("from tidemill import task\n\n@task\ndef hello():\n    print('hello from here')\n")

    done = daemon.cli("run", str(path))
    assert "hello from here" in done.stdout + done.stderr
    daemon.start()
    daemon.cli("run", str(path))

    runs = daemon.json("runs", "--flow", "elsewhere")
    assert [run["state"] for run in runs] == ["completed", "completed"]


def test_a_second_daemon_is_refused_by_the_firsts_pid(daemon):
    daemon.start()

    refused = daemon.cli("daemon", check=6)

    assert str(daemon.process.pid) in refused.stderr


def test_the_daemon_goes_into_the_background_and_comes_back(daemon):
    daemon.drop("ticking.py", EVERY_SECOND)

    daemon.cli("start")
    assert daemon.status()["running"]
    daemon.cli("start", check=6)
    daemon.cli("restart")
    assert daemon.status()["running"]
    daemon.until_run("ticking", "completed")
    daemon.cli("stop")

    assert not daemon.status()["running"]
    assert daemon.cli("status", check=3)


def test_a_graceful_stop_leaves_nothing_but_the_state(daemon):
    daemon.start()

    assert daemon.terminate() == 0

    assert not (daemon.state / "control.sock").exists()
    assert not (daemon.state / "daemon.pid").exists()
    daemon.until(lambda: not _processes_of(daemon.state), "the fork server has left")


def test_no_user_code_is_in_the_daemon(daemon):
    daemon.drop("ticking.py", EVERY_SECOND)
    daemon.start()
    daemon.until_run("ticking", "completed")

    maps = Path(f"/proc/{daemon.process.pid}/maps").read_text()
    opened = [str(link.readlink()) for link in Path(f"/proc/{daemon.process.pid}/fd").iterdir() if link.exists()]

    assert sys.executable
    assert "ticking" not in maps
    assert not any("ticking.py" in name for name in opened)


def _children_sleeping(seconds: int) -> bool:
    return any(entry.name.isdigit() and _command(entry) == ["sleep", str(seconds)] for entry in Path("/proc").iterdir())


def _processes_of(state: Path) -> list[str]:
    return [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit() and str(state) in _command(entry)]


def _command(entry: Path) -> list[str]:
    try:
        return (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []
