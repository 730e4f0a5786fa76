"""``retry``: what a person is told before and after."""

import pytest

PLAN = {
    "run": None,
    "parent": "k3f0000000",
    "attempt": 2,
    "from": "load",
    "again": [{"name": "load", "tasks": 12}, {"name": "send\x1b[2J", "tasks": 1}],
    "taken_over": 5,
    "warnings": ["the code of extract has changed since"],
}


@pytest.fixture
def old(add_run):
    return add_run("k3f0000000", state="failed")


def test_from_a_task_tells_first_what_runs_again(tidemill, daemon, old):
    daemon.answers = {"retry": {**PLAN, "run": "new0000000"}}
    asked = []
    daemon.request = lambda verb, **args: (asked.append(args), PLAN if args.get("plan") else daemon.answers[verb])[1]

    ended = tidemill("retry", "k3f", "--from", "load")

    assert ended.out == "new0000000\n"
    assert ended.err.splitlines() == [
        r"runs again although finished: load (12), send\x1b[2J",
        "takes over: 5 finished tasks",
        "warning: the code of extract has changed since",
    ]
    assert asked == [{"run": "k3f0000000", "from": "load", "plan": True}, {"run": "k3f0000000", "from": "load"}]


def test_a_dry_run_runs_nothing(tidemill, daemon, old):
    daemon.answers = {"retry": {**PLAN, "from": None, "again": [], "taken_over": 1, "warnings": []}}

    ended = tidemill("retry", "k3f", "--dry-run")

    assert (ended.code, ended.out, ended.err) == (0, "", "takes over: 1 finished task\n")
    assert daemon.asked == [("retry", {"run": "k3f0000000", "plan": True})]
    assert tidemill("retry", "k3f", "--dry-run", "--json").document == daemon.answers["retry"]


def test_a_plain_retry_warns_of_what_may_surprise(tidemill, daemon, old):
    daemon.answers = {
        "retry": {**PLAN, "run": "new0000000", "from": None, "again": [], "parent": "mid0000000", "attempt": 3}
    }

    ended = tidemill("retry", "k3f", "--json")

    assert ended.document == daemon.answers["retry"]
    assert ended.err.splitlines() == [
        "the run k3f0000000 was retried already; this goes on from its last attempt, mid0000000",
        "warning: the code of extract has changed since",
    ]


def test_a_run_that_was_retried_names_the_run_that_does(tidemill, add_run):
    add_run("k3f0000000", state="failed", retried_by="new0000000")

    assert "by new0000000" in tidemill("show", "k3f").out


def test_a_retry_that_is_waited_for_warns_too(tidemill, talk, add_flow, add_run, old):
    add_flow("nightly")
    add_run("new0000000")
    talk(
        ("progress", {**PLAN, "run": "new0000000", "from": None, "again": []}),
        ("ok", {"run": "new0000000", "state": "completed"}),
    )

    ended = tidemill("retry", "k3f", "--wait")

    assert ended.code == 0
    assert ended.err.splitlines() == ["warning: the code of extract has changed since", "run new0000000"]
