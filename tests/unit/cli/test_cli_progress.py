"""How a run of many tasks is watched: at a terminal and through a pipe."""

import sys

import pytest

from tidemill.cli.pace import Pace, told
from tidemill.cli.reports import EVERY, Reports


class Watched:
    """A run of which a test says how far it is."""

    def __init__(self):
        self.record = {"id": "k3f0000000", "flow": "fan\x1bout", "state": "running", "counts": {}}

    def progress(self, limit):
        return self.record


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_the_pace_is_that_of_the_last_seconds():
    pace = Pace()

    assert pace.see(0, 0.0) is None
    assert pace.see(1000, 1.0) == 1000
    assert pace.see(1000, 11.0) is None
    assert pace.see(1050, 16.0) == 10


def test_few_tasks_have_no_pace_and_those_of_a_new_attempt_are_counted_from_the_start():
    pace = Pace()

    assert pace.see(0, 0.0) is None
    assert pace.see(3, 1.0) is None
    assert pace.see(500, 2.0) == 250
    assert pace.see(0, 3.0) is None
    assert pace.see(20, 4.0) == 20


@pytest.mark.parametrize(
    ("counts", "expected", "rate", "line"),
    [
        ({}, 0, None, []),
        ({}, 3, None, ["0/3 tasks"]),
        ({"running": 1}, 1, None, ["0/1 tasks"]),
        (
            {"cached": 8, "failed": 2, "crashed": 1, "running": 4},
            9,
            12.3,
            ["11/15 tasks", "3 failed", "4 running", "12/s"],
        ),
        ({"completed": 90, "retrying": 2}, 100, 1.25, ["90/100 tasks", "2 running", "1.2/s"]),
    ],
)
def test_the_line_tells_what_is_done_of_what_is_known(counts, expected, rate, line):
    assert told({"counts": counts}, expected, rate) == line


def test_a_pipe_gets_a_line_every_few_seconds_and_only_when_there_is_news(capsys):
    watched, clock = Watched(), Clock()
    reports = Reports(watched, lambda: 0, clock)

    def lines(seconds, **counts):
        watched.record["counts"] = counts
        clock.now += seconds
        reports.renew()
        return capsys.readouterr().err.splitlines()

    assert lines(EVERY - 0.1, running=1) == []
    assert lines(0.2, running=3, completed=100) == [r"k3f0000000 fan\x1bout: running, 100/103 tasks, 3 running, 20/s"]
    assert lines(1.0, running=3, completed=150) == []
    assert lines(EVERY, running=3, completed=150) != []
    assert lines(EVERY, running=3, completed=150) == []
    watched.record["state"] = "retrying"
    assert "retrying" in lines(EVERY, running=3, completed=150)[0]


def test_following_at_a_terminal_shows_the_log_above_the_numbers(
    tidemill, talk, add_flow, add_run, task, invocation, monkeypatch
):
    add_flow("nightly")
    add_run("k3f0000000", state="running", tasks=[task("load", number) for number in range(3)])
    path = invocation.paths.log("k3f0000000")
    path.parent.mkdir(parents=True)
    path.write_text("2026-11-22T02:00:00.000001Z [load] OUT hello\x1b[2J [bold]you[/bold]\n")
    monkeypatch.setattr("tidemill.cli.witnessing.is_terminal", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    talk(("progress", {"run": "k3f0000000"}), None, ("ok", {"run": "k3f0000000", "state": "completed"}))

    ended = tidemill("run", "nightly", "--follow")

    assert ended.code == 0
    assert r"[load] OUT hello\x1b[2J [bold]you[/bold]" in ended.err
    assert "3/3 tasks" in ended.err


def test_the_end_of_a_run_of_many_tasks_lists_failures_and_counts_the_rest(tidemill, talk, add_flow, add_run, task):
    add_flow("nightly")
    tasks = [task("load", number, state="failed" if number % 100 == 7 else "completed") for number in range(10_000)]
    add_run("k3f0000000", state="failed", tasks=[*tasks, task("sum", 10_000, state="upstream_failed")])
    talk(("progress", {"run": "k3f0000000"}), ("ok", {"run": "k3f0000000", "state": "failed"}))

    lines = tidemill("run", "nightly", "--wait").out.splitlines()

    assert [line.split()[1] for line in lines[:20]] == ["failed"] * 20
    assert lines[20] == "  and 81 more; all of them: tidemill show k3f0000000 --state failed --all"
    assert lines[21] == "  10001 tasks: 100 failed, 1 upstream_failed, 9900 completed"
    assert lines[22].startswith("k3f0000000 nightly ")
