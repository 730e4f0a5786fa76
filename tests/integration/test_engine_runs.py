import json
import os
import signal
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from engine_lab import RunNoted, TaskRetrying, TaskStarted, run_file, wait_for_line, write_flow
from tidemill.domain.events import OfSubflow, RunEnded, RunRetrying, RunStarted, SubflowStarted, TaskEnded
from tidemill.domain.results import ResultInfo
from tidemill.domain.runs import FinishedTask
from tidemill.journal.finished import write_finished
from tidemill.journal.processes import boot_id

HEADER = "import os, sys, time\nfrom tidemill import *\n"


@pytest.fixture
def flows(tmp_path):
    folder = tmp_path / "flows"
    folder.mkdir()
    return folder


@pytest.fixture
def run(flows, tmp_path):
    def go(text, flow="", **fields):
        path = write_flow(flows, text)
        path.write_text(HEADER + path.read_text())
        return run_file(path, flow, state=tmp_path / "state", **fields)

    return go


def test_a_graph_runs_in_order_and_hands_results_on(run, flows):
    record = run(
        """
        @task
        def extract(): return [1, 2]

        @task(depends_on=[extract], result_handler=LocalResult(dir="./results"))
        def transform(extract): return [x * 2 for x in extract]

        class Load(Task):
            def run(self, transform): return self.total(transform)
            def total(self, rows): return sum(rows)

        nightly = Flow("nightly", tasks=[Load()])
        """,
        "nightly",
    )

    assert (record.state, record.exit_code) == ("completed", 0)
    assert record.states() == {"extract": "completed", "transform": "completed", "Load": "completed"}
    assert record.tasks["Load"].result == ResultInfo("history", None, 1, "6", "json", "6")
    kept = record.tasks["transform"].result
    assert kept.handler == "LocalResult"
    assert Path(kept.location).parent == flows / "results"
    assert json.loads(Path(kept.location).read_text()) == [2, 4]


def test_the_first_and_the_last_line_of_the_journal_are_the_run_s(run):
    record = run("@task\ndef f(): ...\n")

    first = record.events[0]
    assert isinstance(first, RunStarted)
    assert first.boot_id == boot_id()
    assert record.events[-1] is record.end
    assert all(before.at <= after.at for before, after in pairwise(record.events))


def test_parallel_branches_run_at_once(run):
    record = run(
        """
        import threading
        both = threading.Barrier(2, timeout=10)
        @task
        def a(): both.wait()
        @task
        def b(): both.wait()
        """
    )

    assert record.state == "completed"


def test_max_workers_1_runs_one_task_at_a_time(run):
    record = run(
        """
        import threading
        free = threading.Lock()
        @task
        def step(n):
            assert free.acquire(blocking=False)
            time.sleep(0.005)
            free.release()
        Flow("etl", tasks=[step.bind(n=n) for n in range(5)])
        """,
        max_workers=1,
    )

    assert record.state == "completed"


def test_a_task_that_fails_is_retried_and_every_attempt_is_told(run):
    record = run(
        """
        calls = []
        @task(retry_kwargs={"max_retries": 3, "delay": 0.001, "backoff": 2})
        def shaky():
            calls.append(1)
            if len(calls) < 3: raise ValueError(f"no {len(calls)}")
            return len(calls)
        """
    )

    assert record.state == "completed"
    retries = record.of(TaskRetrying)
    assert [(event.attempt, event.error.line) for event in retries] == [
        (1, "ValueError: no 1"),
        (2, "ValueError: no 2"),
    ]
    assert [event.due - event.at for event in retries] == [1000, 2000]
    assert [event.attempt for event in record.of(TaskStarted)] == [1, 2, 3]
    assert record.tasks["shaky"].attempts == 3


def test_a_failure_fails_the_run_and_what_needs_it_but_nothing_else(run):
    record = run(
        """
        @task
        def bad(): raise ValueError("boom")
        @task(depends_on=[bad])
        def below(): ...
        @task(depends_on=[below])
        def further(): ...
        @task
        def beside(): return 1
        """
    )

    assert record.state == "failed"
    assert record.end.error.line == "ValueError: task bad: boom"
    assert record.states() == {
        "bad": "failed",
        "below": "upstream_failed",
        "further": "upstream_failed",
        "beside": "completed",
    }
    traceback = record.tasks["bad"].error.traceback
    assert 'raise ValueError("boom")' in traceback
    assert "tidemill/engine" not in traceback
    assert "[bad] ERROR ValueError: boom" in record.lines()


def test_retries_use_tenacity_s_own_strategies(run):
    record = run(
        """
        from tenacity import retry_if_result, stop_after_attempt, wait_fixed
        calls = []
        low = retry_if_result(lambda value: value < 3)
        @task(retry_kwargs={"stop": stop_after_attempt(3), "wait": wait_fixed(0.001), "retry": low})
        def count():
            calls.append(1)
            return len(calls)
        """
    )

    assert record.state == "completed"
    assert record.tasks["count"].attempts == 3


def test_a_wait_for_a_retry_holds_no_thread(run):
    record = run(
        """
        done = []
        @task(retries=1, retry_delay_seconds=0.2)
        def shaky():
            if not done: raise ValueError
        @task
        def other(): done.append(1)
        """,
        max_workers=1,
    )

    assert record.state == "completed"
    order = [(event.name, event.attempt) for event in record.of(TaskStarted)]
    assert order == [("shaky", 1), ("other", 1), ("shaky", 2)]


def test_give_up_ends_the_attempts_and_retry_asks_for_one(run):
    record = run(
        """
        seen = []
        @task(retries=5)
        def hopeless(): raise GiveUp("no such customer")
        @task
        def asks():
            seen.append(1)
            if len(seen) == 1: raise Retry("busy", delay=0.001)
        """
    )

    assert record.tasks["hopeless"].attempts == 1
    assert record.tasks["hopeless"].error.line == "GiveUp: no such customer"
    assert (record.tasks["asks"].state, record.tasks["asks"].attempts) == ("completed", 2)


def test_a_function_flow_runs_with_its_parameters_converted(run):
    record = run(
        """
        from dataclasses import dataclass
        from datetime import date
        from enum import Enum
        from pathlib import Path
        class Colour(Enum):
            RED = "red"
        @dataclass
        class Point:
            x: int
            y: int = 2
        @task(retries=1)
        def add(a, b): return a + b
        @flow
        def etl(n: int, day: date, place: Path, colour: Colour, point: Point, flag: bool = False, names: list = []):
            print(repr((n, day, place, colour, point, flag, names)))
            futures = [add.submit(i, 1) for i in range(3)]
            total = add.submit(futures[1], futures[2])
            return add(n, total.result())
        """,
        parameters={
            "n": "3",
            "day": "2026-11-22",
            "place": "a/b",
            "colour": "red",
            "point": {"x": "1"},
            "flag": "true",
            "names": '["a"]',
        },
    )

    assert record.state == "completed"
    assert record.end.result.value == "8"
    assert (
        "[-] OUT (3, datetime.date(2026, 11, 22), PosixPath('a/b'), <Colour.RED: 'red'>, Point(x=1, y=2), True, ['a'])"
        in record.lines()
    )
    assert [event.name for event in record.of(TaskStarted)] == ["add"] * 5


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"n": "many"}, "parameter 'n' of flow etl must be int, and 'many' is not"),
        ({"nn": 1}, "flow etl has no parameter 'nn'; did you mean 'n'?"),
        ({}, "flow etl needs the parameter n: give -p n=…"),
    ],
)
def test_wrong_parameters_fail_the_run_with_a_sentence(run, parameters, sentence):
    record = run("@flow\ndef etl(n: int): ...\n", parameters=parameters)

    assert record.state == "failed"
    assert sentence in record.end.error.message


def test_parameters_of_a_graph_reach_their_tasks_as_their_types(run):
    record = run("@task\ndef f(data: int, unit='kg'): return [data, unit]\n", parameters={"data": "4"})

    assert record.tasks["f"].result.value == '[4,"kg"]'


def test_a_flow_s_own_retries_run_only_what_did_not_complete(run):
    record = run(
        """
        calls = []
        @task
        def once(): calls.append("once"); return 1
        @task
        def twice():
            calls.append("twice")
            if calls.count("twice") == 1: raise ValueError("first")
        @flow(retries=1)
        def etl():
            once(); twice()
            return calls
        """
    )

    assert record.state == "completed"
    assert json.loads(record.end.result.value) == ["once", "twice", "twice"]
    (retrying,) = record.of(RunRetrying)
    assert retrying.error.line == "ValueError: first"


def test_a_submitted_task_that_fails_unseen_fails_the_run(run):
    record = run("@task\ndef bad(): raise ValueError('boom')\n@flow\ndef etl(): bad.submit()\n")

    assert record.state == "failed"
    assert record.end.error.line == "ValueError: task bad: boom"


def test_a_failure_that_the_body_handles_is_its_own_business(run):
    record = run(
        """
        @task
        def bad(): raise ValueError("boom")
        @flow
        def etl():
            try: bad()
            except ValueError: pass
            return str(bad.submit().result(raise_on_failure=False))
        """
    )

    assert (record.state, record.end.result.value) == ("completed", '"boom"')
    assert record.states() == {"bad": "failed"}


def test_tasks_that_wait_for_futures_do_not_use_up_the_threads(run):
    record = run(
        """
        @task
        def leaf(n): return n
        @task
        def branch(n): return sum(leaf.submit(i).result() for i in range(n))
        @flow
        def etl(): return sum(f.result() for f in [branch.submit(3) for _ in range(4)])
        """,
        max_workers=1,
    )

    assert (record.state, record.end.result.value) == ("completed", "12")


def test_async_flows_and_tasks_run_by_the_same_engine(run):
    record = run(
        """
        import asyncio
        @task(retries=1)
        async def fetch(n, seen=[]):
            await asyncio.sleep(0.001)
            seen.append(n)
            if seen == [0]: raise ValueError("first")
            return n
        @task
        def plain(): return 10
        @flow
        async def etl():
            numbers = await asyncio.gather(*[fetch(n) for n in range(3)])
            return sum(numbers) + plain()
        """
    )

    assert (record.state, record.end.result.value) == ("completed", "13")
    assert len(record.of(TaskRetrying)) == 1


def test_an_async_task_of_a_graph_runs(run):
    record = run("import asyncio\n@task\nasync def f():\n    await asyncio.sleep(0)\n    return 1\n")

    assert record.tasks["f"].result.value == "1"


def test_a_sub_flow_is_a_run_of_its_own_in_the_same_journal(run):
    record = run(
        """
        @task
        def step(n): return n
        @flow(flow_run_name="child-{n}")
        def child(n: int): return step(n) + 1
        graph = Flow("graph", tasks=[step.bind(n=5)])
        @flow
        def etl():
            graph()
            return child("2")
        """,
        "etl",
    )

    assert (record.state, record.end.result.value) == ("completed", "3")
    assert [(event.index, event.name) for event in record.of(TaskStarted)] == [(0, "graph"), (1, "child")]
    first, second = (event.subflow for event in record.of(TaskStarted))
    told = {run: [event.event for event in record.of(OfSubflow) if event.run == run] for run in (first, second)}
    assert [type(event) for event in told[first]] == [SubflowStarted, TaskStarted, TaskEnded, RunEnded]
    begun = told[second][0]
    assert (begun.parent, begun.index, begun.flow, begun.parameters, begun.name) == (
        record.order.run,
        1,
        "child",
        {"n": 2},
        "child-2",
    )
    assert (told[second][2].name, told[second][2].result.value) == ("step", "2")
    assert (told[second][3].state, told[second][3].result.value) == ("completed", "3")
    assert record.tasks["child"].subflow == second


def test_a_sub_flow_that_did_not_end_goes_on_where_its_tasks_had_finished(run):
    finished = (
        FinishedTask(0, "ready", ResultInfo("history", None, 1, "1", "json", "1")),
        FinishedTask(0, "step", ResultInfo("history", None, 1, "7", "json", "7"), inside=(("child", 1),)),
        FinishedTask(3, "step", ResultInfo("history", None, 1, "9", "json", "9"), occurrence=3, inside=(("child", 1),)),
    )
    record = run(
        """
        @task
        def step(n):
            print("executed", n)
            return n
        @flow
        def ready():
            raise SystemExit("never again")
        @flow
        def child(): return [step(n) for n in range(3)]
        @flow
        def etl(): return [ready(), child()]
        """,
        "etl",
        resume=finished,
    )

    assert (record.state, record.end.result.value) == ("completed", "[1,[7,1,9]]")
    (begun,) = [event for event in record.of(OfSubflow) if isinstance(event.event, SubflowStarted)]
    assert [line for line in record.lines() if "executed" in line] == [f"[{begun.run}/step] OUT executed 1"]


def test_the_lines_of_a_sub_flow_bear_its_id(run):
    record = run(
        """
        from tidemill import get_run_logger
        @task
        def step(): raise ValueError("no")
        @task
        def threaded(n): print("in a thread")
        @flow
        def inner():
            print("deep")
            step(return_state=True)
        @flow
        def outer():
            inner()
            get_run_logger().info("said")
            threaded.submit(1).wait()
        @flow
        def etl():
            outer()
            print("back")
        """,
        "etl",
    )

    uids = {event.event.flow: event.run for event in record.of(OfSubflow) if isinstance(event.event, SubflowStarted)}
    lines = [
        line
        for line in record.lines()
        if line.split(" ", 1)[1] in ("OUT deep", "INFO said", "OUT in a thread", "OUT back", "ERROR failed")
    ]
    assert lines == [
        f"[{uids['inner']}/-] OUT deep",
        f"[{uids['inner']}/step] ERROR failed",
        f"[{uids['outer']}/-] INFO said",
        f"[{uids['outer']}/threaded] OUT in a thread",
        "[-] OUT back",
    ]


def test_a_task_calls_another_task_inside_a_graph(run):
    record = run(
        """
        @task(name="inner", retries=1)
        def inner(): return 1
        @task
        def outer(): return inner() + 1
        Flow("etl", tasks=[outer])
        """
    )

    assert record.states() == {"outer": "completed", "inner": "completed"}


def test_output_and_logging_are_captured_with_time_and_task(run):
    record = run(
        r"""
        import logging, subprocess
        @task
        def speak():
            print("to stdout"); print("two\nlines")
            print("to stderr", file=sys.stderr)
            logging.getLogger("x").warning("a warning")
            logging.getLogger("x").debug("not this")
            get_run_logger().info("by the run's logger")
            sys.stdout.buffer.write(b"bytes \xff\n")
            print("lone \udcff surrogate")
            print("not ended", end="")
            try: 1 / 0
            except ZeroDivisionError: logging.exception("failed")
            subprocess.run(["echo", "raw"], check=True)
        """
    )

    assert record.state == "completed"
    lines = record.lines()
    for expected in (
        "[speak] OUT to stdout",
        "[speak] OUT two",
        "[speak] OUT lines",
        "[speak] ERR to stderr",
        "[speak] WARNING a warning",
        "[speak] INFO by the run's logger",
        "[speak] OUT bytes \\xff",
        "[speak] OUT lone \\udcff surrogate",
        "[speak] OUT not ended",
        "[speak] ERROR ZeroDivisionError: division by zero",
    ):
        assert expected in lines
    assert "raw" in record.log.splitlines()
    assert "not this" not in record.log


def test_output_beyond_the_limit_is_cut_and_said_so(run):
    record = run("@task\ndef talk():\n    for n in range(20_000): print(n)\n", log_limit=10_000)

    assert record.state == "completed"
    assert len(record.log) < 11_000
    assert record.lines()[-1] == "[-] WARNING output truncated: the limit of 10000 bytes is reached"


def test_a_task_s_time_out_breaks_a_sleep_in_the_main_thread(run):
    record = run("@task(timeout=0.05)\ndef nap(): time.sleep(60)\n@task(depends_on=[nap])\ndef after(): ...\n")

    assert (record.state, record.exit_code) == ("timed_out", 0)
    assert record.states() == {"nap": "timed_out", "after": "upstream_failed"}
    assert record.tasks["nap"].error.line == "TimeoutError: task nap took longer than its time-out of 0.05 s"
    (started,) = record.of(TaskStarted)
    assert started.deadline - started.at == 50_000


def test_a_time_out_reaches_code_that_catches_every_exception(run):
    record = run(
        """
        @task(timeout=0.05)
        def stubborn():
            while True:
                try: time.sleep(60)
                except Exception: pass
        """
    )

    assert record.states() == {"stubborn": "timed_out"}


def test_a_time_out_reaches_python_code_in_a_thread(run):
    record = run(
        """
        @task(timeout=0.05)
        def spin(n):
            while True: time.sleep(0.001)
        Flow("etl", tasks=[spin.bind(n=1), spin.bind(n=2)])
        """
    )

    assert record.exit_code == 0
    assert record.states() == {"spin": "timed_out", "spin-2": "timed_out"}


def test_a_timed_out_attempt_is_retried(run):
    record = run(
        """
        seen = []
        @task(timeout=0.05, retries=1)
        def slow_once():
            seen.append(1)
            if len(seen) == 1: time.sleep(60)
        """
    )

    assert (record.state, record.tasks["slow_once"].attempts) == ("completed", 2)


def test_code_that_nothing_reaches_is_killed_with_the_verdict_recorded(run):
    record = run(
        """
        import subprocess
        @task(timeout=0.05)
        def stuck(n):
            subprocess.run(["sleep", "60"]) if n else time.sleep(60)
        @task
        def waits(): time.sleep(60)
        @task(depends_on=[waits])
        def never(): ...
        Flow("etl", tasks=[waits, stuck.bind(n=0), never])
        """
    )

    assert record.exit_code == -signal.SIGKILL
    assert record.state == "timed_out"
    assert record.states() == {"stuck": "timed_out", "waits": "cancelled", "never": "cancelled"}


def test_code_that_lets_no_other_thread_run_ends_with_the_process(run):
    record = run(
        """
        import ctypes
        from tidemill.engine import warden
        warden.GRACE = warden.CLEANUP = warden.UNREACHABLE = 0.05
        @task(timeout=0.05)
        def greedy():
            ctypes.PyDLL(None).sleep(60)
        """
    )

    assert record.exit_code == 1
    assert "Timeout (" in record.log
    assert "in greedy" in record.log
    assert not record.tasks


def test_the_run_s_time_out_ends_everything(run):
    record = run(
        "@task\ndef nap(): time.sleep(60)\n@task\ndef spin():\n    while True: time.sleep(0.001)\n"
        "@task(depends_on=[nap])\ndef after(): ...\n",
        timeout=0.1,
    )

    assert (record.state, record.exit_code) == ("timed_out", 0)
    assert record.end.error.line == "TimeoutError: the run took longer than its time-out"
    assert record.states()["nap"] == record.states()["spin"] == "timed_out"


def test_a_function_flow_s_time_out_ends_its_body(run):
    record = run("@flow(timeout_seconds=0.05)\ndef etl():\n    while True: time.sleep(60)\n")

    assert record.state == "timed_out"


def test_a_file_that_loads_for_ever_is_ended_by_the_run_s_time_out(run):
    record = run("while True: time.sleep(60)\n", timeout=0.05)

    assert (record.state, record.exit_code) == ("timed_out", 0)


def cancel(pid, log):
    wait_for_line(log, "begun")
    os.kill(pid, signal.SIGTERM)


def test_cancel_lets_tasks_clean_up_and_begins_nothing_more(run):
    record = run(
        """
        @task
        def nap():
            print("begun")
            try: time.sleep(60)
            finally: print("cleaned up")
        @task(depends_on=[nap])
        def after(): ...
        """,
        meanwhile=cancel,
    )

    assert (record.state, record.exit_code) == ("cancelled", 0)
    assert record.states() == {"nap": "cancelled", "after": "cancelled"}
    assert "[nap] OUT cleaned up" in record.lines()


def test_cancel_ends_a_wait_for_a_retry(run):
    record = run(
        "@task(retries=1, retry_delay_seconds=60)\ndef shaky():\n    print('begun')\n    raise ValueError\n",
        meanwhile=cancel,
    )

    assert record.state == "cancelled"
    assert record.states() == {"shaky": "cancelled"}


def test_cancel_ends_a_function_flow_and_its_submitted_tasks(run):
    record = run(
        """
        @task
        def spin():
            while True: time.sleep(0.001)
        @task(retries=1, retry_delay_seconds=60)
        def shaky(): raise ValueError
        @flow
        def etl():
            futures = [spin.submit(), shaky.submit()]
            time.sleep(0.05)
            print("begun")
            futures[0].result()
        """,
        meanwhile=cancel,
    )

    assert (record.state, record.exit_code) == ("cancelled", 0)
    assert record.states() == {"spin": "cancelled", "shaky": "cancelled"}


def test_cancel_of_an_async_flow(run):
    record = run(
        "import asyncio\n@flow\nasync def etl():\n    print('begun')\n    await asyncio.sleep(60)\n", meanwhile=cancel
    )

    assert (record.state, record.exit_code) == ("cancelled", 0)


@pytest.mark.parametrize("wait", ["await asyncio.sleep(60)", "wait_beside()"])
def test_a_cancel_that_interrupts_no_wait_of_an_async_flow_is_noticed(run, wait):
    record = run(
        "import asyncio, signal, threading\n"
        "def strike(): time.sleep(0.2); signal.pthread_kill(threading.get_ident(), signal.SIGTERM)\n"
        "@task\ndef wait_beside(): return asyncio.sleep(60)\n"
        f"@flow\nasync def etl():\n    threading.Thread(target=strike).start()\n    {wait}\n"
    )

    assert (record.state, record.exit_code) == ("cancelled", 0)


def test_cancel_ends_a_file_that_is_being_loaded(run):
    record = run("print('begun')\ntime.sleep(60)\n", meanwhile=cancel)

    assert (record.state, record.exit_code) == ("cancelled", 0)


def test_sys_exit_in_a_task_is_a_failure(run):
    record = run("@task(retries=3)\ndef leave(): sys.exit(3)\n")

    assert record.state == "failed"
    assert record.tasks["leave"].error.line == "SystemExit: the code called sys.exit(3)"
    assert record.tasks["leave"].attempts == 1


def test_a_process_that_dies_leaves_its_last_words(run):
    record = run("import ctypes\n@task\ndef crash():\n    print('last words')\n    ctypes.string_at(0)\n")

    assert record.exit_code == -signal.SIGSEGV
    assert "[crash] OUT last words" in record.lines()
    assert "Segmentation fault" in record.log
    assert [event.name for event in record.of(TaskStarted)] == ["crash"]
    assert not record.tasks


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_are_spawned_find_the_flow_s_functions(run, flows, method):
    write_flow(flows, "FACTOR = 2\n", "_helper.py")
    kept = write_flow(flows.parent, "FACTOR = 3\n", "kept.py")

    record = run(
        f"""
        import multiprocessing
        from _helper import FACTOR
        def double(x): return FACTOR * x
        @task
        def compute():
            with multiprocessing.get_context({method!r}).Pool(1) as pool:
                return pool.map(double, [1, 2])
        """,
        sources={str(flows / "_helper.py"): str(kept)},
        timeout=15,
    )

    assert record.state == "completed", record.log
    assert record.tasks["compute"].result.value == "[3,6]"


def test_threads_of_a_task_s_own_belong_to_it(run):
    record = run(
        """
        import threading
        from concurrent.futures import ThreadPoolExecutor
        @task
        def add(a): return a + 1
        @task
        def talks():
            thread = threading.Thread(target=print, args=("from a thread",))
            thread.start()
            thread.join()
        @flow
        def etl():
            talks()
            with ThreadPoolExecutor(1) as pool:
                return list(pool.map(add, [1, 2]))
        """
    )

    assert record.state == "completed"
    assert "[talks] OUT from a thread" in record.lines()
    assert [event.name for event in record.of(TaskStarted)] == ["talks", "add", "add"]


def test_what_a_forked_copy_raises_is_logged_without_the_engine(run):
    record = run(
        """
        @task
        def forks():
            pid = os.fork()
            if pid == 0: raise ValueError("in the child")
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        """
    )

    assert record.tasks["forks"].result.value == "1"
    assert "[forks] ERR ValueError: in the child" in record.lines()
    assert "invoke_code" not in record.log


def test_bound_values_become_what_the_annotation_asks_for(run):
    record = run(
        """
        from datetime import date
        @task(parameters={"day": "2026-11-22"})
        def next_day(day: date): return day.day + 1
        """
    )

    assert record.tasks["next_day"].result.value == "23"


def test_a_run_names_the_task_that_failed_it_once(run):
    record = run("@task(timeout=0.05)\ndef nap(): time.sleep(60)\n")

    assert record.end.error.line == "TimeoutError: task nap took longer than its time-out of 0.05 s"


def test_a_copy_that_a_task_forks_does_not_carry_the_run_on(run, flows):
    record = run(
        """
        @task
        def forks():
            pid = os.fork()
            if pid:
                os.waitpid(pid, 0)
            return pid != 0
        @task(depends_on=[forks])
        def after(forks):
            with open("count", "a") as file: file.write("x")
        """
    )

    assert record.state == "completed"
    assert (flows / "count").read_text() == "x"
    assert [event.name for event in record.of(TaskStarted)] == ["forks", "after"]


def test_a_value_that_cannot_be_kept_still_reaches_the_next_task(run):
    record = run(
        "@task\ndef make(): return (n for n in range(3))\n@task(depends_on=[make])\ndef use(make): return list(make)\n"
    )

    assert record.state == "completed"
    assert record.tasks["make"].result.handler == "none"
    assert record.tasks["make"].result.preview.startswith("<generator")
    assert record.tasks["use"].result.value == "[0,1,2]"
    assert "cannot be pickled" in record.of(RunNoted)[-1].note


def test_a_large_result_becomes_a_file_and_others_are_pickled(run):
    record = run(
        """
        class Row:
            def __init__(self, n): self.n = n
            def __repr__(self): return f"Row({self.n})"
        @task
        def large(): return "x" * 100_000
        @task
        def odd(): return (Row(1), lambda: 2)
        """
    )

    large, odd = record.tasks["large"].result, record.tasks["odd"].result
    assert (large.handler, large.size, len(large.preview)) == ("file", 100_002, 1000)
    assert Path(large.location).parent == Path(record.order.results_dir)
    assert odd.encoding == "cloudpickle"
    assert odd.preview.startswith("(Row(1), <function")


def test_a_result_that_cannot_be_written_fails_the_task_with_the_place(run, flows):
    (flows / "results").write_text("a file where the folder should be")
    record = run('@task(result_handler=LocalResult(dir="results"))\ndef f(): return 1\n')

    assert record.state == "failed"
    assert str(flows / "results") in record.tasks["f"].error.message


def test_a_resumed_graph_runs_only_what_had_not_finished(run):
    text = """
        class Row:
            def __init__(self, n): self.n = n
        @task
        def first(): print("first ran"); return Row(4)
        @task(depends_on=[first])
        def second(first):
            if os.environ.get("BREAK"): raise ValueError
            return first.n
        """
    before = run(text, environment={"BREAK": "1"})
    finished = (FinishedTask(0, "first", before.tasks["first"].result),)

    after = run(text, resume=finished, attempt=2)

    assert (before.state, after.state) == ("failed", "completed")
    assert (after.tasks["first"].state, after.tasks["first"].attempts) == ("cached", 0)
    assert after.tasks["first"].result == before.tasks["first"].result
    assert after.tasks["second"].result.value == "4"
    assert "first ran" not in after.log


def test_a_resumed_function_flow_runs_only_what_had_not_finished(run):
    text = """
        @task
        def first(): print("first ran"); return [1]
        @task
        def second(rows):
            if os.environ.get("BREAK"): raise ValueError
            return rows
        @flow
        def etl(): return second(first())
        """
    before = run(text, environment={"BREAK": "1"})

    after = run(text, resume=(FinishedTask(0, "first", before.tasks["first"].result),))

    assert (before.state, after.state) == ("failed", "completed")
    assert after.states() == {"first": "cached", "second": "completed"}
    assert "first ran" not in after.log


def test_what_had_finished_may_come_in_a_file_which_is_read_once(run, tmp_path):
    text = """
        @task
        def item(n): return n
        @flow
        def etl(): return [item(n) for n in range(3)]
        """
    path = tmp_path / "finished"
    known = ResultInfo("history", None, 2, "77", "json", "77")
    write_finished(path, [FinishedTask(0, "item", known), FinishedTask(2, "item", known, occurrence=3)])

    record = run(text, finished=str(path))
    assert (record.state, record.end.result.value) == ("completed", "[77,1,77]")
    assert not path.exists()

    record = run(text, finished=str(path))
    assert record.state == "failed"
    assert f"what earlier attempts finished cannot be read from {path}" in record.end.error.message


def test_the_kept_texts_run_whatever_the_folder_holds_now(flows, tmp_path):
    kept = write_flow(tmp_path, "from tidemill import task\nimport helper\n@task\ndef f(): helper.fail()\n", "kept.txt")
    kept_helper = write_flow(tmp_path, "def fail():\n    raise ValueError(__file__)\n", "kept_helper.txt")
    path = write_flow(flows, "a later edit that is broken(\n")
    helper = flows / "helper.py"

    record = run_file(path, state=tmp_path / "state", sources={str(path): str(kept), str(helper): str(kept_helper)})

    error = record.tasks["f"].error
    assert error.line == f"ValueError: {helper}"
    assert f'File "{helper}", line 2, in fail\n    raise ValueError(__file__)' in error.traceback


def test_the_run_s_context_is_there(run):
    record = run(
        """
        @task
        def f(name):
            run = current_run()
            return [run.run_id, run.flow_name, run.parameters, run.attempt, str(run.scheduled_for), current_task().name]
        """,
        parameters={"name": "x"},
        attempt=2,
        scheduled_for="2026-11-22T08:30:00+00:00",
    )

    assert json.loads(record.tasks["f"].result.value) == [
        record.order.run,
        "etl",
        {"name": "x"},
        2,
        "2026-11-22 08:30:00+00:00",
        "f",
    ]


def test_relative_paths_begin_at_the_flow_file(run, flows):
    (flows / "data.csv").write_text("1,2")
    record = run("@task\ndef read(): return open('data.csv').read()\n")

    assert record.tasks["read"].result.value == '"1,2"'


@pytest.mark.parametrize(
    ("text", "flow", "sentence"),
    [
        ("def broken(:\n", "", "SyntaxError"),
        ("@flow\ndef a(): ...\n@flow\ndef b(): ...\n", "", "several flows: a, b"),
        ("@flow\ndef nightly(): ...\n", "nihgtly", "did you mean 'nightly'?"),
        ("", "", "no flow and no task"),
        ("raise SystemExit(2)\n", "", "sys.exit(2)"),
    ],
)
def test_a_file_that_cannot_be_run_is_a_failed_run_with_the_reason(run, text, flow, sentence):
    record = run(text, flow)

    assert record.state == "failed"
    assert sentence in record.end.error.message


def test_a_million_lines_end_nobody(run):
    record = run("@task\ndef talk():\n    for n in range(1_000_000): print('line')\n", log_limit=1_000_000)

    assert record.state == "completed"
    assert len(record.log) < 1_100_000


def test_the_lean_process_has_imported_nothing_heavy():
    import subprocess

    code = "import sys, tidemill.engine.process, tidemill.engine.files.inspection; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "daemon")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, env=environment
    )

    heavy = {"asyncio", "tenacity", "cloudpickle", "sqlalchemy", "click", "apscheduler", "ctypes", "hashlib", "pickle"}
    assert heavy.isdisjoint(done.stdout.split())


def test_a_traceback_quotes_the_text_that_ran_and_not_what_was_written_over_it(tmp_path):
    path = write_flow(
        tmp_path / "flows", "from tidemill import task\n\n@task\ndef load(): raise ValueError  # that ran\n"
    )
    kept = tmp_path / "kept.py"
    kept.write_text(path.read_text())
    path.write_text(path.read_text().replace("that ran", "that was written since"))

    record = run_file(path, state=tmp_path / "runs", sources={os.path.realpath(path): str(kept)})

    assert "# that ran" in record.tasks["load"].error.traceback
    assert "written since" not in record.log


def test_a_sub_flow_that_returned_futures_gives_their_states_in_a_resumed_run_too(run):
    text = """
        @task
        def double(n): print("doubled"); return 2 * n
        @flow
        def child(n): return [double.submit(n), double.submit(n + 1)]
        @flow
        def etl():
            states = child(1)
            if os.environ.get("BREAK"): raise ValueError
            return [state.result() for state in states]
        """
    before = run(text, flow="etl", environment={"BREAK": "1"})

    after = run(text, flow="etl", resume=(FinishedTask(0, "child", before.tasks["child"].result),))

    assert (before.state, after.state) == ("failed", "completed")
    assert after.end.result.preview == "[2,4]"
    assert "doubled" not in after.log


def test_the_history_keeps_the_values_of_futures_that_a_flow_returns(run):
    record = run("""
        @task
        def double(n): return 2 * n
        @flow
        def etl(): return {"doubled": double.map([1, 2]), "first": double(1, return_state=True)}
        """)

    assert record.end.result.value == '{"doubled":[2,4],"first":2}'


def test_a_run_with_wrong_parameters_calls_the_flow_s_hooks(run):
    record = run(
        """
        def tell(flow, flow_run, state): print("told", state.name, flow_run.parameters)
        @flow(on_failure=[tell])
        def etl(n: int): print("never")
        """,
        parameters={"n": "three"},
    )

    assert (record.state, record.end.error.type) == ("failed", "ParameterError")
    assert [line for line in record.lines() if "OUT" in line] == ["[-] OUT told Failed {'n': 'three'}"]


def test_a_list_is_what_a_run_gives_for_any_number_of_arguments(run):
    record = run("@flow\ndef etl(first, *rest): return [first, *rest]\n", parameters={"first": 1, "rest": [2, 3]})

    assert record.end.result.value == "[1,2,3]"


def test_any_number_of_arguments_are_a_list_and_nothing_else(run):
    record = run("@flow\ndef etl(*rest): return rest\n", parameters={"rest": "abc"})

    assert record.end.error.line == (
        "ParameterError: parameter 'rest' of flow etl stands for several values: give it a list"
    )


def test_a_cancelled_async_flow_leaves_no_tracebacks_of_the_loop_in_the_log(run):
    def cancel(pid, log):
        wait_for_line(log, "waiting 2")
        os.kill(pid, signal.SIGTERM)

    record = run(
        """
        import asyncio
        @task
        async def waits(n):
            print("waiting", n)
            try: await asyncio.sleep(60)
            finally: print("cleaned up", n)
        @flow
        async def child(): await waits(1)
        @flow
        async def etl(): await asyncio.gather(child(), waits(2))
        """,
        flow="etl",
        meanwhile=cancel,
    )

    assert (record.state, record.states()) == ("cancelled", {"child": "cancelled", "waits": "cancelled"})
    assert sorted(line.partition("OUT ")[2] for line in record.lines() if "OUT" in line)[:2] == [
        "cleaned up 1",
        "cleaned up 2",
    ]
    assert "ERROR" not in record.log
