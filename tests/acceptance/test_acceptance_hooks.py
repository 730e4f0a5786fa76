"""Hooks for the ends that no run process lives to tell: the daemon has them called, once, whatever it goes through."""

import os
import signal
import time

import pytest

DYING = """
    import os, signal, sys, time
    from pathlib import Path
    from tidemill import flow, task, get_run_logger

    def told(flow, flow_run, state):
        print("the hook prints")
        get_run_logger().warning("the hook logs")
        {slow}
        with open("told", "a") as file:
            file.write(" ".join(map(str, (
                flow.name, flow_run.id, flow_run.name, flow_run.parameters, flow_run.run_count,
                state.type.value, state.name, state.is_crashed(), state.message.split(" (")[0], os.getpid(),
            ))) + "\\n")

    @task
    def die(how):
        Path("alive").touch()
        if how == "signal": os.kill(os.getpid(), signal.SIGKILL)
        if how == "exit": os._exit(3)
        while how == "wait": time.sleep(0.01)

    @flow(on_crashed=[told], flow_run_name="dying-{{how}}")
    def dying(how: str):
        die(how)
"""


def told(daemon):
    path = daemon.flows / "told"
    return path.read_text().splitlines() if path.exists() else []


def notes(daemon, uid):
    return [event["note"] for event in daemon.json("show", uid)["events"] if event["state"] is None]


def until_noted(daemon, uid, text):
    return daemon.until(lambda: [note for note in notes(daemon, uid) if text in note], f"{uid} is noted: {text}")


def crash(daemon, how="signal"):
    daemon.cli("run", "dying", "-p", f"how={how}", "--wait", check=1)
    return daemon.json("runs", "--flow", "dying", "-n", "1")[0]["id"]


def test_a_crashed_run_has_its_hooks_called_with_flow_run_and_state(daemon):
    daemon.drop("dying.py", DYING.format(slow=""))
    daemon.start().until_flow("dying")

    killed = crash(daemon)
    until_noted(daemon, killed, "the on_crashed hooks were called, in a process of their own")
    gone = crash(daemon, "exit")
    until_noted(daemon, gone, "the on_crashed hooks were called")

    first, second = [line.rpartition(" ")[0] for line in told(daemon)]
    assert first == (
        f"dying {killed} dying-signal {{'how': 'signal'}} 1 crashed Crashed True"
        " Crashed: the run process was killed by signal 9"
    )
    assert second == (
        f"dying {gone} dying-exit {{'how': 'exit'}} 1 crashed Crashed True"
        " Crashed: the run process exited with code 3 before the flow came to its end"
    )
    log = daemon.cli("logs", killed).stdout
    assert "the hook prints" in log
    assert "the hook logs" in log
    assert daemon.json("show", killed)["state"] == "crashed"


def test_they_are_called_once_though_the_daemon_is_killed_in_between(daemon):
    gate = daemon.folder / "go"
    daemon.drop("dying.py", DYING.format(slow=f"while not Path({str(gate)!r}).exists(): time.sleep(0.01)"))
    daemon.start().until_flow("dying")
    daemon.cli("run", "dying", "-p", "how=wait")
    daemon.until((daemon.flows / "alive").exists, "the task runs")
    (run,) = daemon.json("runs", "--flow", "dying")

    # The run dies while no daemon is there; the next one is killed while the hook runs, and the one after it too.
    pid = _pid_of(daemon, run["id"])
    daemon.kill()
    os.kill(pid, signal.SIGKILL)
    for _ in range(2):
        daemon.start()
        daemon.until(lambda: _hooks_journal(daemon, run["id"]), "a process was made for the hooks")
        daemon.kill()
    daemon.start()
    gate.touch()

    until_noted(daemon, run["id"], "the on_crashed hooks were called")
    daemon.until(lambda: not _hooks_journal(daemon, run["id"]), "nothing is owed any more")
    daemon.terminate()
    daemon.start()
    assert len(told(daemon)) == 1
    assert len(notes(daemon, run["id"])) == 1


def test_a_hook_that_fails_hangs_or_dies_is_noted_and_never_tried_again(daemon):
    daemon.drop(
        "dying.py",
        DYING.format(slow="{'signal': lambda: 1 / 0, 'exit': lambda: os._exit(5)}[state_of(flow_run)]()").replace(
            "def told", "def state_of(flow_run): return flow_run.parameters['how']\n\n    def told", 1
        ),
    )
    daemon.start().until_flow("dying")

    failing, dying = crash(daemon), crash(daemon, "exit")

    until_noted(daemon, failing, "the on_crashed hook told failed: ZeroDivisionError: division by zero")
    until_noted(daemon, dying, "the on_crashed hooks did not come to their end: their process died (exit code 5)")
    assert "1 / 0" in daemon.cli("logs", failing).stdout
    assert told(daemon) == []
    for uid in (failing, dying):
        assert daemon.json("show", uid)["state"] == "crashed"
        assert len(notes(daemon, uid)) == 1


def test_the_version_that_ran_is_the_one_whose_hooks_are_called(daemon):
    daemon.drop("dying.py", DYING.format(slow=""))
    daemon.start().until_flow("dying")
    version = daemon.json("show", "dying")["version"]
    daemon.cli("run", "dying", "-p", "how=wait")
    daemon.until((daemon.flows / "alive").exists, "the task runs")
    (run,) = daemon.json("runs", "--flow", "dying")

    daemon.drop("dying.py", "from tidemill import flow\n\n@flow\ndef dying(how: str = ''): ...\n")
    daemon.until(lambda: daemon.json("show", "dying")["version"] != version, "the file is known anew")
    os.kill(_pid_of(daemon, run["id"]), signal.SIGKILL)

    until_noted(daemon, run["id"], "the on_crashed hooks were called")
    assert len(told(daemon)) == 1


def test_a_flow_without_such_hooks_is_owed_nothing_and_other_ends_call_none(daemon):
    daemon.drop("dying.py", DYING.format(slow="").replace("on_crashed=[told], ", ""))
    daemon.drop("failing.py", DYING.format(slow="").replace("    die(how)", "    1 / 0").replace("dying", "failing"))
    daemon.start().until_flow("dying")
    daemon.until_flow("failing")

    uid = crash(daemon)
    daemon.cli("run", "failing", "-p", "how=", "--wait", check=1)
    daemon.terminate()
    daemon.start()

    assert told(daemon) == []
    assert notes(daemon, uid) == []


STUBBORN = """
    import os, signal, time
    from pathlib import Path
    from tidemill import flow

    def cleaned_up(flow, flow_run, state):
        with open("told", "a") as file:
            file.write(f"{state.kind.value} {state.name} {flow_run.name}\\n")

    @flow(on_cancellation=[cleaned_up], on_failure=[cleaned_up], timeout=TIMEOUT)
    def stubborn():
        Path("alive").touch()
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass
"""


@pytest.mark.parametrize(("end", "timeout"), [("cancelled Cancelled", "None"), ("timed_out TimedOut", "0.5")])
def test_a_run_that_had_to_be_killed_has_its_hooks_called_too(daemon, end, timeout):
    (daemon.folder / "tidemill.toml").write_text("[dispatch]\ncancel_grace = 1\n")
    daemon.environment["TIDEMILL_CONFIG"] = str(daemon.folder / "tidemill.toml")
    daemon.drop("stubborn.py", STUBBORN.replace("TIMEOUT", timeout))
    daemon.start().until_flow("stubborn")
    daemon.cli("run", "stubborn")
    daemon.until((daemon.flows / "alive").exists, "the flow runs")
    (run,) = daemon.json("runs", "--flow", "stubborn")

    if timeout == "None":
        daemon.cli("cancel", run["id"])

    kind = "on_cancellation" if timeout == "None" else "on_failure"
    until_noted(daemon, run["id"], f"the {kind} hooks were called, in a process of their own")
    assert told(daemon) == [f"{end} {run['id']}"]


def test_a_run_that_lets_itself_be_cancelled_calls_its_hooks_itself(daemon):
    text = STUBBORN.replace("TIMEOUT", "None").replace("except BaseException:", "finally:")
    daemon.drop("stubborn.py", text)
    daemon.start().until_flow("stubborn")
    daemon.cli("run", "stubborn")
    daemon.until((daemon.flows / "alive").exists, "the flow runs")
    (run,) = daemon.json("runs", "--flow", "stubborn")

    daemon.cli("cancel", run["id"])

    daemon.until_run("stubborn", "cancelled")
    time.sleep(1)
    assert told(daemon) == [f"cancelled Cancelled {run['id']}"]
    assert notes(daemon, run["id"]) == []


def _pid_of(daemon, uid):
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(f"file:{daemon.state}/history.db?mode=ro", uri=True)) as history:
        (pid,) = history.execute("SELECT pid FROM runs WHERE uid = ?", (uid,)).fetchone()
    assert pid
    return pid


def _hooks_journal(daemon, uid):
    return list((daemon.state / "journals" / uid[:2]).glob(f"{uid}.hooks"))
