"""The commands that ask the daemon for something, against a daemon that answers from a table."""

import sys

import pytest

from tidemill.cli.parameters import parse_parameters
from tidemill.control.answers import UsageError
from tidemill.domain.errors import DaemonNotRunning, NotFound, Refused


@pytest.mark.parametrize(
    ("given", "parameters"),
    [
        (["name=Alice"], {"name": "Alice"}),
        (["n=3", "x=1.5", "on=true", "none=null"], {"n": 3, "x": 1.5, "on": True, "none": None}),
        (['rows=[1, {"a": 2}]'], {"rows": [1, {"a": 2}]}),
        (['text="3"', "empty=", "sum=a=b"], {"text": "3", "empty": "", "sum": "a=b"}),
        (["price=1.50", "million=1e6"], {"price": "1.50", "million": "1e6"}),
        (["far=NaN", "further=-Infinity", "broken={1"], {"far": "NaN", "further": "-Infinity", "broken": "{1"}),
        (["deep=" + "[" * 100_000], {"deep": "[" * 100_000}),
    ],
)
def test_a_parameter_is_json_where_it_is_json(given, parameters):
    assert parse_parameters(given) == parameters


@pytest.mark.parametrize("given", [["name"], ["=3"], ["1x=3"], ["a b=3"], ["n=1", "n=2"]])
def test_a_parameter_without_a_name_or_twice_is_refused(given):
    with pytest.raises(UsageError):
        parse_parameters(given)


def test_run_prints_the_id_and_nothing_else(tidemill, daemon):
    daemon.answers = {"run": {"run": "k3f0000000"}}

    ended = tidemill("run", "nightly", "-p", "n=3")

    assert (ended.code, ended.out, ended.err) == (0, "k3f0000000\n", "")
    assert daemon.asked == [("run", {"flow": "nightly", "parameters": {"n": 3}, "force": False})]
    assert tidemill("run", "nightly", "--json").document == {"run": "k3f0000000"}


def test_run_of_a_flow_that_does_not_exist_helps(tidemill, daemon, add_flow):
    daemon.answers = {"run": NotFound("there is no flow 'nigthly'")}
    add_flow("nightly")

    ended = tidemill("run", "nigthly")

    assert ended.code == 4
    assert ended.err == "tidemill: there is no flow 'nigthly'; did you mean nightly?\n"


def test_run_without_a_daemon_names_the_way_that_needs_none(tidemill, add_flow):
    add_flow("nightly", path="/flows/nightly.py")

    ended = tidemill("run", "nightly")

    assert ended.code == 3
    assert "tidemill start" in ended.err
    assert "tidemill run /flows/nightly.py:nightly" in ended.err


@pytest.mark.parametrize(("state", "code"), [("completed", 0), ("failed", 1), ("crashed", 1), ("cancelled", 1)])
def test_run_wait_ends_as_the_run_ends(tidemill, talk, add_flow, add_run, task, state, code):
    add_flow("nightly")
    error = {"type": "ValueError", "message": "no tide", "traceback": None}
    tasks = [task("extract"), task("load", 1, state=state, error=None if state == "completed" else error)]
    add_run("k3f0000000", state=state, tasks=tasks)
    client = talk(("progress", {"run": "k3f0000000"}), None, ("ok", {"run": "k3f0000000", "state": state}))

    ended = tidemill("run", "nightly", "--wait")

    assert ended.code == code
    assert client.sent[0][1]["wait"] is True
    assert ended.err.startswith("run k3f0000000\n")
    assert ended.out.splitlines()[-1].startswith("k3f0000000 nightly ")
    assert ("ValueError: no tide" in ended.out) == (state != "completed")


def test_run_wait_as_a_document_is_the_whole_run(tidemill, talk, add_run):
    record = add_run("k3f0000000")
    talk(("progress", {"run": "k3f0000000"}), ("ok", {"run": "k3f0000000", "state": "completed"}))

    assert tidemill("run", "nightly", "--wait", "--json").document == record


def test_a_refusal_of_a_waited_run_is_a_refusal(tidemill, talk):
    talk(Refused("nightly is paused"))

    ended = tidemill("run", "nightly", "--wait")

    assert (ended.code, ended.err) == (6, "tidemill: nightly is paused\n")


def test_follow_prints_what_the_run_writes(tidemill, talk, add_run, invocation):
    add_run("k3f0000000")
    path = invocation.paths.log("k3f0000000")
    path.parent.mkdir(parents=True)
    path.write_text("2026-11-22T02:00:00.000001Z [load] OUT hello\n")
    talk(("progress", {"run": "k3f0000000"}), ("ok", {"run": "k3f0000000", "state": "completed"}))

    ended = tidemill("run", "nightly", "--follow")

    assert ended.out.splitlines()[0] == "2026-11-22T02:00:00.000001Z [load] OUT hello"
    assert ended.code == 0


def test_a_daemon_that_goes_away_does_not_end_the_waiting(tidemill, talk, add_run, monkeypatch):
    record = add_run("k3f0000000", state="running")

    def pause(_seconds):
        record["state"] = "completed"

    monkeypatch.setattr("tidemill.cli.awaiting.time.sleep", pause)
    talk(("progress", {"run": "k3f0000000"}), DaemonNotRunning("gone"))

    ended = tidemill("run", "nightly", "--wait")

    assert ended.code == 0
    assert "the run k3f0000000 goes on" in ended.err


def test_a_person_at_a_terminal_sees_the_tasks_go_on(tidemill, talk, add_flow, add_run, task, monkeypatch):
    add_flow("nightly", manifest={"tasks": [{"index": 0, "name": "load", "depends_on": []}]})
    add_run(
        "k3f0000000", state="running", tasks=[task("load\x1b[2J", state="running", finished_at=None, duration=None)]
    )
    monkeypatch.setattr("tidemill.cli.witnessing.is_terminal", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    talk(("progress", {"run": "k3f0000000"}), None, None, ("ok", {"run": "k3f0000000", "state": "completed"}))

    ended = tidemill("run", "nightly", "--wait")

    assert ended.code == 0
    assert "0/1 tasks" in ended.err
    assert "load\\x1b[2J" in ended.err


def test_interrupting_the_waiting_leaves_the_run_alone(tidemill, talk, add_run):
    add_run("k3f0000000")
    talk(("progress", {"run": "k3f0000000"}), KeyboardInterrupt())

    ended = tidemill("run", "nightly", "--wait")

    assert ended.code == 130
    assert "the run goes on; end it with: tidemill cancel k3f0000000" in ended.err


def test_retry_asks_for_a_new_run_of_the_old(tidemill, daemon, add_run):
    add_run("k3f0000000", state="failed")
    daemon.answers = {"retry": {"run": "new0000000"}}

    assert tidemill("retry", "nightly@last").out == "new0000000\n"
    assert daemon.asked == [("retry", {"run": "k3f0000000"})]


def test_cancel_tells_the_state_of_each(tidemill, daemon, add_run):
    add_run("k3f0000000", state="running")
    add_run("m000000000", state="pending")
    daemon.answers = {"cancel": {"state": "cancelling"}}

    ended = tidemill("cancel", "k3f", "m00")

    assert [line.split()[0] for line in ended.out.splitlines()] == ["k3f0000000", "m000000000"]
    assert "cancelling" in ended.out


def test_cancel_gives_up_all_runs_of_a_flow_that_wait(tidemill, daemon):
    daemon.answers = {"cancel": {"flow": "nightly", "cancelled": 57}}

    assert tidemill("cancel", "--waiting", "nightly").out == "nightly: 57 waiting runs cancelled\n"
    assert daemon.asked == [("cancel", {"waiting": "nightly"})]


def test_cancelling_again_changes_nothing_and_a_run_that_is_over_is_refused(tidemill, daemon, add_run):
    run = add_run("k3f0000000", state="cancelled")
    daemon.answers = {"cancel": Refused("the run k3f0000000 is over already")}

    ended = tidemill("cancel", "k3f")
    assert (ended.code, ended.out) == (0, "k3f0000000 was cancelled already\n")

    run["state"] = "completed"
    assert tidemill("cancel", "k3f").code == 6


@pytest.mark.parametrize(
    "command", [["cancel", "zzz"], ["retry", "zzz"], ["logs", "zzz"], ["result", "zzz"], ["show", "zzz"]]
)
def test_a_run_that_does_not_exist_is_not_found(tidemill, command):
    assert tidemill(*command).code == 4


def test_a_flow_given_for_a_run_is_explained(tidemill, add_flow):
    add_flow("nightly")

    assert "nightly is a flow, not a run; its newest run is nightly@last" in tidemill("logs", "nightly").err


@pytest.mark.parametrize(
    ("verb", "changed", "told"),
    [
        ("pause", True, "nightly is paused\n"),
        ("pause", False, "nightly was paused already\n"),
        ("resume", True, "nightly runs again\n"),
        ("resume", False, "nightly was not paused\n"),
    ],
)
def test_pausing_and_resuming_say_whether_they_changed_anything(tidemill, daemon, verb, changed, told):
    daemon.answers = {verb: {"changed": changed}}

    ended = tidemill(verb, "nightly")

    assert (ended.code, ended.out) == (0, told)


@pytest.mark.parametrize(
    "command",
    [["pause", "x"], ["resume", "x"], ["reload"], ["stop"], ["run", "x"], ["cancel", "k3f"], ["retry", "k3f"]],
)
def test_what_needs_the_daemon_says_how_to_start_it(tidemill, add_run, command):
    add_run("k3f0000000", state="failed")

    ended = tidemill(*command)

    assert ended.code == 3
    assert "start it with: tidemill start" in ended.err


def test_reload_tells_what_is_broken_and_what_needs_a_restart(tidemill, daemon):
    daemon.answers = {
        "reload": {
            "flows": 3,
            "errors": [{"file": "bad.py", "line": 3, "message": "invalid syntax"}],
            "restart_needed": ["forkserver"],
        }
    }

    ended = tidemill("reload")

    assert ended.code == 1
    assert ended.out.splitlines() == [
        "3 flows, 1 error",
        "broken  bad.py:3: invalid syntax",
        "changed, and in force after tidemill restart: forkserver",
    ]


def test_reload_says_when_it_gave_up_waiting_for_files(tidemill, daemon):
    daemon.answers = {"reload": {"flows": 2, "errors": [], "restart_needed": [], "whole": False}}

    ended = tidemill("reload")

    assert ended.code == 1
    assert "some files are still being inspected" in ended.out


def test_of_more_broken_files_than_an_answer_holds_reload_counts_the_others(tidemill, daemon):
    broken = {"file": "a.py", "line": 3, "message": "no"}
    daemon.answers = {"reload": {"flows": 2, "errors": [broken], "errors_left_out": 7, "restart_needed": []}}

    ended = tidemill("reload")

    assert ended.out.splitlines()[0] == "2 flows, 8 errors"
    assert ended.out.splitlines()[-1] == "and 7 more; all of them: tidemill status"


def test_stop_takes_drain_or_cancel_and_not_both(tidemill):
    assert tidemill("stop", "--drain", "--cancel").code == 2
