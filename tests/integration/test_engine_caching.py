"""Cached tasks in run processes of their own, which share a folder."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine_lab import Record, run_file, wait_for_line, write_flow
from tidemill.cache.folder import CacheFolder
from tidemill.domain.events import TaskEnded, TaskStarted
from tidemill.engine.caching.cache_stores import FolderStore

HEAD = """
    from datetime import timedelta
    from tidemill import Flow, flow, task
    from tidemill.cache_policies import *
"""


@pytest.fixture
def lab(tmp_path):
    """Run a flow file whose text is given, each time in a process of its own, with one cache for all."""

    class Lab:
        cache = tmp_path / "results" / "cache"
        count = 0

        def run(self, text: str, **fields) -> Record:
            path = write_flow(tmp_path / "flows", HEAD + text)
            fields.setdefault("cache_dir", str(self.cache))
            return run_file(path, state=tmp_path / "runs", **fields)

        def records(self) -> list[dict]:
            return [json.loads(path.read_bytes()) for path in sorted(self.cache.rglob("*.record"))]

    return Lab()


ONCE = """
    @task(cache_policy=INPUTS)
    def load(day, debug=False):
        print("loading", day)
        return {"day": day}

    @flow
    def etl(day: str = "monday", debug: bool = False):
        return load(day, debug)
"""


def test_what_one_run_computed_the_next_one_takes(lab):
    first, second = lab.run(ONCE), lab.run(ONCE)

    assert first.states() == {"load": "completed"}
    assert second.states() == {"load": "cached"}
    assert second.end.result.value == '{"day":"monday"}'
    assert second.of(TaskStarted) == []
    ended = second.tasks["load"]
    assert (ended.attempts, ended.started_at, ended.error) == (0, None, None)
    assert ended.result == first.tasks["load"].result
    assert "loading monday" in first.log
    assert "loading" not in second.log
    assert f"cached: what load of run {first.order.run} computed at" in second.log


def test_another_input_is_another_call(lab):
    lab.run(ONCE)

    assert lab.run(ONCE, parameters={"day": "tuesday"}).states() == {"load": "completed"}
    assert lab.run(ONCE, parameters={"debug": True}).states() == {"load": "completed"}
    without = ONCE.replace("=INPUTS", '=INPUTS - "debug"')
    assert lab.run(without).states() == {"load": "completed"}
    assert lab.run(without, parameters={"debug": True}).states() == {"load": "cached"}


def test_source_counts_where_it_is_asked_for(lab):
    text = ONCE.replace("=INPUTS", "=INPUTS + TASK_SOURCE")
    lab.run(text)

    assert lab.run("\n    # a remark\n" + text + "\n    X = 1\n").states() == {"load": "cached"}
    assert lab.run(text.replace("loading", "fetching")).states() == {"load": "completed"}


def test_the_kept_source_is_what_counts(lab, tmp_path):
    text = ONCE.replace("=INPUTS", "=TASK_SOURCE")
    path = write_flow(tmp_path / "flows", HEAD + text)
    kept = tmp_path / "kept.py"
    kept.write_text(path.read_text())
    path.write_text(path.read_text().replace("loading", "overwritten since"))
    sources = {os.path.realpath(path): str(kept)}
    fields = {"state": tmp_path / "runs", "cache_dir": str(lab.cache), "sources": sources}

    assert run_file(path, **fields).states() == {"load": "completed"}
    path.write_text(path.read_text().replace("overwritten since", "overwritten again"))
    assert run_file(path, **fields).states() == {"load": "cached"}


def test_prefect_s_default_is_for_one_run_alone(lab):
    text = """
    @task(persist_result=True)
    def load(x):
        print("loading", x)
        return x

    @flow
    def etl():
        return [load(1), load(1), load.submit(1).result(), load(2)]
    """
    for _ in range(2):
        run = lab.run(text)
        assert [task.state for task in run.of(TaskEnded)] == ["completed", "cached", "cached", "completed"]
        assert run.end.result.value == "[1,1,1,2]"


def test_an_expired_result_is_computed_again_and_its_record_renewed(lab):
    text = ONCE.replace("=INPUTS)", "=INPUTS, cache_expiration=timedelta(microseconds=1))")
    lab.run(text)
    (old,) = lab.records()

    assert lab.run(text).states() == {"load": "completed"}
    (new,) = lab.records()
    assert old["expires"] == old["created"] + 1 < new["created"]


def test_an_expiration_that_lies_ahead_holds(lab):
    text = ONCE.replace("=INPUTS)", "=INPUTS, cache_expiration=timedelta(hours=1))")

    assert [lab.run(text).states()["load"] for _ in range(2)] == ["completed", "cached"]
    (record,) = lab.records()
    assert record["expires"] - record["created"] == 3600 * 1_000_000


def test_refreshing_executes_and_keeps_the_new_value(lab):
    text = ONCE.replace('{"day": day}', '"old"')
    lab.run(text)
    refreshed = text.replace('"old"', '"new"').replace("=INPUTS)", "=INPUTS, refresh_cache=True)")

    assert lab.run(refreshed).states() == {"load": "completed"}
    assert lab.run(text).end.result.value == '"new"'


def test_a_variable_refreshes_whatever_does_not_refuse(lab):
    always = {"environment": {"TIDEMILL_TASKS_REFRESH_CACHE": "true"}}
    lab.run(ONCE)

    assert lab.run(ONCE, **always).states() == {"load": "completed"}
    refusing = ONCE.replace("=INPUTS)", "=INPUTS, refresh_cache=False)")
    assert lab.run(refusing, **always).states() == {"load": "cached"}


def test_every_way_to_execute_a_task_asks_the_cache(lab):
    text = """
    @task(cache_policy=INPUTS + TASK_SOURCE)
    def inline(x): return x

    @task(cache_policy=INPUTS + TASK_SOURCE)
    async def waiting(x): return x

    @task(cache_policy=INPUTS + TASK_SOURCE)
    def streamed(x):
        yield x
        yield x + 1

    @flow
    async def etl():
        return [
            inline(1), await waiting(1), inline.submit(2).result(), waiting.submit(2).result(),
            inline.map([3, 4]).result(), list(streamed(1)),
        ]
    """
    first, second = lab.run(text), lab.run(text)

    assert {task.state for task in first.of(TaskEnded)} == {"completed"}
    assert {task.state for task in second.of(TaskEnded)} == {"cached"}
    assert len(second.of(TaskEnded)) == 7
    assert second.end.result.value == first.end.result.value == "[1,1,2,2,[3,4],[1,2]]"


def test_tasks_of_a_graph_and_items_of_a_mapped_one_ask_the_cache(lab):
    text = """
    @task(cache_policy=TASK_SOURCE)
    def days(): return [1, 2, 3]

    @task(cache_policy=INPUTS + TASK_SOURCE)
    def load(day): return day * 10

    @task
    def total(loads): return sum(loads)

    mapped = load.map(day=days)
    nightly = Flow("nightly", tasks=[total.bind(loads=mapped)])
    """
    first, second = lab.run(text), lab.run(text)

    assert set(first.states().values()) == {"completed"}
    assert second.states() == {
        "days": "cached",
        "mapped": "completed",
        "mapped[0]": "cached",
        "mapped[1]": "cached",
        "mapped[2]": "cached",
        "total": "completed",
    }
    assert second.tasks["total"].result.value == "60"


def test_hooks_and_followers_treat_a_cached_task_as_completed(lab):
    text = """
    @task(cache_policy=TASK_SOURCE)
    def load(): return 1

    @load.on_completion
    def told(task, run, state): print("told of", state.name, state.type)

    @task
    def store(x): return x + 1

    @flow
    def etl():
        state = load(return_state=True)
        assert state.is_completed() and state.result() == 1, state
        return store(load.submit(), wait_for=[state])
    """
    lab.run(text)
    second = lab.run(text)

    assert second.states() == {"load": "cached", "store": "completed"}
    assert second.end.result.value == "2"
    assert "told of Cached" in second.log


def test_an_input_without_a_hash_is_told_and_the_task_executed(lab):
    text = """
    import threading

    @task(cache_policy=INPUTS)
    def load(conn, x): return x

    @flow
    def etl(): return load(threading.Lock(), 1)
    """
    for _ in range(2):
        run = lab.run(text)
        assert run.states() == {"load": "completed"}
        assert "argument 'conn' cannot be part of a cache key" in run.log
        assert "INPUTS - 'conn'" in run.log


@pytest.mark.parametrize(
    ("key_fn", "sentence"),
    [("lambda context, arguments: 3", "must be text"), ("lambda context, arguments: 1 / 0", "division by zero")],
)
def test_a_key_function_that_fails_costs_the_cache_only(lab, key_fn, sentence):
    run = lab.run(f"""
    @task(cache_key_fn={key_fn})
    def load(): return 1

    @flow
    def etl(): return load()
    """)

    assert run.states() == {"load": "completed"}
    assert sentence in run.log


def test_a_key_function_is_told_of_the_task_run_and_tasks_may_share_a_key(lab):
    text = """
    def key(context, arguments):
        assert context.task.name in ("load", "other") and context.flow_run_id and context.task_run_id
        return "static" if arguments["x"] else None

    @task(cache_key_fn=key)
    def load(x): return "of load"

    @task(cache_key_fn=key)
    def other(x): return "of other"

    @flow
    def etl(): return [load(1), other(1), other(0)]
    """
    run = lab.run(text)

    assert run.end.result.value == '["of load","of load","of other"]'
    assert [task.state for task in run.of(TaskEnded)] == ["completed", "cached", "completed"]
    assert "cached: what load of run" in run.log


def test_contradictory_options_are_told_once_a_run(lab):
    run = lab.run("""
    @task(cache_policy=INPUTS, persist_result=False)
    def load(x): return x

    @flow
    def etl(): return [load(1), load(1)]
    """)

    assert [task.state for task in run.of(TaskEnded)] == ["completed", "completed"]
    assert run.log.count("is not cached in spite of its policy, because of persist_result=False") == 1


LARGE = """
    @task(cache_policy=TASK_SOURCE)
    def load(): return ["x" * 1000] * 200

    @flow
    def etl(): return len(load())
"""


def test_a_large_value_outlives_the_run_that_computed_it_and_the_cache(lab):
    first = lab.run(LARGE)
    theirs = Path(first.tasks["load"].result.location)
    theirs.unlink()
    second = lab.run(LARGE)
    ours = Path(second.tasks["load"].result.location)
    CacheFolder(lab.cache).forget("nothing")
    for path in lab.cache.rglob("*"):
        if path.is_file() and path.suffix != ".record":
            path.unlink()
    third = lab.run(LARGE)

    assert (second.states(), third.states()) == ({"load": "cached"}, {"load": "completed"})
    assert ours.is_file()
    assert str(ours).startswith(second.order.results_dir)
    assert "executed again, because what task load of run" in third.log


def test_a_damaged_value_is_a_miss(lab):
    lab.run(LARGE)
    (value,) = (path for path in lab.cache.rglob("*.json") if path.is_file())
    value.write_text('["nonsense"]')

    damaged = lab.run(LARGE)
    assert damaged.states() == {"load": "completed"}
    assert "executed again" in damaged.log
    assert lab.run(LARGE).states() == {"load": "cached"}


def test_a_value_kept_by_the_author_s_handler_is_read_by_it(lab, tmp_path):
    text = """
    from tidemill import LocalResult

    @task(cache_policy=TASK_SOURCE, result_handler=LocalResult("kept"))
    def load(): return [1, 2]

    @flow
    def etl(): return load()
    """
    lab.run(text)
    assert lab.run(text).states() == {"load": "cached"}
    (kept,) = (tmp_path / "flows" / "kept").iterdir()
    kept.write_text("[3]")

    assert lab.run(text).states() == {"load": "completed"}


def test_a_value_that_cannot_be_kept_is_not_cached(lab):
    text = """
    import threading

    @task(cache_policy=TASK_SOURCE)
    def load(): return threading.Lock()

    @flow
    def etl(): load()
    """
    for _ in range(2):
        run = lab.run(text)
        assert run.states() == {"load": "completed"}
        assert "not cached: it is not JSON and cannot be pickled" in run.log


def test_records_go_where_the_policy_says(lab, tmp_path):
    text = ONCE.replace("=INPUTS)", '=INPUTS.configure(key_storage="records"))')

    assert [lab.run(text).states()["load"] for _ in range(2)] == ["completed", "cached"]
    assert len(list((tmp_path / "flows" / "records").rglob("*.record"))) == 1
    assert lab.records() == []


def test_a_cache_that_cannot_be_written_fails_no_task(lab):
    lab.cache.parent.mkdir(parents=True)
    lab.cache.write_text("in the way")
    run = lab.run(ONCE)

    assert run.states() == {"load": "completed"}
    assert "its value is not cached" in run.log


def test_a_failed_task_leaves_no_record(lab):
    text = """
    @task(cache_policy=TASK_SOURCE, retries=1)
    def load(): raise ValueError("no")

    @flow
    def etl(): load()
    """
    assert lab.run(text).states() == {"load": "failed"}
    assert lab.records() == []


SERIAL = """
    import os, time
    from pathlib import Path

    @task(cache_policy=TASK_SOURCE.configure(isolation_level="SERIALIZABLE"))
    def load():
        print("at work", flush=True)
        while not Path("go").exists():
            time.sleep(0.005)
        return 1

    @flow
    def etl(): return load()
"""


def test_serializable_lets_the_second_wait_and_then_take_the_first_s_value(lab, tmp_path):
    runs: dict[str, Record] = {}
    first = threading.Thread(target=lambda: runs.update(first=lab.run(SERIAL, meanwhile=begun.append_log)))

    class Begun:
        log: Path | None = None
        is_there = threading.Event()

        def append_log(self, _, log):
            wait_for_line(log, "at work")
            self.is_there.set()

    begun = Begun()
    first.start()
    assert begun.is_there.wait(20)

    def release(_, log):
        # The second one has come to its lock as soon as it has found nothing to execute.
        assert "at work" not in (log.read_text() if log.exists() else "")
        (tmp_path / "flows" / "go").touch()

    runs["second"] = lab.run(SERIAL, meanwhile=release)
    first.join()

    assert runs["first"].states() == {"load": "completed"}
    assert runs["second"].states() == {"load": "cached"}
    assert "at work" not in runs["second"].log


def test_a_dead_run_holds_no_key(lab, tmp_path):
    def kill(pid, log):
        wait_for_line(log, "at work")
        os.kill(pid, signal.SIGKILL)

    assert lab.run(SERIAL, meanwhile=kill).exit_code == -signal.SIGKILL
    (tmp_path / "flows" / "go").touch()

    assert lab.run(SERIAL).states() == {"load": "completed"}


def test_a_run_that_waits_for_a_key_can_be_cancelled(lab, tmp_path):
    store = FolderStore(lab.cache)
    text = SERIAL.replace(
        "def etl(): return load()", 'def etl():\n        print("calling", flush=True)\n        load()'
    )
    text = text.replace("TASK_SOURCE.configure(", 'CachePolicy.from_cache_key_fn(lambda *_: "k").configure(')
    assert store.locks.take("k", "me")

    def cancel(pid, log):
        wait_for_line(log, "calling")
        os.kill(pid, signal.SIGTERM)

    run = lab.run(text, meanwhile=cancel)
    store.locks.give_back("k", "me")

    assert run.state == "cancelled"
    assert "at work" not in run.log


def test_two_tasks_of_one_run_with_the_same_key_serialize(lab):
    text = """
    count = []

    @task(cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE"))
    def load(x):
        count.append(x)
        return x

    @flow
    def etl():
        load.map([1] * 20).result()
        return len(count)
    """
    run = lab.run(text)

    assert run.end.result.value == "1"
    assert sorted(task.state for task in run.of(TaskEnded)) == ["cached"] * 19 + ["completed"]


def test_what_nobody_caches_is_not_imported():
    code = """
import sys
from tidemill import flow, task

@task(on_completion=[lambda *_: None])
def load(): return 1

@flow
def etl(): return [load(), load.submit().result()]

assert etl() == [1, 1]
words = ("cache", "caching", "transaction", "hashing", "lock_managers")
print([name for name in sys.modules if name.startswith("tidemill") and name.rpartition(".")[2].startswith(words)])
"""
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert told.stdout == "[]\n"


def test_a_value_that_memory_does_not_hold_is_read_whenever_it_is_asked_for(lab):
    text = """
    import gc, weakref

    class Big:
        alive = weakref.WeakSet()

        def __init__(self): self.alive.add(self)
        def __reduce__(self): return Big, ()

    @task(cache_result_in_memory=%s)
    def load(): return Big()

    @task
    def alive(wait): gc.collect(); return len(Big.alive)

    @flow
    def etl():
        future = load.submit()
        future.wait()
        seen = [alive(1)]
        assert isinstance(future.result(), Big) and future.state.is_completed()
        load()
        return [*seen, alive(2)]
    """

    assert lab.run(text % "True").end.result.value == "[1,2]"
    assert lab.run(text % "False").end.result.value == "[0,0]"


def test_a_graph_reads_what_memory_does_not_hold(lab):
    run = lab.run("""
    @task(cache_result_in_memory=False, cache_policy=TASK_SOURCE)
    def load(): return [1, 2]

    @task
    def total(load): return sum(load)

    nightly = Flow("nightly", tasks=[total])
    """)

    assert run.tasks["total"].result.value == "3"
