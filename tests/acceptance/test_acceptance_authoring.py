"""Everything the contract lets an author write, exactly as it stands there, by every way to run it."""

import json
import subprocess
import sys

import pytest

CONTRACT = """
    from tidemill import Flow, Task, task, cron
    from tidemill.engine.results import LocalResult

    @task                                            # bare
    def extract(): ...

    @task(depends_on=[extract],                      # order; and data, when a parameter bears the task's name
          retry_kwargs={"max_retries": 3},           # plus delay, backoff, max_delay, jitter, on, timeout
          result_handler=LocalResult(dir="./results"))
    def transform(extract): ...

    @task
    def greet(name): ...

    greet_alice = greet.bind(name="Alice")           # a task with bound parameters

    class Load(Task):                                # a task as a class with several methods; run() is the work
        def run(self, transform): ...

    @task(parameters={"name": "Alice"}, retry=3)     # the article's other spellings
    def greet_and_retry(name): ...

    nightly = Flow("nightly", tasks=[Load(), greet_alice], schedule=cron("0 2 * * *", timezone="Europe/Berlin"))
"""


def states(run):
    return {task["name"]: task["state"] for task in run["tasks"]}


def task_of(run, name):
    return next(task for task in run["tasks"] if task["name"] == name)


def test_the_contract_s_file_works_as_written_by_every_way_to_run_it(daemon):
    daemon.start()
    path = daemon.drop("article.py", CONTRACT)
    daemon.until_flow("nightly")
    hash_before = daemon.run("nightly")["version"]

    assert daemon.cli("check", str(path)).stdout.startswith("✓ article.py  nightly")
    run = daemon.run("nightly")
    assert list(states(run)) == ["extract", "transform", "Load", "greet_alice"]
    assert set(states(run).values()) == {"completed"}
    kept = task_of(run, "transform")["result"]
    assert kept["handler"] == "LocalResult"
    assert kept["location"].startswith(str(daemon.flows / "results"))
    assert daemon.cli("run", str(path)).returncode == 0
    code = "import article; print(article.nightly.run().state.value)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        env=daemon.environment,
        cwd=daemon.flows,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "completed\n", done.stderr
    # What the runs wrote into the folder is no flow file, and reloaded nothing.
    assert [flow["name"] for flow in daemon.json("flows")] == ["nightly"]
    assert daemon.run("nightly")["version"] == hash_before
    assert daemon.log.read_text().count("nightly") == 1


def test_tasks_of_every_kind_hand_their_results_on(daemon):
    daemon.start()
    daemon.drop("_helper.py", "FACTOR = 2\n")
    daemon.drop("sub/_own.py", "OFFSET = 1\n")
    daemon.drop(
        "sub/kinds.py",
        """
        from _helper import FACTOR
        from _own import OFFSET
        from tidemill import every, task

        @task
        def transform():
            return [1, 2, 3]

        @task
        def load(rows):
            return len(rows)

        load_all = load.bind(rows=transform)          # bound to another task's result
        load_none = load.bind(rows=[])                # of a task and its bound copies only the bound ones run

        @task
        class Total:
            def run(self, transform): return self.helped(sum(transform))
            def helped(self, number): return number * FACTOR + OFFSET

        class Steps:
            @task
            def first(self): return self.value()
            @task(depends_on=["first"])
            def second(self, first): return first + 1
            def value(self): return 40

        @task(depends_on=["load_all", Total, load_none])
        def end(load_all, total, load_none, day: str = "today"):
            return [load_all, total, load_none, day]

        schedule = every(minutes=5)
        """,
    )
    flow = daemon.until_flow("kinds")

    assert [(schedule["kind"], schedule["expression"]) for schedule in flow["schedules"]] == [("every", "300")]
    run = daemon.run("kinds", "-p", "day=monday")

    assert set(states(run)) == {"transform", "load_all", "load_none", "Total", "end", "first", "second"}
    assert json.loads(task_of(run, "end")["result"]["preview"]) == [3, 13, 0, "monday"]
    assert task_of(run, "second")["result"]["preview"] == "41"


def test_a_parameter_that_nothing_fills_is_the_flow_s(daemon):
    daemon.start()
    use = "from tidemill import every, task\n\n\n@task\ndef use(data):\n    print('data is', data)\n"
    daemon.drop("plain.py", use)
    daemon.drop("timed.py", f"{use}\n\nschedule = every(minutes=5)\n")
    daemon.until_flow("plain")

    assert "none; tidemill run plain" in daemon.cli("flows").stdout
    refused = daemon.cli("run", "plain", check=2)
    assert "plain needs the parameter data" in refused.stderr
    daemon.run("plain", "-p", "data=hello")
    assert "data is hello" in daemon.cli("logs", "plain@last").stdout
    (error,) = daemon.until(lambda: daemon.status()["errors"], "timed is broken")
    assert (error["file"], error["line"]) == (str(daemon.flows / "timed.py"), 4)
    assert "every 5 minutes: flow timed needs the parameter data" in error["message"]


def test_every_spelling_of_retries_is_obeyed(daemon):
    daemon.start()
    daemon.drop(
        "retries.py",
        """
        from collections import Counter
        from datetime import timedelta

        import tenacity
        from tidemill import task

        attempts = Counter()

        def fail_until(name, number):
            attempts[name] += 1
            if attempts[name] < number:
                raise ValueError(name)

        @task(retry=2)
        def number(): fail_until("number", 3)

        @task(retry={"max_retries": 2, "delay": timedelta(milliseconds=10)})
        def as_dict(): fail_until("as_dict", 3)

        @task(retry_kwargs={"max_retries": 3, "delay": 0.01, "backoff": 2, "max_delay": 0.02, "jitter": 0.5,
                            "on": (ValueError, KeyError), "timeout": 5})
        def every_key(): fail_until("every_key", 4)

        @task(retry_kwargs={"max_retries": 2, "on": lambda error: "predicate" in str(error)})
        def predicate(): fail_until("predicate", 3)

        @task(retry_kwargs={"stop": tenacity.stop_after_attempt(3), "wait": tenacity.wait_exponential(0.01, max=0.02),
                            "retry": tenacity.retry_if_exception_type(ValueError)})
        def theirs(): fail_until("theirs", 3)

        @task(retries=2, retry_delay_seconds=0.01)
        def prefect(): fail_until("prefect", 3)

        @task(retry_kwargs={"max_retries": 3, "on": KeyError})
        def other(): fail_until("other", 3)

        @task(retry_kwargs={"stop": tenacity.stop_after_attempt(2), "wait": tenacity.wait_fixed(0.01)})
        def never(): fail_until("never", 9)
        """,
    )
    daemon.until_flow("retries")

    run = daemon.run("retries", check=1)

    assert {task["name"]: (task["state"], task["attempts"]) for task in run["tasks"]} == {
        "number": ("completed", 3),
        "as_dict": ("completed", 3),
        "every_key": ("completed", 4),
        "predicate": ("completed", 3),
        "theirs": ("completed", 3),
        "prefect": ("completed", 3),
        "other": ("failed", 1),
        "never": ("failed", 2),
    }
    unknown = daemon.drop(
        "unknown.py", "from tidemill import task\n\n\n@task(retry_kwargs={'max_retires': 3})\ndef a(): ...\n"
    )
    assert "line 4: retries of task a have no key 'max_retires'; did you mean 'max_retries'?" in (
        daemon.cli("check", str(unknown), check=1).stdout
    )


def test_function_flows_call_submit_await_and_nest(daemon):
    daemon.start()
    daemon.drop(
        "functions.py",
        """
        import asyncio
        from datetime import date
        from tidemill import flow, get_run_logger, task

        @task
        def add(a, b): return a + b

        @task
        async def add_later(a, b):
            await asyncio.sleep(0.01)
            return a + b

        @flow
        def inner(x: int): return add(x, 1)

        @flow
        def outer(n: int, day: date = date(2026, 11, 22)):
            get_run_logger().info("on %s", day.isoformat())
            futures = [add.submit(i, i) for i in range(n)]
            both = add.submit(futures[0], futures[1])
            return [inner(5), both.result(), [future.result() for future in futures]]

        @flow
        async def gathers(): return await asyncio.gather(*[add_later(i, 1) for i in range(3)])

        @flow
        def raises(): raise KeyError("boom")
        """,
    )
    daemon.until_flow("outer")

    run = daemon.run("outer", "-p", "n=2")
    assert (run["state"], len(run["tasks"])) == ("completed", 4)
    assert json.loads(daemon.cli("result", "outer@last").stdout) == [6, 2, [0, 2]]
    assert "INFO on 2026-11-22" in daemon.cli("logs", "outer@last").stdout
    daemon.run("gathers")
    assert json.loads(daemon.cli("result", "gathers@last").stdout) == [1, 2, 3]
    assert daemon.run("raises", check=1)["error"] == "KeyError: 'boom'"
    refused = daemon.cli("run", "outer", "-p", "n=many", check=2)
    assert "parameter n of outer" in refused.stderr


def test_several_schedules_start_the_flow_each_with_its_own_parameters(daemon):
    daemon.start()
    daemon.drop(
        "ticks.py",
        """
        from datetime import UTC, datetime, timedelta
        from pathlib import Path
        from tidemill import Flow, at, cron, current_run, every, task

        soon = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC) + timedelta(seconds=3)

        @task
        def tick(label, n: int = 1):
            assert current_run().trigger == "schedule"
            print(label, n + 1)

        ticks = Flow("ticks", tasks=[tick], overlap="allow", catchup="all", grace=60, priority=2, tags=["x"], schedule=[
            cron("*/2 * * * * *", parameters={"label": "cron", "n": "5"}),
            every(seconds=2, parameters={"label": "every"}),
            at(soon, parameters={"label": "at"}),
        ])
        """,
    )
    daemon.until_flow("ticks")

    def labels():
        runs = daemon.json("runs", "--flow", "ticks", "--state", "completed")
        return {run["parameters"]["label"] for run in runs}

    daemon.until(lambda: labels() == {"cron", "every", "at"}, "each schedule has started a run")
    assert not daemon.json("runs", "--flow", "ticks", "--state", "failed")


@pytest.mark.parametrize("way", ["daemon", "file"])
def test_whatever_a_task_does_to_its_process_the_run_is_told_whole(daemon, way):
    daemon.start()
    path = daemon.drop(
        "odd.py",
        """
        import logging, multiprocessing, os, subprocess, sys, threading, warnings
        from concurrent.futures import ProcessPoolExecutor
        from dataclasses import dataclass
        from tidemill import Flow, task

        logging.getLogger("mine").info("while it loads")

        @dataclass
        class Row:
            number: int

        class Unpicklable(Exception):
            def __init__(self): super().__init__(threading.Lock())
            def __reduce__(self): raise TypeError

        def square(x): return x * x

        @task
        def talks():
            thread = threading.Thread(target=print, args=("from a thread",))
            thread.start(); thread.join()
            subprocess.run(["echo", "from a child"], check=True)
            sys.stdout.buffer.write(b"bytes \\xff\\n")
            warnings.warn("careful")
            print("half \\ud800")

        @task
        def spawns():
            with multiprocessing.get_context("spawn").Pool(1) as pool: one = pool.map(square, [3])
            with ProcessPoolExecutor(1) as pool: return one + list(pool.map(square, [4]))

        @task
        def row(): return Row(1)

        @task
        def numbers(row): return (number for number in range(row.number + 2))

        @task
        def total(numbers): return sum(numbers)

        @task
        def changes(total, talks, spawns):
            os.chdir("/"); os.environ.clear(); sys.stdout = sys.stderr = None; logging.getLogger().handlers.clear()

        @task(depends_on=[changes])
        def after(): return os.getcwd()

        @task
        def unpicklable(): raise Unpicklable

        @task
        def huge(): raise ValueError("x" * 2_000_000)

        @task
        def interrupts(): raise KeyboardInterrupt

        @task
        def recurses(): return recurses.fn()

        @task
        def exits(): sys.exit(0)

        good = Flow("good", tasks=[after])
        bad = Flow("bad", tasks=[unpicklable, huge, interrupts, recurses, exits])
        """,
    )
    daemon.until_flow("bad")

    def run(flow, code):
        if way == "daemon":
            return daemon.run(flow, check=code)
        command = [sys.executable, "-P", "-m", "tidemill", "run", f"{path}:{flow}"]
        done = subprocess.run(command, env=daemon.environment, cwd=daemon.folder, capture_output=True, check=False)
        assert done.returncode == code, done.stderr
        return daemon.until(lambda: daemon.json("show", f"{flow}@last"), f"{flow} is recorded")

    good = run("good", 0)
    assert set(states(good).values()) == {"completed"}
    assert task_of(good, "spawns")["result"]["preview"] == "[9,16]"
    assert task_of(good, "total")["result"]["preview"] == "3"
    log = daemon.cli("logs", "good@last").stdout
    for line in ("while it loads", "[talks] OUT from a thread", "bytes \\xff", "UserWarning: careful", "half \\ud800"):
        assert line in log
    bad = run("bad", 1)
    assert set(states(bad).values()) == {"failed"}
    assert {task["name"]: task["error"]["type"] for task in bad["tasks"]} == {
        "unpicklable": "Unpicklable",
        "huge": "ValueError",
        "interrupts": "KeyboardInterrupt",
        "recurses": "RecursionError",
        "exits": "SystemExit",
    }
    assert daemon.status()["running"]


def test_time_outs_end_the_work_and_long_chains_and_wide_fans_come_to_their_end(daemon):
    daemon.start()
    daemon.drop(
        "limits.py",
        """
        import re, time
        from tidemill import Flow, task

        @task(timeout=0.3)
        def sleeps(): time.sleep(60)

        @task(timeout=0.3)
        def matches(): re.match("(a+)+$", "a" * 50 + "b")

        @task
        def naps(): time.sleep(60)

        @task
        def nap(): time.sleep(1)

        one = Flow("one", tasks=[sleeps])
        greedy = Flow("greedy", tasks=[matches])
        whole = Flow("whole", tasks=[naps], timeout=0.3)
        wide = Flow("wide", tasks=[nap.bind().with_options(name=f"nap{i}") for i in range(3)], max_workers=3)
        """,
    )
    daemon.drop(
        "large.py",
        """
        from tidemill import Flow, task

        @task
        def first(): return 0

        def step(x): return x + 1

        chain = [first]
        for number in range(999):
            chain.append(task(step).with_options(name=f"step{number}").bind(x=chain[-1]))

        @task
        def leaf(number): return number

        @task
        def add(numbers): return sum(numbers)

        long = Flow("long", tasks=[chain[-1]])
        fan = Flow("fan", tasks=[add.bind(numbers=[leaf.bind(number=i) for i in range(10_000)])])
        """,
    )
    daemon.until_flow("one")
    daemon.until_flow("fan")

    for flow in ("one", "whole"):
        run = daemon.run(flow, check=1)
        assert (run["state"], set(states(run).values())) == ("timed_out", {"timed_out"})
        assert run["duration"] < 3
    greedy = daemon.run("greedy", check=1)
    assert (greedy["state"], greedy["duration"] < 8) == ("timed_out", True)
    assert daemon.run("wide")["duration"] < 2.5
    assert task_of(daemon.run("long"), "step998")["result"]["preview"] == "999"
    fan = daemon.run("fan")
    assert len(fan["tasks"]) == 10_001
    assert task_of(fan, "add")["result"]["preview"] == str(sum(range(10_000)))


def test_a_run_that_waited_while_its_file_was_edited_bears_the_version_that_it_executed(daemon):
    text = """
    from pathlib import Path
    import time
    from tidemill import flow

    @flow
    def slow():
        Path("begun").touch()
        while not Path("go").exists():
            time.sleep(0.02)
        return "before"
    """
    daemon.start()
    daemon.drop("slow.py", text)
    before = daemon.until_flow("slow")["version"]
    daemon.cli("run", "slow")
    daemon.until((daemon.flows / "begun").exists, "the first one runs")
    waiting = daemon.cli("run", "slow").stdout.split()[-1]
    daemon.drop("slow.py", text.replace("before", "after"))
    after = daemon.until(lambda: (v := daemon.json("show", "slow")["version"]) != before and v, "the edit is known")
    (daemon.flows / "go").touch()

    run = daemon.until(lambda: (r := daemon.json("show", waiting))["state"] == "completed" and r, "it has run")
    assert (run["version"], run["result"]["preview"]) == (after, '"after"')
