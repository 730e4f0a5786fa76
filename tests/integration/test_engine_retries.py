"""Retries in a run process: what decides about them, who is told, and what ends a wait."""

import json
import os
import re
import signal
import time

import pytest

from engine_lab import TaskRetrying, TaskStarted, run_file, wait_for_line, write_flow
from tidemill.domain.events import OfSubflow, RunRetrying, TaskEnded
from tidemill.domain.limits import Limit
from tidemill.limits.table import write_table

HEADER = "import asyncio, os, sys, time\nfrom tidemill import *\n"


@pytest.fixture
def run(tmp_path):
    def go(text, flow="", **fields):
        path = write_flow(tmp_path / "flows", text)
        path.write_text(HEADER + path.read_text())
        return run_file(path, flow, state=tmp_path / "state", **fields)

    return go


def cancel_at(text, seconds=0.0):
    """Cancel a run when its log says *text*, so many seconds later."""

    def meanwhile(pid, log):
        wait_for_line(log, text)
        time.sleep(seconds)
        os.kill(pid, signal.SIGTERM)

    return meanwhile


def waits(record):
    return [round((event.due - event.at) / 1e6, 3) for event in record.of(TaskRetrying)]


# Who decides


STYLES = {
    "graph": "@task{options}\ndef shaky():\n{body}\nflow_ = Flow('f', tasks=[shaky])\n",
    "inline": "@task{options}\ndef shaky():\n{body}\n@flow\ndef f(): return shaky()\n",
    "submitted": "@task{options}\ndef shaky():\n{body}\n@flow\ndef f(): return shaky.submit().result()\n",
    "async": "@task{options}\nasync def shaky():\n{body}\n@flow\nasync def f(): return await shaky()\n",
    "gathered": "@task{options}\nasync def shaky():\n{body}\n@flow\nasync def f(): await asyncio.gather(shaky())\n",
    "mapped": "@task{options}\ndef shaky(n):\n{body}\n@flow\ndef f(): shaky.map([1])[0].result()\n",
    "class": "class Shaky(Task):\n    def run(self):\n{body}\nf = Flow('f', tasks=[Shaky(**dict{options})])\n",
}
everywhere = pytest.mark.parametrize("style", STYLES)


def text_of(style, body, options=""):
    indent = " " * (8 if style == "class" else 4)
    lines = "".join(f"{indent}{line}\n" for line in body.splitlines())
    return "calls = []\n" + STYLES[style].format(options=f"({options})", body=lines)


@everywhere
def test_as_often_as_allowed_in_every_style(run, style):
    record = run(
        text_of(
            style,
            "calls.append(1)\nif len(calls) < 3: raise ValueError(len(calls))\nreturn len(calls)",
            "retries=4, retry_delay_seconds=[0.001, 0.002]",
        )
    )

    assert record.state == "completed"
    assert waits(record) == [0.001, 0.002]
    assert [event.error.line for event in record.of(TaskRetrying)] == ["ValueError: 1", "ValueError: 2"]
    assert [event.attempt for event in record.of(TaskStarted)] == [1, 2, 3]


@everywhere
def test_giving_up_ends_the_retries_in_every_style(run, style):
    record = run(
        text_of(
            style,
            "try: 1 / 0\nexcept ZeroDivisionError as error: raise GiveUp('no such customer') from error",
            "retries=4",
        )
    )

    assert (record.state, record.of(TaskRetrying)) == ("failed", [])
    assert re.fullmatch("GiveUp: (task [Ss]haky: )?no such customer", record.end.error.line)
    (ended,) = record.tasks.values()
    assert "ZeroDivisionError" in ended.error.traceback


@everywhere
def test_asking_for_another_attempt_needs_no_policy_in_any_style(run, style):
    record = run(
        text_of(style, "calls.append(1)\nif len(calls) < 4: raise Retry('busy', delay=0.001 * len(calls))\nreturn 1")
    )

    assert record.state == "completed"
    assert waits(record) == [0.001, 0.002, 0.003]


def test_asking_for_ever_comes_to_an_end(run):
    record = run("@task\ndef shaky(): raise Retry('busy', delay=0)\n")

    assert record.state == "failed"
    assert record.tasks["shaky"].attempts == 11


def test_a_group_of_an_async_task_is_looked_into(run):
    record = run(
        """
        calls = []
        async def fetch(n):
            calls.append(n)
            if len(calls) < 4: raise Retry(delay=0.001 * n)
        @task
        async def both():
            async with asyncio.TaskGroup() as group:
                group.create_task(fetch(1)); group.create_task(fetch(2))
        @task(retries=5)
        async def hopeless():
            async with asyncio.TaskGroup() as group:
                group.create_task(fetch(1)); group.create_task(asyncio.sleep(9))
                raise GiveUp("no")
        @flow
        async def f():
            await both()
            await hopeless()
        """
    )

    assert waits(record) == [0.002, 0.001]
    assert record.tasks["both"].state == "completed"
    assert (record.tasks["hopeless"].state, record.tasks["hopeless"].attempts) == ("failed", 1)


def test_the_condition_of_prefect_s_is_asked_with_task_run_and_state(run):
    record = run(
        """
        def wanted(task, task_run, state):
            print("asked", task.name, task_run.name, task_run.run_count, state.name, state.is_failed(), state.message)
            try:
                state.result()
            except ValueError as error:
                return str(error) != "fatal"
        @task(retries=5, retry_condition_fn=wanted)
        def shaky():
            raise ValueError("fatal" if current_task().attempt == 2 else "passing")
        """
    )

    assert (record.state, record.tasks["shaky"].attempts) == ("failed", 2)
    asked = [line.partition("asked ")[2] for line in record.lines() if "asked" in line]
    assert asked == [
        "shaky shaky 1 Failed True ValueError: passing",
        "shaky shaky 2 Failed True ValueError: fatal",
    ]
    assert "[shaky] OUT asked" in record.log


@pytest.mark.parametrize("style", ["graph", "async"])
def test_the_condition_may_be_async_wherever_the_task_runs(run, style):
    record = run(
        "async def wanted(task, task_run, state):\n    await asyncio.sleep(0)\n    return task_run.run_count < 2\n"
        + text_of(style, "raise ValueError", "retries=5, retry_condition_fn=wanted")
    )

    assert [task.attempts for task in record.tasks.values()] == [2]


def test_a_condition_that_raises_is_a_no_and_the_log_says_so(run):
    record = run(
        """
        def broken(task, task_run, state): raise LookupError("no such thing")
        @task(retries=5, retry_condition_fn=broken)
        def shaky(): raise ValueError("boom")
        """
    )

    assert record.tasks["shaky"].error.line == "ValueError: boom"
    assert record.tasks["shaky"].attempts == 1
    warning = "not tried again, because one of its own retry functions raised LookupError: no such thing"
    assert f"[shaky] WARNING {warning}" in record.lines()


def test_a_function_that_leaves_the_process_is_a_no_too(run):
    record = run(
        """
        @task(retry_kwargs={"max_retries": 2, "before_sleep": lambda state: sys.exit(3)})
        def shaky(): raise ValueError("boom")
        """
    )

    assert (record.state, record.exit_code) == ("failed", 0)
    assert record.end.error.line == "ValueError: task shaky: boom"


def test_a_value_is_judged_by_tenacity_s_own_condition(run):
    record = run(
        """
        from tenacity import retry_if_exception_type, retry_if_result
        calls = []
        @task(retry_kwargs={"max_retries": 2, "retry": retry_if_exception_type() | retry_if_result(lambda v: v < 9)})
        def grow():
            calls.append(1)
            return len(calls)
        @task(retry_kwargs={"max_retries": 2, "retry": retry_if_result(lambda v: v["missing"])})
        def strange(): return {}
        """
    )

    assert record.tasks["grow"].attempts == 3
    assert record.tasks["grow"].error.message == "the retry condition does not accept what was returned"
    assert (record.tasks["strange"].attempts, record.tasks["strange"].error.line) == (1, "KeyError: 'missing'")


def test_tenacity_s_callbacks_log_into_the_run_s_log_under_the_task_s_name(run):
    record = run(
        """
        import logging, tenacity
        log = get_run_logger()
        @task(retry_kwargs={
            "max_retries": 2, "delay": 0.001,
            "before": tenacity.before_log(log, logging.INFO),
            "before_sleep": tenacity.before_sleep_log(log, logging.WARNING),
            "after": tenacity.after_log(log, logging.INFO),
        })
        def shaky(day):
            if current_task().attempt == 1: raise ValueError("boom")
        flow_ = Flow("f", tasks=[shaky.bind(day=3)])
        """
    )

    lines = [re.sub(r"after [\d.e-]+\(s\)", "after …", line) for line in record.lines() if "shaky" in line]
    name = "tidemill_flow_etl.shaky"
    assert [line for line in lines if name in line] == [
        f"[shaky] INFO Starting call to '{name}', this is the 1st time calling it.",
        f"[shaky] INFO Finished call to '{name}' after …, this was the 1st time calling it.",
        f"[shaky] WARNING Retrying {name} in 0.001 seconds as it raised ValueError: boom.",
        f"[shaky] INFO Starting call to '{name}', this is the 2nd time calling it.",
    ]


def test_callbacks_see_what_was_called_and_how_long_it_took(run):
    record = run(
        """
        def tell(state):
            print("told", state.args, state.kwargs, state.fn.__name__, state.seconds_since_start >= 0.05)
        @task(retry_kwargs={"max_retries": 1, "before_sleep": tell})
        def shaky(a, *, b):
            time.sleep(0.05)
            raise ValueError
        @flow
        def f(): shaky(1, b=2)
        """
    )

    assert any(line.endswith("told (1,) {'b': 2} shaky True") for line in record.lines())


def test_each_item_of_a_map_has_retries_of_its_own(run):
    record = run(
        """
        seen = {}
        @task(retries=3, retry_delay_seconds=0.001)
        def shaky(n):
            seen[n] = seen.get(n, 0) + 1
            if n == 3: raise GiveUp("never")
            if seen[n] <= n: raise ValueError(n)
            return n
        @flow
        def f():
            return [future.result(raise_on_failure=False) for future in shaky.map([0, 1, 2, 3])][:3]
        """
    )

    assert json.loads(record.end.result.value) == [0, 1, 2]
    assert sorted(event.attempts for event in record.of(TaskEnded)) == [1, 1, 2, 3]


# Waits


def test_waits_hold_no_thread(run):
    record = run(
        """
        @task(retries=1, retry_delay_seconds=0.3)
        def shaky(n):
            if current_task().attempt == 1: raise ValueError
        @task
        def steady(): time.sleep(0.01)
        @flow(max_workers=1)
        def f():
            begun = time.monotonic()
            futures = [shaky.submit(n) for n in range(4)] + [steady.submit()]
            while not futures[-1].done(): time.sleep(0.001)
            print("steady after", time.monotonic() - begun < 0.25)
            for future in futures: future.result(timeout=5)
            return time.monotonic() - begun
        """,
        max_workers=1,
    )

    assert record.state == "completed"
    assert any(line.endswith("steady after True") for line in record.lines())
    assert 0.3 <= json.loads(record.end.result.value) < 0.9


FAILING = "@task\ndef shaky(): raise ValueError\n"
WAITING = {
    "graph": text_of("graph", "raise ValueError", "retries=1, retry_delay_seconds=60"),
    "inline": text_of("inline", "raise ValueError", "retries=1, retry_delay_seconds=60"),
    "submitted": text_of("submitted", "raise ValueError", "retries=1, retry_delay_seconds=60"),
    "async": text_of("async", "raise ValueError", "retries=1, retry_delay_seconds=60"),
    "flow": f"{FAILING}@flow(retries=1, retry_delay_seconds=60)\ndef f(): shaky()\n",
    "declared": f"{FAILING}f = Flow('f', tasks=[shaky], retries=1, retry_delay_seconds=60)\n",
}


@pytest.mark.parametrize("where", WAITING)
def test_a_cancel_cuts_a_wait_short(run, where):
    begun = time.monotonic()

    record = run(WAITING[where], meanwhile=cancel_at("the next begins in 60 s"))

    assert (record.state, record.exit_code) == ("cancelled", 0)
    assert time.monotonic() - begun < 5
    assert record.states() == {"shaky": "failed" if where in ("flow", "declared") else "cancelled"}


@pytest.mark.parametrize("where", WAITING)
def test_the_time_out_of_the_run_cuts_a_wait_short(run, where):
    begun = time.monotonic()

    record = run(WAITING[where], timeout=0.6)

    assert (record.state, record.exit_code) == ("timed_out", 0)
    assert 0.5 < time.monotonic() - begun < 5


# A flow's own


def test_a_graph_is_tried_again_from_what_did_not_complete(run):
    record = run(
        """
        @task
        def extract():
            print("extract")
            return 3
        @task
        def shaky(extract):
            print("shaky", current_task().attempt, current_run().attempt)
            if current_run().attempt < 3: raise ValueError(f"no {current_run().attempt}")
            return extract
        @task
        def load(shaky): return shaky + 1
        etl = Flow("etl", tasks=[load], retries=2, retry_delay_seconds=[0.001, 0.002])
        """
    )

    assert record.state == "completed"
    assert [line for line in record.lines() if "OUT" in line] == [
        "[extract] OUT extract",
        "[shaky] OUT shaky 1 1",
        "[shaky] OUT shaky 2 2",
        "[shaky] OUT shaky 3 3",
    ]
    assert [(event.attempt, event.due - event.at, event.error.line) for event in record.of(RunRetrying)] == [
        (1, 1000, "ValueError: task shaky: no 1"),
        (2, 2000, "ValueError: task shaky: no 2"),
    ]
    assert record.states() == {"extract": "completed", "shaky": "completed", "load": "completed"}
    assert record.tasks["load"].result.value == "4"
    assert [(event.name, event.attempt) for event in record.of(TaskStarted)] == [
        ("extract", 1),
        ("shaky", 1),
        ("shaky", 2),
        ("shaky", 3),
        ("load", 1),
    ]
    warning = "attempt 1 of the flow failed, the next begins in 0.001 s: ValueError: task shaky: no 1"
    assert f"[-] WARNING {warning}" in record.lines()


def test_the_retries_of_a_task_begin_anew_with_each_attempt_of_its_flow(run):
    record = run(
        """
        from tenacity import stop_after_delay
        @task(retries=1, retry_delay_seconds=0.001)
        def shaky(): raise ValueError(current_task().attempt)
        etl = Flow("etl", tasks=[shaky], retries=1)
        """
    )

    assert (record.state, record.tasks["shaky"].attempts) == ("failed", 4)
    assert [event.attempt for event in record.of(TaskRetrying)] == [1, 3]


def test_an_async_flow_is_tried_again(run):
    record = run(
        """
        @task
        async def once():
            print("once")
            return 1
        @flow(retry_kwargs={"max_retries": 3, "delay": 0.001, "on": OSError})
        async def etl():
            value = await once()
            if current_run().attempt < 3: raise OSError(current_run().attempt)
            return value
        """
    )

    assert (record.state, record.end.result.value) == ("completed", "1")
    assert [line for line in record.lines() if "OUT" in line] == ["[once] OUT once"]
    assert len(record.of(RunRetrying)) == 2


def test_only_the_errors_that_a_flow_names_are_tried_again(run):
    record = run("@flow(retry_kwargs={'max_retries': 3, 'on': OSError})\ndef etl(): raise ValueError('no')\n")

    assert (record.state, record.of(RunRetrying)) == ("failed", [])


def test_what_a_flow_returns_is_judged_by_tenacity_s_own_condition(run):
    record = run(
        """
        from tenacity import retry_if_result
        @flow(retry_kwargs={"max_retries": 3, "retry": retry_if_result(lambda value: value < 3)})
        def etl(): return current_run().attempt
        """
    )

    assert (record.state, record.end.result.value) == ("completed", "3")
    assert [event.error.type for event in record.of(RunRetrying)] == ["RejectedValueError"] * 2


def test_a_flow_that_waits_for_its_next_attempt_lends_its_slots(run, tmp_path):
    write_table(tmp_path / "limits", {"database": Limit(1)})
    text = """
        @flow(tags=["database"], retries=1, retry_delay_seconds=1)
        def patient():
            if current_run().attempt == 1: raise ValueError
            print("again")
        @flow(tags=["database"])
        def quick(): print("quick")
        """
    others = []

    def meanwhile(pid, log):
        wait_for_line(log, "the next begins in 1 s")
        others.append(run(text, "quick", limits_dir=str(tmp_path / "limits")))
        assert "again" not in log.read_text()

    record = run(text, "patient", limits_dir=str(tmp_path / "limits"), meanwhile=meanwhile)

    assert [other.state for other in others] == ["completed"]
    assert record.state == "completed"


def test_a_flow_within_a_flow_is_tried_again_by_itself(run):
    record = run(
        """
        @task
        def once(): print("once")
        @flow(retries=2, retry_delay_seconds=0.001)
        def inner():
            once()
            if current_run().attempt < 3: raise ValueError(current_run().attempt)
            return current_run().attempt
        @flow
        def outer(): return inner() + current_run().attempt
        """,
        "outer",
    )

    assert (record.state, record.end.result.value) == ("completed", "4")
    inner = [event.event for event in record.of(OfSubflow)]
    assert [event.attempt for event in inner if isinstance(event, RunRetrying)] == [1, 2]
    assert record.log.count("OUT once") == 1
    assert record.of(RunRetrying) == []


def test_a_flow_that_ran_out_of_time_is_not_tried_again_but_one_with_a_slow_task_is(run):
    late = run("@flow(retries=3)\ndef etl(): time.sleep(30)\n", timeout=0.2)
    slow = run(
        """
        @task(timeout=0.1)
        def slow():
            if current_task().attempt == 1: time.sleep(30)
        etl = Flow("etl", tasks=[slow], retries=1)
        """
    )

    assert (late.state, late.of(RunRetrying)) == ("timed_out", [])
    assert (slow.state, len(slow.of(RunRetrying))) == ("completed", 1)


def test_a_flow_s_body_may_ask_for_another_attempt_or_give_up(run):
    asked = run(
        """
        @flow
        def etl():
            if current_run().attempt < 3: raise Retry("busy", delay=0.002)
            return current_run().attempt
        """
    )
    hopeless = run("@flow(retries=3)\ndef etl(): raise GiveUp('no')\n")

    assert (asked.state, asked.end.result.value) == ("completed", "3")
    assert [event.due - event.at for event in asked.of(RunRetrying)] == [2000, 2000]
    assert (hopeless.state, hopeless.of(RunRetrying)) == ("failed", [])


def test_what_a_task_asked_for_itself_asks_nothing_of_its_flow(run):
    record = run("@task\ndef shaky(): raise Retry('busy', delay=0)\n@flow\ndef etl(): shaky()\n")
    tried = run("@task\ndef shaky(): raise Retry('busy', delay=0)\n@flow(retries=1)\ndef etl(): shaky()\n")

    assert (record.tasks["shaky"].attempts, record.of(RunRetrying)) == (11, [])
    assert (tried.tasks["shaky"].attempts, len(tried.of(RunRetrying))) == (22, 1)


@pytest.mark.parametrize(
    "flow", ["@flow(retries=3)\ndef etl(): hopeless()", "f = Flow('f', tasks=[hopeless], retries=3)"]
)
def test_a_task_that_gave_up_ends_the_retries_of_its_flow(run, flow):
    record = run(f"@task\ndef hopeless(): raise GiveUp('no')\n{flow}\n")

    assert (record.state, record.of(RunRetrying)) == ("failed", [])


def test_a_flow_has_callbacks_and_a_condition_too(run):
    record = run(
        """
        def wanted(flow, flow_run, state):
            print("asked", flow.name, flow_run.run_count, state.is_failed())
            return flow_run.run_count < 2
        def tell(state): print("told", state.get_fn_name().rpartition(".")[2], state.attempt_number)
        @task
        def bad(): raise ValueError
        etl = Flow("etl", tasks=[bad], retry_kwargs={"max_retries": 5, "before_sleep": tell, "before": tell},
            retry_condition_fn=wanted)
        """
    )

    assert [line.partition("OUT ")[2] for line in record.lines() if "OUT" in line] == [
        "told flow etl 1",
        "asked etl 1 True",
        "told flow etl 1",
        "told flow etl 2",
        "asked etl 2 True",
    ]


def test_a_mapped_task_of_a_graph_runs_only_the_items_that_failed(run):
    record = run(
        """
        @task
        def numbers(): return [1, 2, 3]
        @task
        def shaky(n):
            print("item", n)
            if n == 2 and current_run().attempt == 1: raise ValueError
            return n
        @task
        def total(rows): return sum(rows)
        mapped = shaky.map(n=numbers)
        etl = Flow("etl", tasks=[total.bind(rows=mapped)], retries=1)
        """,
        max_workers=1,
    )

    assert record.state == "completed"
    assert [line.partition("OUT ")[2] for line in record.lines() if "OUT" in line] == [
        "item 1",
        "item 2",
        "item 3",
        "item 2",
    ]
    assert record.tasks["total"].result.value == "6"
