"""A run of ten thousand tasks, as whoever started it sees it."""

import re
import resource

from terminal_lab import at_a_terminal

FAN = """
import time
from tidemill import flow, task

@task
def item(n, pause):
    time.sleep(pause)
    if n % 1000 == 7:
        raise ValueError(f"item {n} is bad")
    return n

@flow
def fan(count: int = 10_000, pause: float = 0.0):
    print("here it goes")
    futures = item.map(range(count), pause)
    return sum(future.result(raise_on_failure=False) is not None for future in futures)
"""


def test_ten_thousand_tasks_are_told_in_a_few_lines_and_quickly(daemon):
    daemon.drop("fan.py", FAN)
    daemon.start().until_flow("fan")

    waited = daemon.cli("run", "fan", "--wait", check=None)

    uid = daemon.json("runs", "-n", "1")[0]["id"]
    assert "  10000 tasks: 10 failed, 9990 completed" in waited.stdout.splitlines()
    assert len(waited.stdout.splitlines()) < 20
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = daemon.cli("show", uid).stdout.splitlines()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Half a second on a machine of its own.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5
    assert len(shown) < 120
    assert "10000: 10 failed, 9990 completed" in shown
    listed = [line.split()[0] for line in shown[shown.index("failed") + 2 : shown.index("tasks") - 1]]
    assert listed == [str(n) for n in range(7, 10_000, 1000)]
    assert len(daemon.json("show", uid)["tasks"]) == 10_000
    assert daemon.cli("show", uid, "--state", "failed").stdout.count("is bad") >= 10


def test_at_a_terminal_the_numbers_stay_in_place_below_what_the_run_writes(daemon):
    daemon.drop("fan.py", FAN)
    daemon.start().until_flow("fan")

    _, waited = at_a_terminal(daemon, "run", "fan", "-p", "count=400", "-p", "pause=0.01", "--wait")
    _, followed = at_a_terminal(daemon, "run", "fan", "-p", "count=400", "-p", "pause=0.01", "--follow")

    for shown in (waited, followed):
        told = [int(number) for number in re.findall(r"(\d+)/\d+ tasks", shown)]
        assert len(told) > 2
        assert told == sorted(told)
        assert re.search(r" · 1 failed · .*\d/s", shown)
    assert "here it goes" not in waited
    assert "here it goes" in followed
