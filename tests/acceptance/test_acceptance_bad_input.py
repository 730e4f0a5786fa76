"""Everything that must not hurt: each case one clear sentence in the right place, the daemon alive, nothing lost."""

import sqlite3

import pytest

GOOD = """
    from tidemill import Flow, task

    @task
    def work():
        return 1

    flow = Flow("good", tasks=[work])
"""


def errors_of(daemon, name):
    return daemon.until(
        lambda: [error for error in daemon.status()["errors"] if error["file"].endswith(name)], f"{name} is broken"
    )


def assert_alive(daemon):
    """The daemon still does its job."""
    daemon.drop("good.py", GOOD)
    daemon.until_flow("good")
    assert daemon.run("good")["state"] == "completed"
    assert daemon.process.poll() is None


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("broken.py", "from tidemill import task\n\ndef broken(:\n", 3, "syntax"),
        ("raises.py", "x = 1\nraise RuntimeError('at import')\n", 2, "at import"),
        ("exits.py", "import sys\nsys.exit(3)\n", 2, "exit"),
        ("vanishes.py", "import os\nos._exit(3)\n", None, "3"),
        ("segfaults.py", "import ctypes\nctypes.string_at(0)\n", None, "SIGSEGV"),
        ("nul.py", "x = 1\n\0\n", None, "NUL"),
        ("cron.py", "from tidemill import cron\n\nschedule = cron('61 * * * *')\n", 3, "61"),
        (
            "cycle.py",
            "from tidemill import Flow, task\n\n@task(depends_on=['b'])\ndef a(): ...\n\n"
            "@task(depends_on=['a'])\ndef b(): ...\n\nflow = Flow('cycle', tasks=[a, b])\n",
            None,
            "circle",
        ),
        (
            "unknown.py",
            "from tidemill import Flow, task\n\n@task(depends_on=['extrat'])\ndef load(): ...\n\n"
            "@task\ndef extract(): ...\n\nflow = Flow('unknown', tasks=[load, extract])\n",
            None,
            "extrat",
        ),
        (
            "twice.py",
            "from tidemill import Flow, task\n\n@task\ndef a(): ...\n\n"
            "one = Flow('same', tasks=[a])\ntwo = Flow('same', tasks=[a])\n",
            7,
            "same",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_shown_with_its_line_and_breaks_nothing(daemon, name, text, line, words):
    daemon.start()
    path = daemon.flows / name
    path.write_text(text)

    error = errors_of(daemon, name)[0]

    assert words.lower() in error["message"].lower()
    if line is not None:
        assert error["line"] == line
    checked = daemon.cli("check", str(path), check=1)
    assert words.lower() in (checked.stdout + checked.stderr).lower()
    assert_alive(daemon)


def test_an_endless_import_is_ended_and_told(daemon):
    (daemon.folder / "tidemill.toml").write_text("[catalog]\ninspect_timeout = 1.0\n")
    daemon.start("--config", str(daemon.folder / "tidemill.toml"))
    daemon.drop("endless.py", "while True:\n    pass\n")

    assert "1 s" in errors_of(daemon, "endless.py")[0]["message"]
    assert_alive(daemon)


def test_an_empty_file_is_no_error(daemon):
    daemon.start()
    (daemon.flows / "empty.py").touch()

    assert_alive(daemon)
    assert daemon.status()["errors"] == []


def test_a_huge_file_is_refused(daemon):
    daemon.start()
    (daemon.flows / "huge.py").write_text("x = 1\n" * 400_000)

    assert "MiB" in errors_of(daemon, "huge.py")[0]["message"]
    assert_alive(daemon)


def test_a_file_that_forks_at_import_leaves_nobody_behind(daemon):
    daemon.start()
    daemon.drop(
        "forks.py", "import os, time\nif os.fork() == 0:\n    time.sleep(456)\n" + "from tidemill import task\n"
    )

    assert_alive(daemon)


def test_two_files_with_one_flow_name_the_first_keeps_it(daemon):
    daemon.drop("good.py", GOOD)
    daemon.start()
    daemon.until_flow("good")
    daemon.drop("again.py", GOOD)

    error = errors_of(daemon, "again.py")[0]

    assert "good.py" in error["message"]
    assert daemon.run("good")["state"] == "completed"


def test_a_broken_edit_keeps_the_last_good_version_running(daemon):
    daemon.drop("good.py", GOOD)
    daemon.start()
    daemon.until_flow("good")
    (daemon.flows / "good.py").write_text("def broken(:\n")

    error = errors_of(daemon, "good.py")[0]
    assert error["line"] == 1
    assert daemon.run("good")["state"] == "completed"
    assert daemon.flow("good")["error"]

    daemon.kill()
    daemon.start()
    assert daemon.run("good")["state"] == "completed"
    daemon.drop("good.py", GOOD)
    daemon.until(lambda: daemon.status()["errors"] == [], "the error is gone")


def test_a_changed_helper_module_reloads_the_flow_that_imports_it(daemon):
    daemon.drop("_rates.py", "RATE = 1\n")
    daemon.drop(
        "rated.py",
        """
        from _rates import RATE
        from tidemill import Flow, task

        @task
        def rate():
            return RATE

        flow = Flow("rated", tasks=[rate])
        """,
    )
    daemon.start()
    first = daemon.run("rated")
    daemon.drop("_rates.py", "RATE = 2\n")

    def again():
        run = daemon.run("rated")
        return run if daemon.json("result", run["id"], "rate")["value"] == 2 else None

    second = daemon.until(again, "the new rate is used")
    assert second["version"] != first["version"]


def test_a_deleted_flow_is_unscheduled_and_its_live_run_finishes(daemon):
    path = daemon.drop(
        "leaving.py",
        """
        import time
        from pathlib import Path
        from tidemill import Flow, task

        @task
        def wait():
            while not Path("go").exists():
                time.sleep(0.05)

        flow = Flow("leaving", tasks=[wait])
        """,
    )
    daemon.start()
    run = daemon.cli("run", "leaving").stdout.split()[-1]
    daemon.until_run("leaving", "running")

    path.unlink()
    daemon.until(lambda: daemon.flow("leaving") is None, "the flow is gone")
    (daemon.flows / "go").touch()

    daemon.until(lambda: daemon.json("show", run)["state"] == "completed", "the live run is completed")
    daemon.cli("run", "leaving", check=4)


TROUBLE = """
    import os, signal, subprocess, sys, ctypes, threading
    from tidemill import Flow, task

    @task
    def segfault():
        ctypes.string_at(0)

    @task
    def killed():
        os.kill(os.getpid(), signal.SIGKILL)

    @task
    def exits():
        sys.exit(3)

    @task
    def vanishes():
        os._exit(3)

    @task
    def noisy():
        os.write(1, b"\\xff\\xfe not UTF-8\\n")
        sys.stdout.buffer.write(b"\\xff raw\\n")
        print("after")

    @task
    def million():
        for number in range(1_000_000):
            print(number)

    @task
    def unpicklable():
        return threading.Lock()

    @task
    def leaves_children():
        subprocess.Popen(["sleep", "567"], start_new_session=True)
        subprocess.Popen(["sleep", "567"])

    flows = [
        Flow(t.name, tasks=[t])
        for t in (segfault, killed, exits, vanishes, noisy, million, unpicklable, leaves_children)
    ]
"""


@pytest.mark.parametrize(
    ("flow", "state", "words"),
    [
        ("segfault", "crashed", "SIGSEGV"),
        ("killed", "crashed", "SIGKILL"),
        ("exits", "failed", "SystemExit"),
        ("vanishes", "crashed", "code 3"),
    ],
)
def test_a_task_that_ends_its_process_is_told_exactly(daemon, flow, state, words):
    daemon.drop("trouble.py", TROUBLE)
    daemon.start()

    run = daemon.run(flow, check=1)

    assert run["state"] == state
    assert words in run["error"]
    assert_alive(daemon)


def test_output_that_is_no_text_is_kept_readable(daemon):
    daemon.drop("trouble.py", TROUBLE)
    daemon.start()

    run = daemon.run("noisy")

    assert run["state"] == "completed"
    log = daemon.cli("logs", run["id"]).stdout
    assert "not UTF-8" in log
    assert "after" in log


def test_a_million_lines_end_up_in_the_log_and_nowhere_else(daemon):
    daemon.drop("trouble.py", TROUBLE)
    daemon.start()

    run = daemon.run("million")

    assert run["state"] == "completed"
    assert "999999" in daemon.cli("logs", run["id"]).stdout[-2000:]
    assert_alive(daemon)


def test_a_result_that_cannot_be_kept_is_noted_and_the_run_completes(daemon):
    daemon.drop("trouble.py", TROUBLE)
    daemon.start()

    run = daemon.run("unpicklable")

    assert run["state"] == "completed"
    assert "lock" in run["tasks"][0]["result"]["preview"]
    assert any("lock" in (event["note"] or "") or "kept" in (event["note"] or "") for event in run["events"])


def test_children_that_outlive_their_run_are_ended(daemon):
    daemon.drop("trouble.py", TROUBLE)
    daemon.start()

    assert daemon.run("leaves_children")["state"] == "completed"

    daemon.until(lambda: not _sleeping(567), "the left children are gone")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "name"),
        (("-p", "nmae=Alice"), "did you mean name"),
        (("-p", "name=Alice", "-p", "times=often"), "times"),
    ],
)
def test_wrong_parameters_are_refused_by_name(daemon, options, words):
    daemon.drop(
        "greeter.py",
        """
        from tidemill import flow

        @flow
        def greeter(name: str, times: int = 1):
            return name * times
        """,
    )
    daemon.start()
    daemon.until_flow("greeter")

    refused = daemon.cli("run", "greeter", *options, check=2)

    assert words in refused.stderr
    assert daemon.run("greeter", "-p", "name=Alice")["state"] == "completed"


def test_a_state_directory_that_cannot_be_made_is_refused(daemon):
    blocked = daemon.folder / "file"
    blocked.touch()
    daemon.environment["TIDEMILL_STATE_DIR"] = str(blocked / "state")

    refused = daemon.cli("daemon", check=5)

    assert str(blocked) in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_a_locked_history_loses_nothing(daemon):
    daemon.drop("good.py", GOOD)
    daemon.start()
    daemon.until_flow("good")
    run = daemon.cli("run", "good").stdout.split()[-1]
    daemon.until_run("good", "completed")

    other = sqlite3.connect(daemon.state / "history.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    daemon.drop("more.py", GOOD.replace("good", "more"))
    daemon.until(lambda: "locked" in (daemon.status().get("problem") or ""), "the lock is told")
    other.execute("ROLLBACK")
    other.close()

    daemon.until_flow("more")
    assert daemon.run("more")["state"] == "completed"
    assert daemon.json("show", run)["state"] == "completed"


def test_a_setting_that_does_not_exist_is_refused_with_the_nearest(daemon):
    config = daemon.folder / "tidemill.toml"
    config.write_text("[dispatch]\nmax_rns = 3\n")

    refused = daemon.cli("--config", str(config), "daemon", check=5)

    assert "max_runs" in refused.stderr
    assert "tidemill.toml:2" in refused.stderr


def test_commands_say_that_the_daemon_is_down_and_reading_goes_on(daemon):
    daemon.drop("good.py", GOOD)
    daemon.start()
    daemon.run("good")
    daemon.terminate()

    refused = daemon.cli("run", "good", check=3)

    assert "tidemill start" in refused.stderr
    assert [run["state"] for run in daemon.json("runs")] == ["completed"]
    assert daemon.status()["running"] is False
    assert daemon.json("why", "good")["outcome"] == "not_due"


def test_unknown_names_are_answered_with_the_nearest(daemon):
    daemon.drop("good.py", GOOD)
    daemon.start()
    daemon.until_flow("good")

    assert "good" in daemon.cli("run", "goof", check=4).stderr
    assert "0000000000" in daemon.cli("show", "0000000000", check=4).stderr


def _sleeping(seconds: int) -> bool:
    from pathlib import Path

    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cmdline").read_bytes() == f"sleep\0{seconds}\0".encode():
                    return True
            except OSError:
                continue
    return False
