"""What every task runner must do: the same flows, carried by each of them."""

import os
import signal
import time
from pathlib import Path

import pytest

from engine_lab import run_file, wait_for_line, write_flow
from tidemill.domain.errors import DefinitionError
from tidemill.domain.events import TaskRetrying
from tidemill.engine.runners.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

RUNNERS = ("ThreadPoolTaskRunner", "ProcessPoolTaskRunner")
HEADER = """
import os, sys, threading, time
from tidemill import *
from tidemill.engine.runners.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner
RUNNER = {runner}(max_workers=2)
"""


@pytest.fixture(params=RUNNERS)
def runner(request):
    return request.param


@pytest.fixture
def run(tmp_path, runner):
    def go(text, **fields):
        folder = tmp_path / "flows"
        path = write_flow(folder, HEADER.format(runner=runner) + text)
        return run_file(path, "etl", state=tmp_path / "state", root=folder, **fields)

    return go


def test_values_come_back_in_the_order_of_the_calls(run):
    record = run("""
@task
def double(x, plus=0): return 2 * x + plus
@flow(task_runner=RUNNER)
def etl(): return double.map([1, 2, 3], plus=unmapped(1)).result() + [double.submit(double.submit(1)).result()]
""")

    assert (record.state, record.end.result.value) == ("completed", "[3,5,7,4]")


def test_tasks_are_executed_side_by_side_and_no_more_than_there_are_places(run):
    record = run("""
@task
def work(number):
    begun = time.time()
    time.sleep(0.3)
    return [begun, time.time()]
@flow(task_runner=RUNNER)
def etl():
    work.map([0, 1]).wait()
    spans = sorted(work.map([0, 1, 2, 3]).result())
    most = max(sum(a <= begun < b for a, b in spans) for begun, _ in spans)
    print("at once", most)
""")

    assert record.state == "completed", record.end
    assert "[-] OUT at once 2" in record.lines()


def test_what_a_task_raises_is_raised_with_the_line_that_raised_it(run):
    record = run("""
class Trouble(Exception): ...
@task(retries=1)
def fails(x): raise Trouble(f"with {x}")
@flow(task_runner=RUNNER)
def etl():
    try: fails.submit(3).result()
    except Trouble as error: print("caught", error)
    fails.submit(4).result()
""")

    assert (record.state, record.end.error.type, record.end.error.message) == ("failed", "Trouble", "with 4")
    assert 'raise Trouble(f"with {x}")' in record.end.error.traceback
    assert "[-] OUT caught with 3" in record.lines()
    assert [event.error.message for event in record.of(TaskRetrying)] == ["with 3", "with 4"]


def test_code_sees_its_run_and_its_task_and_prints_into_the_run_s_log(run):
    record = run(
        """
@task(retries=1)
def look(x):
    print("hello from", current_task().name, current_task().attempt, current_run().run_id, current_run().parameters)
    get_run_logger().warning("logged %s", x)
@flow(task_runner=RUNNER)
def etl(n: int): look.submit(n).wait()
""",
        parameters={"n": "7"},
    )

    assert f"[look] OUT hello from look 1 {record.order.run} {{'n': 7}}" in record.lines()
    assert "[look] WARNING logged 7" in record.lines()


def test_a_time_out_ends_the_code_and_the_next_task_runs(run):
    record = run("""
@task(timeout_seconds=0.6)
def nap(seconds):
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end: time.sleep(0.01)
    finally: print("over", seconds)
    return seconds
@flow(task_runner=RUNNER)
def etl():
    state = nap.submit(60, return_state=True)
    return [str(state.kind), nap.submit(0).result()]
""")

    assert record.state == "completed", record.end
    assert record.end.result.value == '["timed_out",0]'
    assert "[nap] OUT over 60" in record.lines()


def test_cancel_ends_the_code(run):
    record = run(
        """
@task
def nap():
    print("begun")
    while True: time.sleep(0.01)
@flow(task_runner=RUNNER)
def etl(): nap.submit().result()
""",
        meanwhile=lambda pid, log: (wait_for_line(log, "begun"), os.kill(pid, signal.SIGTERM)),
    )

    assert (record.state, record.exit_code) == ("cancelled", 0)
    assert record.states() == {"nap": "cancelled"}


def test_async_tasks_generators_and_local_functions_are_executed_too(run):
    record = run("""
@task
async def later(x): return x + 1
@task
def several(): yield from (1, 2)
@flow(task_runner=RUNNER)
def etl():
    add = 10
    @task
    def local(x): return x + add
    return [later.submit(1).result(), several.submit().result(), local.submit(1).result()]
""")

    assert (record.state, record.end.result.value) == ("completed", "[2,[1,2],11]")


def test_a_declared_graph_uses_it_too(run):
    record = run("""
@task
def extract(): return [1, 2]
@task
def total(extract): return sum(extract)
etl = Flow("etl", tasks=[total], task_runner=RUNNER)
""")

    assert record.state == "completed", record.end
    assert record.tasks["total"].result.value == "3"


def test_a_sub_flow_may_have_a_place_of_its_own(run, runner):
    record = run("""
@task
def where(): return os.getpid()
@flow(task_runner=RUNNER)
def child(): return where.submit().result()
@flow
def etl():
    before, within, after = where.submit().result(), child(), where.submit().result()
    return [before == os.getpid(), within == os.getpid(), after == os.getpid()]
""")

    assert record.end.result.value == f"[true,{'true' if runner.startswith('Thread') else 'false'},true]"


def test_tasks_that_wait_for_each_other_s_futures_do_not_use_up_the_places(tmp_path):
    path = write_flow(
        tmp_path / "flows",
        HEADER.format(runner="ThreadPoolTaskRunner")
        + """
from tidemill.engine.calls.future_lists import as_completed
@task
def leaf(x): return x
@task
def node(x): return sum(future.result() for future in as_completed([leaf.submit(x), leaf.submit(x)]))
@flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
def etl(): return node.map([1, 2, 3]).result()
""",
    )

    record = run_file(path, "etl", state=tmp_path / "state")

    assert (record.state, record.end.result.value) == ("completed", "[2,4,6]")


def test_nothing_is_left_when_the_run_has_ended(run):
    record = run("""
@task
def where(): return os.getpid()
@flow(task_runner=RUNNER)
def etl(): return [where.submit().result() for _ in range(3)]
""")

    pids = {int(pid) for pid in record.end.result.value.strip("[]").split(",")}
    assert len(pids) == 1, "a free place is used again"
    end = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_process_that_dies_is_a_crash_of_its_task_and_is_retried(tmp_path):
    path = write_flow(
        tmp_path / "flows",
        HEADER.format(runner="ProcessPoolTaskRunner")
        + """
@task(retries=1)
def dies(mark):
    if not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), 9)
    return "alive"
@task
def exits(): os._exit(3)
@flow(task_runner=RUNNER)
def etl():
    print(dies.submit("mark").result())
    state = exits.submit(return_state=True)
    print(state.name, state.message)
""",
    )

    record = run_file(path, "etl", state=tmp_path / "state")

    assert record.state == "completed", record.end
    assert "signal 9" in record.of(TaskRetrying)[0].error.message
    assert "[-] OUT alive" in record.lines()
    assert "[-] OUT Crashed ProcessDied: the process of task exits died: exit code 3" in record.lines()


def test_what_cannot_be_sent_fails_its_task_with_a_sentence(tmp_path):
    path = write_flow(
        tmp_path / "flows",
        HEADER.format(runner="ProcessPoolTaskRunner")
        + """
@task
def takes(x): return 1
@task
def gives(): return threading.Lock()
@flow(task_runner=RUNNER)
def etl():
    print(takes.submit(threading.Lock(), return_state=True).message)
    print(gives.submit(return_state=True).message)
""",
    )

    lines = run_file(path, "etl", state=tmp_path / "state").lines()

    assert any("task takes cannot be sent to another process: TypeError" in line for line in lines)
    assert any("what task gives returned cannot be sent back: TypeError" in line for line in lines)


@pytest.mark.parametrize("kind", [ThreadPoolTaskRunner, ProcessPoolTaskRunner])
@pytest.mark.parametrize("number", [0, -1, 1.5, True, "4"])
def test_a_number_of_places_that_cannot_be_is_refused(kind, number):
    with pytest.raises(DefinitionError, match="must be a whole number, 1 or more"):
        kind(max_workers=number)
