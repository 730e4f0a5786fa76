"""Transactions in run processes: what their journals tell, and what a death or a cancellation in the middle leaves."""

import os
import signal

import pytest

from engine_lab import Record, run_file, wait_for_line, write_flow
from tidemill.domain.events import OfSubflow, RunEnded, RunNoted, TaskEnded
from tidemill.domain.runs import FinishedTask

HEAD = """
    import os, time
    from pathlib import Path
    from tidemill import flow, task
    from tidemill.cache_policies import *
    from tidemill.transactions import *

    @task
    def write(name):
        Path(name).write_text("side effect")
        get_transaction().set("file", name)
        return name

    @write.on_rollback
    def unlink(txn):
        print("unlinking", txn.get("file"), flush=True)
        os.unlink(txn.get("file"))

    @task
    def check(good=False):
        if not good:
            raise ValueError("not enough data")
"""


@pytest.fixture
def run(tmp_path):
    def go(text: str, **fields) -> Record:
        path = write_flow(tmp_path / "flows", HEAD + text)
        fields.setdefault("cache_dir", str(tmp_path / "cache"))
        return run_file(path, "etl", state=tmp_path / "runs", **fields)

    return go


def notes(record: Record) -> list[str]:
    return [note.note for note in record.of(RunNoted) if "transaction" in note.note]


BLOCK = """
    @flow
    def etl(good: bool = False):
        with transaction():
            write("a")
            write("b")
            check(good)
"""


def test_a_rollback_is_told_by_tasks_and_notes_and_undoes_the_side_effects(run, tmp_path):
    record = run(BLOCK)

    assert record.state == "failed"
    assert [(task.name, task.state) for task in record.of(TaskEnded)] == [
        ("check", "failed"),
        ("write", "cancelled"),
        ("write", "cancelled"),
    ]
    undone = record.tasks["write"]
    assert undone.result is None
    assert undone.error.type == "RolledBack"
    assert undone.error.message == "rolled back with its transaction, because of ValueError: not enough data"
    assert notes(record) == [
        "a transaction is open: if it fails, write is rolled back",
        "a transaction is rolled back: write, write (ValueError: not enough data)",
    ]
    assert list((tmp_path / "flows").glob("[ab]")) == []
    assert [line[-1] for line in record.lines() if "unlinking " in line] == ["b", "a"]


def test_a_commit_is_told_when_it_is_one(run, tmp_path):
    record = run(BLOCK, parameters={"good": True})
    names = [type(event).__name__ + getattr(event, "note", "")[:26] for event in record.events]

    assert record.state == "completed"
    assert record.states() == {"write": "completed", "check": "completed"}
    assert record.tasks["write"].result.value == '"b"'
    # Nothing is told of an end before all of it is decided.
    assert names.index("TaskEnded") > max(place for place, name in enumerate(names) if name == "TaskStarted")
    assert notes(record)[-1] == "the transaction is committed"
    assert (tmp_path / "flows" / "a").exists()


def test_times_are_those_of_the_tasks_and_not_of_the_commit(run):
    record = run("""
    @task
    def quick(): return 1

    @flow
    def etl():
        with transaction():
            quick()
            time.sleep(0.2)
    """)
    ended = record.tasks["quick"]

    assert record.end.at - ended.at > 150_000


def test_what_a_death_in_the_middle_leaves_is_executed_again(run, tmp_path):
    text = """
    @task
    def before(): print("before"); return 1

    @flow
    def etl():
        before()
        with transaction():
            write("a")
            print("in the middle", flush=True)
            while not Path("go").exists():
                time.sleep(0.005)
    """

    def kill(pid, log):
        wait_for_line(log, "in the middle")
        os.kill(pid, signal.SIGKILL)

    dead = run(text, meanwhile=kill)

    assert dead.states() == {"before": "completed"}
    assert notes(dead) == ["a transaction is open: if it fails, write is rolled back"]
    (tmp_path / "flows" / "go").touch()
    before = dead.tasks["before"]
    again = run(text, resume=(FinishedTask(before.index, "before", before.result),))
    assert again.states() == {"before": "cached", "write": "completed"}


def test_a_retry_executes_again_what_was_undone_and_nothing_that_was_committed(run):
    text = """
    @flow
    def etl(good: bool = False):
        with transaction():
            write("kept")
        with transaction():
            write("undone")
            check(good)
    """
    first = run(text)
    finished = tuple(
        FinishedTask(task.index, task.name, task.result, occurrence=number + 1)
        for number, task in enumerate(first.of(TaskEnded))
        if task.state == "completed"
    )
    second = run(text, parameters={"good": True}, resume=finished)

    assert [(task.name, task.state) for task in first.of(TaskEnded)] == [
        ("write", "completed"),
        ("check", "failed"),
        ("write", "cancelled"),
    ]
    assert [(task.name, task.state) for task in second.of(TaskEnded)] == [
        ("write", "cached"),
        ("write", "completed"),
        ("check", "completed"),
    ]


def test_a_cancelled_run_undoes_its_open_transactions(run, tmp_path):
    def cancel(pid, log):
        wait_for_line(log, "in the middle")
        os.kill(pid, signal.SIGTERM)

    record = run(
        """
    @write.on_rollback
    def slow(txn):
        time.sleep(0.3)
        print("slow hook is through", flush=True)

    @flow
    def etl():
        with transaction():
            write("a")
            print("in the middle", flush=True)
            time.sleep(60)
    """,
        meanwhile=cancel,
    )

    assert record.state == "cancelled"
    assert record.states() == {"write": "cancelled"}
    assert "slow hook is through" in record.log
    assert "unlinking a" in record.log
    assert not (tmp_path / "flows" / "a").exists()


def test_a_run_that_passes_its_time_out_undoes_too(run, tmp_path):
    record = run(
        """
    @flow
    def etl():
        with transaction():
            write.submit("a").wait()
            write.submit("b").wait()
            time.sleep(60)
    """,
        timeout=0.3,
    )

    assert record.state == "timed_out"
    assert record.states() == {"write": "cancelled"}
    assert list((tmp_path / "flows").glob("[ab]")) == []


def test_a_sub_flow_is_told_of_when_its_transaction_is_decided(run):
    text = """
    @flow
    def inner():
        write("a")
        return "done"

    @flow
    def etl(good: bool = False):
        with transaction():
            inner()
            check(good)
    """
    bad, good = run(text), run(text, parameters={"good": True})

    def told(record):
        return [
            (type(event).__name__, getattr(event, "name", "inner"), event.state)
            for event in (each.event if isinstance(each, OfSubflow) else each for each in record.events)
            if isinstance(event, TaskEnded | RunEnded)
        ]

    assert told(bad)[:4] == [
        ("TaskEnded", "check", "failed"),
        ("TaskEnded", "write", "cancelled"),
        ("RunEnded", "inner", "cancelled"),
        ("TaskEnded", "inner", "cancelled"),
    ]
    assert told(good)[:4] == [
        ("TaskEnded", "write", "completed"),
        ("RunEnded", "inner", "completed"),
        ("TaskEnded", "inner", "completed"),
        ("TaskEnded", "check", "completed"),
    ]
    assert notes(bad)[-1] == "a transaction is rolled back: inner, write (ValueError: not enough data)"


def test_a_sub_flow_that_fails_inside_ends_before_the_task_that_stands_for_it(run):
    record = run("""
    @flow
    def inner():
        write("a")
        check()

    @flow
    def etl():
        with transaction():
            inner()
    """)
    order = [
        (type(event).__name__, event.state)
        for event in (each.event if isinstance(each, OfSubflow) else each for each in record.events)
        if isinstance(event, TaskEnded | RunEnded)
    ]

    assert order == [
        ("TaskEnded", "failed"),
        ("TaskEnded", "cancelled"),
        ("RunEnded", "failed"),
        ("TaskEnded", "failed"),
        ("RunEnded", "failed"),
    ]


def test_a_rollback_hook_that_fails_is_in_the_history(run):
    record = run("""
    @write.on_rollback
    def broken(txn): raise OSError("disk gone")

    @flow
    def etl():
        with transaction():
            write("a")
            check()
    """)

    assert "the rollback of write is not whole: its hook broken raised OSError: disk gone" in notes(record) + [
        note.note for note in record.of(RunNoted)
    ]
    assert "the hook broken failed" in record.log
    assert "unlinking a" in record.log


def test_the_cache_learns_of_it_at_the_commit(run):
    text = """
    @task(cache_key_fn=lambda *_: "load")
    def load(): return "data"

    @task(cache_key_fn=lambda *_: "process")
    def process(data, good):
        if not good: raise RuntimeError("abort")
        return len(data)

    @flow
    def etl(good: bool = False):
        with transaction():
            return process(load(), good)
    """
    states = [run(text, parameters={"good": good}).states() for good in (False, True, True)]

    assert states == [
        {"load": "cancelled", "process": "failed"},
        {"load": "completed", "process": "completed"},
        {"load": "cached", "process": "cached"},
    ]


def test_a_key_is_done_once_among_runs(run):
    text = """
    @task
    def download(): print("downloading"); return "data"

    @flow
    def etl():
        with transaction(key="download") as txn:
            if txn.is_committed():
                return txn.read().result
            txn.stage(download())
            return "first"
    """
    first, second = run(text), run(text)

    assert first.end.result.value == '"first"'
    assert second.end.result.value == '"data"'
    assert second.tasks == {}


def test_the_task_of_a_graph_is_committed_at_its_own_end(run):
    record = run("""
    from tidemill import Flow

    @write.on_commit
    def told(txn): print("committed", txn.get("file"))

    etl = Flow("etl", tasks=[write.bind(name="a")])
    """)

    assert record.states() == {"write": "completed"}
    assert "committed a" in record.log
    assert notes(record) == []


def test_what_hooks_print_is_in_the_log_under_the_task_s_name(run):
    record = run(BLOCK)

    (line, *_) = [line for line in record.lines() if "unlinking" in line]
    assert line.startswith("[write] ")
    assert any("on_rollback: unlink" in line for line in record.lines())


def test_a_thousand_tasks_in_one_transaction(run):
    record = run("""
    @task
    def small(x): return x

    @flow
    def etl():
        with transaction():
            small.map(list(range(1000)))
    """)

    assert [task.state for task in record.of(TaskEnded)] == ["completed"] * 1000


@pytest.mark.parametrize("opening", ["with", "async with"])
def test_a_cancelled_async_flow_undoes_its_open_transactions(run, tmp_path, opening):
    def cancel(pid, log):
        wait_for_line(log, "in the middle")
        os.kill(pid, signal.SIGTERM)

    record = run(
        f"""
    import asyncio

    @flow
    async def etl():
        {opening} transaction():
            write("a")
            print("in the middle", flush=True)
            await asyncio.sleep(60)
    """,
        meanwhile=cancel,
    )

    assert record.state == "cancelled"
    assert record.states() == {"write": "cancelled"}
    assert not (tmp_path / "flows" / "a").exists()
